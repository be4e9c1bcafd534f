// Corpora made of a corpus: by drawing segments, or by exchanging them between two systems. Their scores come from sums of
// rows, on all processors; the draws come in one order, so the result is the same on any number of them.
using System.Numerics;
using System.Runtime.InteropServices;

namespace Engine.Evaluation;

/// <summary>Scores resampled corpora.</summary>
internal static class Resampling
{
    private const int CorporaAtOnce = 32;
    private const int SmallestBlock = 8, LargestBlock = 128;   // of numpy's pairwise sums

    /// <summary>
    /// Scores of corpora of segments that are drawn with replacement, the same ones for each system. sacrebleu adds in single
    /// precision, so it is done here.
    /// </summary>
    public static double[][] Bootstrap(
        Metric metric, SegmentStatistics[] systems, int samples, NumPyRandom random)
    {
        int segments = systems[0].Segments;
        Rows<float>[] rows = [.. systems.Select(Rows<float>.Of)];
        double[][] scores = [.. systems.Select(_ => new double[samples])];
        InTurns(
            samples, () => new int[segments],
            draws =>
            {
                for (int i = 0; i < draws.Length; i++) draws[i] = random.Below(segments);
            },
            (sample, draws) =>
            {
                for (int system = 0; system < rows.Length; system++)
                    scores[system][sample] = metric.ValueOf(rows[system].Sum(draws));
            });
        return scores;
    }

    /// <summary>Differences, without sign, of two systems between which segments were exchanged by chance.</summary>
    public static double[] Exchange(
        Metric metric, SegmentStatistics baseline, SegmentStatistics system, int trials, NumPyRandom random)
    {
        int segments = baseline.Segments;
        Rows<double> both = Rows<double>.Of(baseline, system);
        double[] ofBaseline = baseline.Sum(), ofSystem = system.Sum();
        var differences = new double[trials];
        InTurns(
            trials, () => new int[segments],
            rows =>
            {
                for (int i = 0; i < rows.Length; i++) rows[i] = random.NextBit() ? i : segments + i;
            },
            (trial, rows) =>
            {
                ReadOnlySpan<double> first = both.Sum(rows);
                var second = new double[first.Length];
                for (int i = 0; i < second.Length; i++) second[i] = ofBaseline[i] + ofSystem[i] - first[i];
                differences[trial] = Math.Abs(metric.ValueOf(first) - metric.ValueOf(second));
            });
        return differences;
    }

    /// <summary>Mean of scores, and the interval that a fortieth of them is below and a fortieth above.</summary>
    public static ConfidenceInterval Interval(Metric metric, double[] scores)
    {
        bool single = AreSingle(metric, scores);
        double[] sorted = [.. scores.Order()];
        int low = sorted.Length / 40;
        double width = Rounded(sorted[^(low + 1)] - sorted[low], single);
        return new ConfidenceInterval(Mean(sorted, single), 0.5 * width);
    }

    /// <summary>
    /// The p-value of a difference of resampled scores: how often it is, from its mean, farther than the real one from zero.
    /// </summary>
    public static double PValue(Metric metric, double[] baseline, double[] system, double difference)
    {
        bool single = AreSingle(metric, baseline) && AreSingle(metric, system);
        var differences = new double[system.Length];
        for (int i = 0; i < system.Length; i++) differences[i] = Math.Abs(Rounded(system[i] - baseline[i], single));
        double mean = Mean(differences, single);
        for (int i = 0; i < differences.Length; i++) differences[i] = Rounded(differences[i] - mean, single);
        return PValue(differences, Rounded(difference, single));
    }

    /// <summary>(c + 1) / (n + 1), where c of n differences are larger than the real one.</summary>
    public static double PValue(double[] differences, double difference) =>
        (differences.Count(found => found > difference) + 1.0) / (differences.Length + 1.0);

    // A score of zero is a number of Python, and makes numpy hold all of them in double precision.
    private static bool AreSingle(Metric metric, double[] scores) => metric.SamplesAreSingle && !scores.Contains(0);

    // What is in single precision is so after each step. A difference of two is exact in double precision.
    private static double Rounded(double value, bool single) => single ? (float)value : value;

    private static double Mean(double[] values, bool single) => single
        ? PairwiseSum<float>(Array.ConvertAll(values, value => (float)value)) / values.Length
        : PairwiseSum<double>(values) / values.Length;

    // numpy's order of addition: eight chains over blocks of 128, and halves of what is longer.
    private static T PairwiseSum<T>(ReadOnlySpan<T> values)
        where T : unmanaged, INumber<T>
    {
        T sum = T.Zero;
        if (values.Length < SmallestBlock)
        {
            foreach (T value in values) sum += value;
            return sum;
        }

        if (values.Length > LargestBlock)
        {
            int half = values.Length / 2 / SmallestBlock * SmallestBlock;
            return PairwiseSum(values[..half]) + PairwiseSum(values[half..]);
        }

        Span<T> chains = stackalloc T[SmallestBlock];
        values[..SmallestBlock].CopyTo(chains);
        int whole = values.Length / SmallestBlock * SmallestBlock;
        for (int i = SmallestBlock; i < whole; i++) chains[i % SmallestBlock] += values[i];
        sum = chains[0] + chains[1] + (chains[2] + chains[3]) + (chains[4] + chains[5] + (chains[6] + chains[7]));
        foreach (T value in values[whole..]) sum += value;
        return sum;
    }

    // Draws for some corpora one after another, then works on them at once.
    private static void InTurns(int corpora, Func<int[]> allocate, Action<int[]> draw, Action<int, int[]> work)
    {
        int[][] draws = [.. Enumerable.Range(0, Math.Min(CorporaAtOnce, corpora)).Select(_ => allocate())];
        for (int first = 0; first < corpora; first += draws.Length)
        {
            int count = Math.Min(draws.Length, corpora - first), start = first;
            for (int i = 0; i < count; i++) draw(draws[i]);
            Parallel.For(0, count, i => work(start + i, draws[i]));
        }
    }

    // Rows of counts, padded to whole vectors. Each place has its own chain of additions, in the order of the rows.
    private sealed class Rows<T>(int rows, int width)
        where T : unmanaged, INumber<T>
    {
        private readonly int _vectors = (width + Vector<T>.Count - 1) / Vector<T>.Count;
        private readonly Vector<T>[] _rows =
            new Vector<T>[rows * (((long)width + Vector<T>.Count - 1) / Vector<T>.Count)];

        public static Rows<T> Of(SegmentStatistics statistics) => Of([statistics]);

        public static Rows<T> Of(params SegmentStatistics[] parts)
        {
            int width = parts[0].Width, row = 0;
            var rows = new Rows<T>(parts.Sum(part => part.Segments), width);
            foreach (SegmentStatistics part in parts)
            {
                for (int segment = 0; segment < part.Segments; segment++, row++)
                {
                    Span<T> values = MemoryMarshal.Cast<Vector<T>, T>(rows._rows.AsSpan(row * rows._vectors, rows._vectors));
                    for (int i = 0; i < width; i++) values[i] = T.CreateChecked(part[segment][i]);
                }
            }

            return rows;
        }

        public ReadOnlySpan<T> Sum(int[] which)
        {
            var sum = new Vector<T>[_vectors];
            foreach (int row in which)
            {
                ReadOnlySpan<Vector<T>> values = _rows.AsSpan(row * _vectors, _vectors);
                for (int i = 0; i < values.Length; i++) sum[i] += values[i];
            }

            return MemoryMarshal.Cast<Vector<T>, T>(sum.AsSpan())[..width];
        }
    }
}
