// Scores as JSON, under the names that sacrebleu's objects have.
using System.Text.Json;
using Engine.Evaluation;

namespace Engine.Cli;

/// <summary>Writes scores into an object that is open.</summary>
internal static class EvaluationJson
{
    /// <summary>A score.</summary>
    public static void Score(Utf8JsonWriter json, MetricScore score, string signature)
    {
        json.WriteString("name", score.Name);
        json.WriteNumber("score", score.Value);
        json.WriteString("signature", signature);
        if (score is not BleuScore bleu) return;
        json.WriteString("verbose_score", bleu.Details);
        Numbers(json, "counts", bleu.Counts);
        Numbers(json, "totals", bleu.Totals);
        Numbers(json, "precisions", bleu.Precisions);
        json.WriteNumber("bp", bleu.BrevityPenalty);
        json.WriteNumber("ratio", bleu.Ratio);
        json.WriteNumber("sys_len", bleu.HypothesisLength);
        json.WriteNumber("ref_len", bleu.ReferenceLength);
    }

    /// <summary>A score of lines of some length.</summary>
    public static void OfLength(Utf8JsonWriter json, MetricScore score, int from, int to, int lines)
    {
        json.WriteNumber("words_from", from);
        if (to < int.MaxValue) json.WriteNumber("words_to", to);
        json.WriteNumber("lines", lines);
        Score(json, score, score.Signature);
    }

    /// <summary>Mean and interval, where there are some.</summary>
    public static void Interval(Utf8JsonWriter json, ConfidenceInterval? interval)
    {
        if (interval is not { } found) return;
        json.WriteNumber("mean", found.Mean);
        json.WriteNumber("ci", found.HalfWidth);
    }

    /// <summary>All scores of a line.</summary>
    public static void Scores(Utf8JsonWriter json, int line, IEnumerable<MetricScore> scores)
    {
        json.WriteNumber("line", line);
        json.WriteStartArray("scores");
        foreach (MetricScore score in scores)
        {
            json.WriteStartObject();
            Score(json, score, score.Signature);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Two systems.</summary>
    public static void Test(Utf8JsonWriter json, PairedTestResult result, string baseline, string system)
    {
        json.WriteString("name", result.System.Name);
        json.WriteString("signature", result.Signature);
        System(json, "baseline", baseline, result.Baseline, result.BaselineInterval);
        System(json, "system", system, result.System, result.SystemInterval);
        json.WriteNumber("p_value", result.PValue);
    }

    private static void System(
        Utf8JsonWriter json, string role, string file, MetricScore score, ConfidenceInterval? interval)
    {
        json.WriteStartObject(role);
        json.WriteString("file", file);
        json.WriteNumber("score", score.Value);
        Interval(json, interval);
        json.WriteEndObject();
    }

    private static void Numbers(Utf8JsonWriter json, string name, IReadOnlyList<double> numbers)
    {
        json.WriteStartArray(name);
        foreach (double number in numbers) json.WriteNumberValue(number);
        json.WriteEndArray();
    }
}
