// What BLEU and chrF have in common: a segment gives counts, counts add up, and a sum of counts gives a score. So a test of
// significance needs the counts only once.
namespace Engine.Evaluation;

/// <summary>Scores translations against references, as sacrebleu does (Post 2018, "A Call for Clarity").</summary>
public abstract class Metric
{
    /// <summary>
    /// The version of sacrebleu whose scores and signatures these are: release 2.6.0, at commit f615c72 of its repository.
    /// </summary>
    public const string SacreBleuVersion = "2.6.0-f615c72";

    private protected Metric()
    {
    }

    /// <summary>The name, such as <c>BLEU</c> or <c>chrF2++</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Counts of a segment.</summary>
    internal abstract int Width { get; }

    /// <summary>Whether sacrebleu has the scores of resampled corpora in single precision.</summary>
    internal abstract bool SamplesAreSingle { get; }

    /// <summary>Scores a corpus.</summary>
    /// <param name="hypotheses">Hypotheses, a segment each.</param>
    /// <param name="references">Streams of references, each as long as the hypotheses; null: no reference there.</param>
    public abstract MetricScore Score(
        IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string?>> references);

    /// <summary>Scores one sentence.</summary>
    /// <param name="hypothesis">The hypothesis.</param>
    /// <param name="references">Its references.</param>
    public abstract MetricScore ScoreSentence(string hypothesis, IReadOnlyList<string> references);

    /// <summary>Scores each segment as a sentence: much faster than one after another.</summary>
    /// <param name="hypotheses">Hypotheses, a segment each.</param>
    /// <param name="references">Streams of references, each as long as the hypotheses; null: no reference there.</param>
    public IReadOnlyList<MetricScore> ScoreSentences(
        IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string?>> references)
    {
        SegmentStatistics statistics = Gather(hypotheses, references);
        var scores = new MetricScore[statistics.Segments];
        var counts = new double[Width];
        string same = Signature(statistics.References);
        for (int segment = 0; segment < scores.Length; segment++)
        {
            ReadOnlySpan<int> row = statistics[segment];
            for (int i = 0; i < counts.Length; i++) counts[i] = row[i];
            string signature = statistics.References is null ? Signature(ReferencesOf(segment, references)) : same;
            scores[segment] = ScoreOf(counts, signature);
        }

        return scores;
    }

    internal abstract SegmentCounter CreateCounter();

    /// <summary>The score of counts.</summary>
    internal abstract MetricScore ScoreOf(ReadOnlySpan<double> counts, string signature);

    /// <summary>The value of counts alone.</summary>
    internal abstract double ValueOf(ReadOnlySpan<double> counts);

    /// <summary>The value of counts with the arithmetic of numpy 2 for single precision.</summary>
    internal abstract double ValueOf(ReadOnlySpan<float> counts);

    /// <summary>What was chosen, for a signature.</summary>
    private protected abstract string Choices { get; }

    internal string Signature(int? references, string test = "") =>
        $"nrefs:{(references is { } count ? count : "var")}|{test}{Choices}|version:{SacreBleuVersion}";

    /// <summary>Counts all segments.</summary>
    internal SegmentStatistics Gather(
        IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string?>> references)
    {
        var statistics = new SegmentStatistics(hypotheses.Count, Width, Check(hypotheses, references));
        Parallel.For(
            0, hypotheses.Count, CreateCounter,
            (segment, _, counter) =>
            {
                counter.Count(hypotheses[segment], references, segment, statistics[segment]);
                return counter;
            },
            _ => { });
        return statistics;
    }

    private protected SegmentStatistics GatherSentence(string hypothesis, IReadOnlyList<string> references)
    {
        ArgumentNullException.ThrowIfNull(hypothesis);
        ArgumentNullException.ThrowIfNull(references);
        return Gather([hypothesis], [.. references.Select(reference => (IReadOnlyList<string?>)[reference])]);
    }

    // How many references each segment has; null: not all have as many.
    private static int? Check(IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string?>> references)
    {
        ArgumentNullException.ThrowIfNull(hypotheses);
        ArgumentNullException.ThrowIfNull(references);
        if (hypotheses.Count == 0)
            throw new ArgumentException("There are 0 hypotheses, expected 1 or more.", nameof(hypotheses));
        if (references.Count == 0)
            throw new ArgumentException("There are 0 streams of references, expected 1 or more.", nameof(references));
        for (int stream = 0; stream < references.Count; stream++)
        {
            ArgumentNullException.ThrowIfNull(references[stream], nameof(references));
            if (references[stream].Count != hypotheses.Count)
            {
                throw new ArgumentException(
                    $"The stream of references {stream + 1} has {references[stream].Count:N0} segments, "
                        + $"expected {hypotheses.Count:N0} as the hypotheses have.", nameof(references));
            }
        }

        int? all = null;
        bool differ = false;
        for (int segment = 0; segment < hypotheses.Count; segment++)
        {
            if (hypotheses[segment] is null)
            {
                throw new ArgumentException(
                    $"The hypothesis {segment + 1:N0} is null, expected a text.", nameof(hypotheses));
            }

            int count = ReferencesOf(segment, references);
            if (count == 0)
            {
                throw new ArgumentException(
                    $"The segment {segment + 1:N0} has no reference, expected one.", nameof(references));
            }

            differ |= count != (all ??= count);
        }

        return differ ? null : all;
    }

    private static int ReferencesOf(int segment, IReadOnlyList<IReadOnlyList<string?>> references)
    {
        int count = 0;
        foreach (IReadOnlyList<string?> stream in references) count += stream[segment] is null ? 0 : 1;
        return count;
    }
}
