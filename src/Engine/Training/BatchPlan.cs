// Which sentences make a batch, and in which order batches come: a function of seed and epoch alone, so that a checkpoint needs
// only two numbers to go on where it was.
using System.Runtime.InteropServices;
using Engine.Numerics;

namespace Engine.Training;

/// <summary>The batches of an epoch.</summary>
internal sealed class BatchPlan
{
    // Sentences are sorted by length within so many batches: few enough that a batch is mixed anew in each epoch, and enough that
    // its sentences are of like length.
    private const int PoolBatches = 100;

    // The first keeps these draws apart from those of the initial weights.
    private const uint DataDomain = 0x64617461, SentenceDraws = 0, BatchDraws = 1;   // "data"

    private readonly int[] _sentences;
    private readonly List<(int Start, int Count)> _batches = [];

    private BatchPlan(int[] sentences) => _sentences = sentences;

    /// <summary>How many batches there are.</summary>
    public int Count => _batches.Count;

    /// <summary>The pairs of a batch.</summary>
    public ReadOnlySpan<int> this[int batch] => _sentences.AsSpan(_batches[batch].Start, _batches[batch].Count);

    /// <summary>Plans an epoch: shuffles, sorts by length within pools, cuts into batches, and shuffles those.</summary>
    /// <param name="pairs">The sentences.</param>
    /// <param name="seed">Seed of the training.</param>
    /// <param name="epoch">Number of the epoch, from 0.</param>
    /// <param name="batchTokens">A batch has at most so many tokens of a side, unless it is one sentence.</param>
    /// <param name="batchSentences">And at most so many sentences; 0: any number.</param>
    public static BatchPlan Shuffled(SentencePairs pairs, int seed, int epoch, int batchTokens, int batchSentences)
    {
        var order = new int[pairs.Count];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        Shuffle(order.AsSpan(), seed, epoch, SentenceDraws);
        var plan = new BatchPlan(order);
        for (int start = 0, end; start < order.Length; start = end)
        {
            end = PoolEnd(pairs, order, start, (long)batchTokens * PoolBatches, (long)batchSentences * PoolBatches);
            plan.SortByLength(pairs, start, end);
            plan.Cut(pairs, start, end, batchTokens, batchSentences);
        }

        Shuffle(CollectionsMarshal.AsSpan(plan._batches), seed, epoch, BatchDraws);
        return plan;
    }

    /// <summary>All sentences sorted by length, for a pass that only looks.</summary>
    public static BatchPlan Sorted(SentencePairs pairs, int batchTokens)
    {
        var order = new int[pairs.Count];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        var plan = new BatchPlan(order);
        plan.SortByLength(pairs, 0, order.Length);
        plan.Cut(pairs, 0, order.Length, batchTokens, 0);
        return plan;
    }

    private static int PoolEnd(SentencePairs pairs, int[] order, int start, long tokens, long sentences)
    {
        long source = 0, target = 0;
        int end = start;
        while (end < order.Length)
        {
            source += pairs.Source(order[end]).Length;
            target += pairs.Target(order[end]).Length;
            if (end > start && (Math.Max(source, target) > tokens || (sentences > 0 && end - start >= sentences))) break;
            end++;
        }

        return end;
    }

    // Pairs of like length keep the order in which they were shuffled.
    private void SortByLength(SentencePairs pairs, int start, int end)
    {
        var keys = new (int Target, int Source, int Place)[end - start];
        for (int i = start; i < end; i++)
            keys[i - start] = (pairs.Target(_sentences[i]).Length, pairs.Source(_sentences[i]).Length, i);
        keys.AsSpan().Sort(_sentences.AsSpan(start, end - start));
    }

    private void Cut(SentencePairs pairs, int start, int end, int batchTokens, int batchSentences)
    {
        long source = 0, target = 0;
        int first = start;
        for (int i = start; i < end; i++)
        {
            int ofSource = pairs.Source(_sentences[i]).Length, ofTarget = pairs.Target(_sentences[i]).Length;
            bool isFull = Math.Max(source + ofSource, target + ofTarget) > batchTokens
                || (batchSentences > 0 && i - first >= batchSentences);
            if (isFull && i > first)
            {
                _batches.Add((first, i - first));
                (first, source, target) = (i, 0, 0);
            }

            source += ofSource;
            target += ofTarget;
        }

        if (end > first) _batches.Add((first, end - first));
    }

    // Fisher and Yates; a draw is one block of the generator, so that it depends on nothing but its place.
    private static void Shuffle<T>(Span<T> items, int seed, int epoch, uint purpose)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            var (low, high, _, _) = Philox.Block((ulong)seed, (uint)i, (uint)epoch, purpose, DataDomain);
            int other = (int)Math.BigMul(((ulong)high << 32) | low, (ulong)i + 1, out _);
            (items[i], items[other]) = (items[other], items[i]);
        }
    }
}
