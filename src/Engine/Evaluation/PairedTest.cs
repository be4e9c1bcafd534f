// Is one system better, or lucky on these sentences? Both tests draw as sacrebleu does, so their numbers are its numbers.
namespace Engine.Evaluation;

/// <summary>Tests of significance for two systems that translated the same segments.</summary>
public static class PairedTest
{
    private const int Trials = 10000;

    /// <summary>
    /// Paired bootstrap resampling (Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation"): draws
    /// corpora of segments with replacement and scores both systems on each. The p-value is
    /// <c>(c + 1) / (n + 1)</c>, where in c of n corpora the difference less the mean difference is larger than the real
    /// one, both without sign.
    /// </summary>
    /// <param name="metric">The metric.</param>
    /// <param name="baseline">Hypotheses of the system to compare with.</param>
    /// <param name="system">Hypotheses of the system that is compared.</param>
    /// <param name="references">Streams of references, each as long as the hypotheses.</param>
    /// <param name="options">Options; null: the standard ones.</param>
    public static PairedTestResult Bootstrap(
        Metric metric, IReadOnlyList<string> baseline, IReadOnlyList<string> system,
        IReadOnlyList<IReadOnlyList<string?>> references, PairedTestOptions? options = null)
    {
        Pair pair = Pair.Gather(metric, baseline, system, references, options ??= new PairedTestOptions());
        int samples = options.Samples ?? ConfidenceInterval.DefaultSamples;
        double[][] scores = Resampling.Bootstrap(
            metric, [pair.Baseline, pair.System], samples, new NumPyRandom(options.Seed));
        double pValue = Resampling.PValue(metric, scores[0], scores[1], pair.Difference);
        return pair.Result(
            metric, pValue, Resampling.Interval(metric, scores[0]), Resampling.Interval(metric, scores[1]),
            $"bs:{samples}|seed:{options.Seed}|");
    }

    /// <summary>
    /// Paired approximate randomization (Riezler and Maxwell 2005, "On Some Pitfalls in Automatic Evaluation and
    /// Significance Testing for MT"): exchanges segments between the systems by the throw of a coin. The p-value is
    /// <c>(c + 1) / (n + 1)</c>, where in c of n trials the difference is larger than the real one, both without sign.
    /// </summary>
    /// <inheritdoc cref="Bootstrap"/>
    public static PairedTestResult Randomization(
        Metric metric, IReadOnlyList<string> baseline, IReadOnlyList<string> system,
        IReadOnlyList<IReadOnlyList<string?>> references, PairedTestOptions? options = null)
    {
        Pair pair = Pair.Gather(metric, baseline, system, references, options ??= new PairedTestOptions());
        int trials = options.Samples ?? Trials;
        var random = new NumPyRandom(options.Seed);
        double[] differences = Resampling.Exchange(metric, pair.Baseline, pair.System, trials, random);
        double pValue = Resampling.PValue(differences, pair.Difference);
        string test = $"ar:{trials}|seed:{options.Seed}|";
        if (options.IntervalSamples == 0) return pair.Result(metric, pValue, null, null, test);

        // The corpora of the baseline are the first draws of the seed, those of the system follow the coins.
        ConfidenceInterval Interval(SegmentStatistics statistics, NumPyRandom draws) => Resampling.Interval(
            metric, Resampling.Bootstrap(metric, [statistics], options.IntervalSamples, draws)[0]);
        return pair.Result(
            metric, pValue, Interval(pair.Baseline, new NumPyRandom(options.Seed)), Interval(pair.System, random),
            $"bs:{options.IntervalSamples}|{test}");
    }

    private sealed record Pair(SegmentStatistics Baseline, SegmentStatistics System, double Difference)
    {
        public static Pair Gather(
            Metric metric, IReadOnlyList<string> baseline, IReadOnlyList<string> system,
            IReadOnlyList<IReadOnlyList<string?>> references, PairedTestOptions options)
        {
            ArgumentNullException.ThrowIfNull(metric);
            ArgumentNullException.ThrowIfNull(baseline);
            ArgumentNullException.ThrowIfNull(system);
            if (options.Samples < 1)
                throw new ArgumentException($"Samples are {options.Samples}, expected 1 or more.", nameof(options));
            if (options.Seed < 0 || options.IntervalSamples < 0)
            {
                throw new ArgumentException(
                    $"Seed is {options.Seed} and IntervalSamples are {options.IntervalSamples}, expected numbers that are not "
                        + "negative.", nameof(options));
            }

            SegmentStatistics ofBaseline = metric.Gather(baseline, references), ofSystem = metric.Gather(system, references);
            double difference = Math.Abs(metric.ValueOf(ofBaseline.Sum()) - metric.ValueOf(ofSystem.Sum()));
            return new Pair(ofBaseline, ofSystem, difference);
        }

        public PairedTestResult Result(
            Metric metric, double pValue, ConfidenceInterval? ofBaseline, ConfidenceInterval? ofSystem, string test)
        {
            string signature = metric.Signature(System.References, test);
            return new PairedTestResult(
                metric.ScoreOf(Baseline.Sum(), signature), metric.ScoreOf(System.Sum(), signature), pValue, ofBaseline,
                ofSystem, signature);
        }
    }
}
