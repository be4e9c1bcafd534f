// Everything that a run measured, with the machine it ran on: printed, and written as JSON and Markdown.
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Engine.Perf.Measuring;

namespace Engine.Perf.Table;

/// <summary>A run.</summary>
internal sealed record Report(MachineDescription Machine, IReadOnlyList<Roof> Roofs, IReadOnlyList<Result> Results)
{
    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly string[] Header = ["what", "figure", "floor", "of it", "peers (engine × as good)", "goal", "holds"];

    /// <summary>Goals that hold, that do not, and that cannot be told.</summary>
    public (int Held, int Missed, int Unknown) Goals => (
        Results.Count(static result => result.Holds == true), Results.Count(static result => result.Holds == false),
        Results.Count(static result => result.Holds is null && result.Goal.Length > 0));

    public string ToJson() => JsonSerializer.Serialize(this, Options);

    public static Report FromJson(string json) =>
        JsonSerializer.Deserialize<Report>(json, Options) ?? throw new JsonException("The report is null.");

    /// <summary>The table for a terminal, columns padded.</summary>
    public string ToText()
    {
        List<string[]> lines = [Header, .. Results.Select(Cells)];
        int[] widths = [.. Enumerable.Range(0, Header.Length).Select(column => lines.Max(line => line[column].Length))];
        var text = new StringBuilder();
        foreach (string[] line in lines)
        {
            var padded = line.Select((cell, column) =>
                column is 1 or 2 or 3 ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column]));
            text.AppendLine(string.Join("  ", padded).TrimEnd());
        }

        return text.ToString();
    }

    /// <summary>The table for a document, the machine above it.</summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder().AppendLine(Machine.ToString()).AppendLine();
        text.AppendLine("| limit | 1 thread | several | |").AppendLine("| --- | ---: | ---: | --- |");
        foreach (Roof roof in Roofs) text.AppendLine($"| {roof.What} | {Number(roof.One)} | {Number(roof.Several)} | {roof.Unit} |");
        text.AppendLine();
        text.AppendLine($"| {string.Join(" | ", Header)} |").AppendLine("| --- | ---: | ---: | ---: | --- | --- | --- |");
        foreach (Result result in Results) text.AppendLine($"| {string.Join(" | ", Cells(result))} |");
        return text.ToString();
    }

    /// <summary>Writes <c>perf.json</c> and <c>perf.md</c>.</summary>
    public void Write(string directory)
    {
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "perf.json"), ToJson() + "\n");
        File.WriteAllText(Path.Combine(directory, "perf.md"), ToMarkdown());
    }

    private static string[] Cells(Result result) =>
    [
        result.Note.Length > 0 ? $"{result.What} ({result.Note})" : result.What,
        Number(result.Figure) + " " + result.Unit,
        result.Floor is { } floor ? Number(floor) : "",
        result.Share is { } share ? string.Create(CultureInfo.InvariantCulture, $"{100 * share:F0} %") : "",
        string.Join(", ", result.Peers.Select(Peer)),
        result.Goal,
        result.Goal.Length == 0 ? "" : result.Holds switch { true => "yes", false => "NO", null => "?" },
    ];

    private static string Peer(PeerFigure peer) => double.IsNaN(peer.Figure)
        ? $"{peer.Name} failed"
        : string.Create(CultureInfo.InvariantCulture, $"{peer.Name} {Number(peer.Figure)} ({peer.Ratio:F2}×)");

    private static string Number(double value) => value.ToString(
        Math.Abs(value) switch { >= 1000 => "F0", >= 10 => "F1", _ => "F2" }, CultureInfo.InvariantCulture);
}
