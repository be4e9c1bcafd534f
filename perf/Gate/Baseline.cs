// The committed figures that the gate compares with: shares of the machine's limit, never milliseconds.
using System.Text.Json;

namespace Engine.Perf.Gate;

/// <summary>A watched kernel.</summary>
/// <param name="What">Its name in the table.</param>
/// <param name="Share">Share of its limit, the median of several runs.</param>
/// <param name="Tolerance">How far below that, as a part of it, is noise.</param>
internal sealed record BaselineRow(string What, double Share, double Tolerance);

/// <summary>All watched kernels and where they were measured.</summary>
internal sealed record Baseline(string Machine, IReadOnlyList<BaselineRow> Rows)
{
    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public string ToJson() => JsonSerializer.Serialize(this, Options);

    public static Baseline FromJson(string json) =>
        JsonSerializer.Deserialize<Baseline>(json, Options) ?? throw new JsonException("The baseline is null.");
}
