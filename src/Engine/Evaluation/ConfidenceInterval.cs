// How sure a score is, given that the test set is a sample of what could be translated (Koehn 2004).
namespace Engine.Evaluation;

/// <summary>Mean and 95 % interval of the scores of resampled corpora.</summary>
/// <param name="Mean">Mean of the scores.</param>
/// <param name="HalfWidth">Half of what lies between the scores that a fortieth is below and a fortieth is above.</param>
public readonly record struct ConfidenceInterval(double Mean, double HalfWidth)
{
    /// <summary>Resamples that are usual.</summary>
    public const int DefaultSamples = 1000;

    /// <summary>
    /// Draws corpora of segments with replacement and scores them (Koehn 2004, "Statistical Significance Tests for Machine
    /// Translation Evaluation"): mean and interval of sacrebleu's <c>--confidence</c>.
    /// </summary>
    /// <param name="metric">The metric.</param>
    /// <param name="hypotheses">Hypotheses, a segment each.</param>
    /// <param name="references">Streams of references, each as long as the hypotheses.</param>
    /// <param name="samples">How many corpora are drawn.</param>
    /// <param name="seed">The same seed gives the same corpora.</param>
    /// <param name="signature">The signature with samples and seed in it.</param>
    public static ConfidenceInterval Estimate(
        Metric metric, IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string?>> references,
        int samples, long seed, out string signature)
    {
        ArgumentNullException.ThrowIfNull(metric);
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(seed);
        SegmentStatistics statistics = metric.Gather(hypotheses, references);
        signature = metric.Signature(statistics.References, $"bs:{samples}|seed:{seed}|");
        return Resampling.Interval(
            metric, Resampling.Bootstrap(metric, [statistics], samples, new NumPyRandom(seed))[0]);
    }

    /// <summary>Mean and half width as <c>41.02 ± 0.80</c>.</summary>
    /// <param name="digits">Digits after the point.</param>
    public string Format(int digits) => $"{PythonText.Fixed(Mean, digits)} ± {PythonText.Fixed(HalfWidth, digits)}";
}
