// A BLEU and what it is made of.
namespace Engine.Evaluation;

/// <summary>A score of <see cref="Bleu"/>.</summary>
public sealed class BleuScore : MetricScore
{
    internal BleuScore(
        double value, string signature, double[] counts, double[] totals, double[] precisions, double brevityPenalty,
        long hypothesisLength, long referenceLength)
        : base("BLEU", value, signature)
    {
        (Counts, Totals, Precisions, BrevityPenalty) = (counts, totals, precisions, brevityPenalty);
        (HypothesisLength, ReferenceLength) = (hypothesisLength, referenceLength);
    }

    /// <summary>
    /// For each order, from single words on, the n-grams that are in a reference. Whole numbers, unless
    /// <see cref="BleuSmoothing.AddK"/> added something else to them.
    /// </summary>
    public IReadOnlyList<double> Counts { get; }

    /// <summary>
    /// For each order the n-grams of the hypotheses, again with what <see cref="BleuSmoothing.AddK"/> added.
    /// </summary>
    public IReadOnlyList<double> Totals { get; }

    /// <summary>Smoothed precisions in percent; zeros where no word matches.</summary>
    public IReadOnlyList<double> Precisions { get; }

    /// <summary>BP: 1 where the hypotheses are as long as the references, less where they are shorter.</summary>
    public double BrevityPenalty { get; }

    /// <summary>Words of the hypotheses.</summary>
    public long HypothesisLength { get; }

    /// <summary>Words of the references; of several those whose length is closest to the hypothesis.</summary>
    public long ReferenceLength { get; }

    /// <summary>Words of the hypotheses for a word of the references; 0 where these are empty.</summary>
    public double Ratio => ReferenceLength == 0 ? 0 : (double)HypothesisLength / ReferenceLength;

    /// <inheritdoc/>
    public override string Details =>
        $"{string.Join('/', Precisions.Select(precision => PythonText.Fixed(precision, 1)))} "
        + $"(BP = {PythonText.Fixed(BrevityPenalty, 3)} ratio = {PythonText.Fixed(Ratio, 3)} "
        + $"hyp_len = {HypothesisLength} ref_len = {ReferenceLength})";
}
