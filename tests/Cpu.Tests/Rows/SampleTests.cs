// Is what Sample draws distributed as softmax says? Counts of many draws beside their expectation; the rest is in the conformance suite.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Simd;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Rows;

public sealed class SampleTests
{
    private const int Count = 20_000;

    /// <summary>Draws that differ in the step, the hypothesis, or the seed: each must do by itself.</summary>
    [Theory]
    [InlineData(1f, 0)]
    [InlineData(0.6f, 1)]
    [InlineData(3f, 2)]
    public void Tokens_are_as_frequent_as_softmax_says(float temperature, int varied)
    {
        float[] logits = [.. Enumerable.Range(0, 70).Select(static token => 1.2f * MathF.Sin(token * token))];
        double[] expected = [.. SoftmaxReference.LogSoftmax([.. logits.Select(x => (double)x / temperature)]).Select(Math.Exp)];
        var counts = new double[logits.Length];
        foreach (int token in Draw(logits, temperature, varied)) counts[token]++;
        AssertFrequencies(expected, counts);
    }

    /// <summary>Of 1,600 tokens that are all alike, those of each lane, and of each run of sixteen.</summary>
    [Fact]
    public void No_place_in_the_vocabulary_is_preferred()
    {
        const int Vocabulary = 1600, Lanes = 16;
        var lanes = new double[Lanes];
        var runs = new double[Vocabulary / Lanes];
        foreach (int token in Draw(new float[Vocabulary], 1f, varied: 0))
        {
            lanes[token % Lanes]++;
            runs[token / Lanes]++;
        }

        AssertFrequencies([.. lanes.Select(static _ => 1.0 / Lanes)], lanes);
        AssertFrequencies([.. runs.Select(static _ => (double)Lanes / Vocabulary)], runs);
    }

    /// <summary>What one step draws says nothing of what the next one draws.</summary>
    [Fact]
    public void Draws_do_not_hang_together()
    {
        int[] tokens = Draw(new float[8], 1f, varied: 0);
        var pairs = new double[64];
        for (int i = 0; i < Count; i += 2) pairs[(tokens[i] * 8) + tokens[i + 1]]++;
        AssertFrequencies([.. pairs.Select(static _ => 1.0 / 64)], pairs);
    }

    // Within 5 standard deviations of a binomial distribution: of so many counts one in some ten thousand runs would be outside, and the
    // draws are the same in every run.
    private static void AssertFrequencies(double[] expected, double[] counts)
    {
        double all = counts.Sum();
        for (int i = 0; i < counts.Length; i++)
        {
            double deviation = Math.Sqrt(all * expected[i] * (1 - expected[i]));
            Assert.True(deviation > 2, $"{i} is too rare to be counted.");
            Assert.InRange(counts[i], (all * expected[i]) - (5 * deviation), (all * expected[i]) + (5 * deviation));
        }
    }

    private static int[] Draw(float[] logits, float temperature, int varied)
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        backend.BeginFrame();
        var draws = new int[Count * TokenDraw.Columns];
        for (int i = 0; i < Count; i++)
        {
            TokenDraw draw = varied switch { 0 => new(5, 1, i), 1 => new(5, i, 1), _ => new(i, 5, 1) };
            draw.CopyTo(draws.AsSpan(i * TokenDraw.Columns));
        }

        Tensor row = Tensors.Floats(backend, logits, 1, logits.Length) with { Shape = new Shape(Count, logits.Length), Stride = 0 };
        backend.Sample(row, Tensors.Integers(backend, draws, Count, TokenDraw.Columns), temperature, out Tensor tokens);
        int[] drawn = Tensors.ReadIntegers(backend, tokens);
        backend.EndFrame();
        return drawn;
    }
}
