// Attention of few rows to long histories, which several warps share: each part by the one arithmetic, the parts joined in order.
using Engine.Backends;
using Engine.Conformance;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

public sealed class CachedPartsTests : ConformanceHarness
{
    private const int Positions = KeyValueCache.BlockPositions;

    // One less, as many, and one more than parts of the longest have; and less than one part.
    private static readonly int[] Lengths = [700, 1, 255, 256, 257, 640, 63];

    protected override IBackend Create() => Device.Open(usesOwnProducts: false);

    [Theory]
    [InlineData(1, 16, 16)]
    [InlineData(2, 64, 64)]
    [InlineData(3, 20, 12)]
    [InlineData(1, 80, 130)]
    public void Histories_in_parts_agree_with_the_definition(int heads, int headDim, int valueDim)
    {
        foreach (AttentionMask mask in new[] { AttentionMask.None, AttentionMask.Window(300, 0), AttentionMask.Window(699, 5) })
        {
            var spec = new AttentionSpec(heads, 1 / MathF.Sqrt(headDim), mask);
            (int width, int valueWidth) = (heads * headDim, heads * valueDim);
            float[] query = Values(Lengths.Length * width, seed: 1), key = Values(Lengths.Sum() * width, seed: 2);
            float[] value = Values(Lengths.Sum() * valueWidth, seed: 3);
            float[] One() => Run(b =>
            {
                Scene scene = Scene.Create(b, query, key, value, heads, Lengths);
                return b.CachedAttention(scene.Query, scene.Cache, scene.View, spec);
            });
            float[] found = One();
            AssertSameBits("once more", found, One());
            int[] offsets = Offsets(Lengths);
            for (int row = 0; row < Lengths.Length; row++)
            {
                double[] q = Widen(query.AsSpan(row * width, width)), k = Widen(key.AsSpan(offsets[row] * width, Lengths[row] * width));
                double[] v = Widen(value.AsSpan(offsets[row] * valueWidth, Lengths[row] * valueWidth));
                AssertWithin(
                    $"row {row} under {mask}", AttentionReference.Row(q, k, v, [], Lengths[row] - 1, spec),
                    found[(row * valueWidth)..((row + 1) * valueWidth)],
                    OperatorBound.AttentionRow(q, k, v, [], Lengths[row] - 1, spec), valueWidth);
            }
        }
    }

    [Fact]
    public void Only_few_rows_of_long_histories_are_cut()
    {
        using var device = Device.Open(usesOwnProducts: false);
        Assert.Equal(2, device.PartsOfHistory(warps: 1, longest: 256, AttentionMask.Unlimited));
        Assert.Equal(4, device.PartsOfHistory(warps: 8, longest: 1000, AttentionMask.Unlimited));    // 7, and a power of two
        Assert.Equal(1, device.PartsOfHistory(warps: 1, longest: 255, AttentionMask.Unlimited));
        Assert.Equal(1, device.PartsOfHistory(warps: 1, longest: 1000, left: 200));
        Assert.Equal(1, device.PartsOfHistory(warps: 1_000_000, longest: 1000, AttentionMask.Unlimited));
        using var own = Device.Open(usesOwnProducts: true);
        Assert.Equal(1, own.PartsOfHistory(warps: 1, longest: 1000, AttentionMask.Unlimited));
    }

    private sealed record Scene(Tensor Query, KeyValueCache Cache, CacheView View)
    {
        public static Scene Create(IBackend b, float[] query, float[] key, float[] value, int heads, int[] lengths)
        {
            // Blocks are given out backwards.
            int[] blocks = [.. lengths.Select(static length => (length + Positions - 1) / Positions)];
            int most = blocks.Max(), next = blocks.Sum(), rows = lengths.Sum();
            int width = query.Length / lengths.Length, valueWidth = value.Length / rows;
            var table = new int[lengths.Length * most];
            var slots = new List<int>();
            for (int row = 0; row < lengths.Length; row++)
            {
                for (int i = 0; i < blocks[row]; i++) table[(row * most) + i] = --next;
                for (int i = 0; i < lengths[row]; i++)
                    slots.Add((table[(row * most) + (i / Positions)] * Positions) + (i % Positions));
            }

            KeyValueCache cache = b.AllocateCache(blocks.Sum(), width, valueWidth, heads);
            b.Append(cache, Put(b, rows, width, key), Put(b, rows, valueWidth, value), PutVector(b, slots.ToArray()));
            var view = new CacheView(Put(b, lengths.Length, most, table), PutVector(b, lengths), lengths.Max());
            return new Scene(Put(b, lengths.Length, width, query), cache, view);
        }
    }
}
