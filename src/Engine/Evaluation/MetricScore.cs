// A score that says how it came about: without its signature a BLEU compares with no other (Post 2018).
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

    /// <summary>
    /// What was chosen, as sacrebleu writes it: <c>nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:...</c>
    /// </summary>
    public string Signature { get; }

    /// <summary>What stands after the score, such as precisions; empty: nothing.</summary>
    public virtual string Details => "";

    /// <summary>As sacrebleu writes it: <c>BLEU = 41.02 71.2/48.1/34.5/24.9 (BP = ...)</c></summary>
    public sealed override string ToString() => Format(2);

    /// <summary>
    /// As sacrebleu writes it: <c>BLEU|nrefs:1|... = 41.02 (μ = 41.01 ± 0.80) 71.2/48.1/34.5/24.9 (BP = ...)</c>
    /// </summary>
    /// <param name="digits">Digits of the score after the point.</param>
    /// <param name="signature">What stands after the name; empty: nothing.</param>
    /// <param name="interval">Mean and interval of resampled corpora; not told where null, or where the mean is 0.</param>
    public string Format(int digits, string signature = "", ConfidenceInterval? interval = null)
    {
        ArgumentNullException.ThrowIfNull(signature);
        string name = signature.Length == 0 ? Name : $"{Name}|{signature}";
        string details = Details.Length == 0 ? "" : $" {Details}";
        ConfidenceInterval? told = interval is { Mean: > 0 } ? interval : null;
        return $"{name} = {FormatValue(digits, told)}{details}";
    }

    /// <summary>The score alone: <c>41.02</c>, or <c>41.02 (μ = 41.01 ± 0.80)</c></summary>
    /// <param name="digits">Digits of the score after the point.</param>
    /// <param name="interval">Mean and interval of resampled corpora; null: none are told.</param>
    public string FormatValue(int digits, ConfidenceInterval? interval = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(digits);
        string mean = interval is { } found ? $" (μ = {found.Format(digits)})" : "";
        return PythonText.Fixed(Value, digits) + mean;
    }
}
