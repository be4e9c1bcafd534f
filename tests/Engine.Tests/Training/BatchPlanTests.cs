// Batches: every sentence once an epoch, none too large, of like length, and the same for the same seed.
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class BatchPlanTests
{
    [Theory]
    [InlineData(1, 100, 0)]
    [InlineData(1000, 100, 0)]
    [InlineData(1000, 100, 7)]
    [InlineData(20_000, 256, 0)]
    [InlineData(300, 1, 0)]
    public void Every_sentence_is_in_one_batch_which_is_not_too_large(int count, int tokens, int sentences)
    {
        SentencePairs pairs = Pairs(count);
        foreach (BatchPlan plan in (BatchPlan[])
            [BatchPlan.Shuffled(pairs, 3, 5, tokens, sentences), BatchPlan.Sorted(pairs, tokens)])
        {
            var seen = new List<int>();
            for (int i = 0; i < plan.Count; i++)
            {
                ReadOnlySpan<int> batch = plan[i];
                int source = 0, target = 0;
                foreach (int sentence in batch)
                {
                    source += pairs.Source(sentence).Length;
                    target += pairs.Target(sentence).Length;
                    seen.Add(sentence);
                }

                Assert.True(batch.Length == 1 || Math.Max(source, target) <= tokens);
            }

            Assert.Equal(Enumerable.Range(0, count), seen.Order());
        }
    }

    [Fact]
    public void No_batch_has_more_sentences_than_asked_for()
    {
        BatchPlan plan = BatchPlan.Shuffled(Pairs(1000), 1, 0, 1000, 7);
        for (int i = 0; i < plan.Count; i++) Assert.InRange(plan[i].Length, 1, 7);
    }

    [Fact]
    public void Order_is_a_function_of_seed_and_epoch()
    {
        SentencePairs pairs = Pairs(1000);
        Assert.Equal(Order(pairs, 1, 2), Order(pairs, 1, 2));
        Assert.NotEqual(Order(pairs, 1, 2), Order(pairs, 1, 3));
        Assert.NotEqual(Order(pairs, 1, 2), Order(pairs, 2, 2));
    }

    [Fact]
    public void Sentences_of_a_batch_are_of_like_length_and_batches_are_full()
    {
        SentencePairs pairs = Pairs(20_000);
        BatchPlan plan = BatchPlan.Shuffled(pairs, 1, 0, 512, 0);
        int spread = 0, full = 0;
        for (int i = 0; i < plan.Count; i++)
        {
            int[] lengths = [.. plan[i].ToArray().Select(sentence => pairs.Target(sentence).Length)];
            spread += lengths.Max() - lengths.Min();
            if (lengths.Sum() > 400) full++;
        }

        Assert.InRange((double)spread / plan.Count, 0, 2);
        Assert.InRange((double)full / plan.Count, 0.9, 1);
    }

    [Fact]
    public void Sentences_come_together_with_others_in_each_epoch()
    {
        SentencePairs pairs = Pairs(5000);
        HashSet<(int, int)> Neighbours(int epoch)
        {
            BatchPlan plan = BatchPlan.Shuffled(pairs, 1, epoch, 100, 0);
            var neighbours = new HashSet<(int, int)>();
            for (int i = 0; i < plan.Count; i++)
            {
                int[] batch = [.. plan[i].ToArray().Order()];
                for (int j = 1; j < batch.Length; j++) neighbours.Add((batch[j - 1], batch[j]));
            }

            return neighbours;
        }

        HashSet<(int, int)> first = Neighbours(0);
        int count = first.Count;
        first.IntersectWith(Neighbours(1));
        Assert.InRange((double)first.Count / count, 0, 0.1);
    }

    private static List<int> Order(SentencePairs pairs, int seed, int epoch)
    {
        BatchPlan plan = BatchPlan.Shuffled(pairs, seed, epoch, 100, 0);
        var order = new List<int>();
        for (int i = 0; i < plan.Count; i++) order.AddRange(plan[i]);
        return order;
    }

    [Fact]
    public void The_usual_length_leaves_out_one_source_in_a_thousand()
    {
        Assert.Equal(16, new SentencePairs().UsualSourceTokens);
        var pairs = new SentencePairs();
        for (int i = 0; i < 1000; i++) pairs.Add(new int[i < 500 ? 3 : 40], new int[90], i + 1);
        pairs.Add(new int[1000], new int[90], 1001);
        Assert.Equal(40, pairs.UsualSourceTokens);
        for (int i = 0; i < 2; i++) pairs.Add(new int[1000], new int[90], 1002 + i);
        Assert.Equal(1000, pairs.UsualSourceTokens);
    }

    private static SentencePairs Pairs(int count)
    {
        var pairs = new SentencePairs();
        var random = new Random(count);
        for (int i = 0; i < count; i++)
        {
            int source = random.Next(1, 40);
            pairs.Add(new int[source], new int[Math.Max(1, source + random.Next(-3, 4))], i + 1);
        }

        return pairs;
    }
}
