// A score that says how it came about: without its signature a BLEU compares with no other (Post 2018).
using System.Globalization;

namespace Engine.Evaluation;

/// <summary>A score of a corpus or of a sentence.</summary>
public abstract class MetricScore
{
    private protected MetricScore(string name, double value, string signature)
    {
        Name = name;
        Value = value;
        Signature = signature;
    }

    /// <summary>The metric, such as <c>BLEU</c> or <c>chrF2++</c>.</summary>
    public string Name { get; }

    /// <summary>The score, from 0 to 100.</summary>
    public double Value { get; }

    /// <summary>What was chosen, as sacrebleu writes it: <c>nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:...</c></summary>
    public string Signature { get; }

    /// <summary>What stands after the score, such as precisions; empty: nothing.</summary>
    public virtual string Details => "";

    /// <summary>As sacrebleu writes it: <c>BLEU = 41.02 71.2/48.1/34.5/24.9 (BP = ...)</c></summary>
    public sealed override string ToString() => Format(2);

    /// <summary>As sacrebleu writes it.</summary>
    /// <param name="digits">Digits of the score after the point.</param>
    /// <param name="withSignature">Whether the signature stands after the name.</param>
    /// <param name="interval">Mean and interval of resampled corpora, to be told beside the score; null: none.</param>
    public string Format(int digits, bool withSignature = false, ConfidenceInterval? interval = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(digits);
        string name = withSignature ? $"{Name}|{Signature}" : Name;
        string mean = interval is { Mean: > 0 } found ? $" (μ = {found.Format(digits)})" : "";
        string details = Details.Length == 0 ? "" : $" {Details}";
        return string.Create(CultureInfo.InvariantCulture, $"{name} = {PythonText.Fixed(Value, digits)}{mean}{details}");
    }
}
