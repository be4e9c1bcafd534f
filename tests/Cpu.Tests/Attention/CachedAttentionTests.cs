// Attention to a cache gives the bits of one pass, however the cache lies in memory and whatever else lies there.
using Cpu.Tests.Rows;
using Cpu.Tests.Simd;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Memory;
using Engine.Cpu.Simd;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Attention;

[Collection("Native memory")]
public sealed class CachedAttentionTests
{
    private const int Positions = KeyValueCache.BlockPositions;

    public static TheoryData<int, int> HeadDims => AttentionContractTests.HeadDims;

    [Theory, MemberData(nameof(HeadDims))]
    public void Each_position_of_a_causal_pass_is_a_step(int headDim, int valueDim)
    {
        foreach (AttentionMask mask in new[] { AttentionMask.Causal, AttentionMask.Window(70, 0), AttentionMask.Window(0, 0), AttentionMask.Window(17, 9).AndCausal() })
        {
            var pass = new AttentionCase([130], [130], 2, headDim, valueDim, mask);
            int[] expected = Bits(pass.Run(Ladder.Best, 1));
            Assert.Equal(expected, Bits(Steps(pass, Ladder.Best, 1)));
            Assert.Equal(expected, Bits(Steps(pass, Ladder.Best, 2)));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_rung_gives_the_same_bits(bool isAdditive)
    {
        var pass = AttentionCase.Self([70], 2, isAdditive ? 9 : 20, AttentionMask.Window(66, 0), isAdditive);
        int[] expected = Bits(pass.Exact());
        foreach (Rung rung in Rungs.All) Assert.Equal(expected, Bits(Steps(pass, rung, 1)));
    }

    [Fact]
    public void Weights_have_the_same_bits_on_every_rung_and_sum_to_one()
    {
        var pass = AttentionCase.Self([130], 3, 20, AttentionMask.Window(100, 0));
        int[]? expected = null;
        foreach (Rung rung in Rungs.All)
        {
            foreach (int threads in new[] { 1, 2 })
            {
                using var backend = new CpuBackend(rung, threads);
                float[] found = InCache(backend, pass, poison: true, (query, score, cache, view) =>
                    backend.CachedAttentionWeights(query, score, cache, view, pass.Spec, firstHeads: 2));
                Assert.Equal(expected ??= Bits(found), Bits(found));
                for (int row = 0; row < 130; row++)
                {
                    // A weight is within 2 ulp of its numerator (e^x) and 130 sums of its denominator.
                    Assert.InRange(found[(row * 130)..((row + 1) * 130)].Sum(), 1 - 2e-5f, 1 + 2e-5f);
                    for (int j = 0; j < 130; j++) Assert.Equal(j <= row && j >= row - 100, found[(row * 130) + j] != 0);
                }
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_lies_beside_the_history_may_be_anything(bool isAdditive)
    {
        var pass = new AttentionCase([75], [75], 3, 5, 7, AttentionMask.Causal, isAdditive);
        using var backend = new CpuBackend(Ladder.Best, 1);
        float[] clean = InCache(backend, pass, poison: false, (query, score, cache, view) => Attend(backend, pass, query, score, cache, view));
        float[] poisoned = InCache(backend, pass, poison: true, (query, score, cache, view) => Attend(backend, pass, query, score, cache, view));
        Assert.Equal(Bits(pass.Exact()), Bits(clean));
        Assert.Equal(Bits(clean), Bits(poisoned));
    }

    [Fact]
    public void Rows_are_appended_in_any_order_and_in_runs_of_any_length()
    {
        // A run of neighbouring slots is transposed together: whole blocks, parts of blocks, single rows, backwards.
        const int Rows = 64, KeyColumns = 70, ValueColumns = 9;
        float[] keys = Tensors.Random(Rows * KeyColumns, seed: 1), values = Tensors.Random(Rows * ValueColumns, seed: 2);
        int[][] orders =
        [
            [.. Enumerable.Range(0, Rows)], [.. Enumerable.Range(0, Rows).Reverse()],
            [.. Enumerable.Range(5, Rows - 5), .. Enumerable.Range(0, 5)],
            [.. Enumerable.Range(0, Rows).Select(static i => i * 27 % Rows)],
            [.. Enumerable.Range(0, Rows).Select(static i => i ^ 8)],
        ];
        using var one = new CpuBackend(Ladder.Best, 1);
        using var three = new CpuBackend(Ladder.Best, 3);
        foreach (CpuBackend backend in new[] { one, three })
        {
            foreach (int[] slots in orders)
            {
                backend.BeginFrame();
                KeyValueCache cache = backend.AllocateCache(Rows / Positions, KeyColumns, ValueColumns, 1);
                backend.Append(
                    cache, Tensors.Floats(backend, keys, Rows, KeyColumns, gap: 1), Tensors.Floats(backend, values, Rows, ValueColumns, gap: 2),
                    Tensors.Integers(backend, slots, 1, Rows));
                float[] foundKeys = Tensors.Read(backend, cache.Keys), foundValues = Tensors.Read(backend, cache.Values);
                for (int row = 0; row < Rows; row++)
                {
                    int block = slots[row] / Positions, position = slots[row] % Positions;
                    for (int c = 0; c < KeyColumns; c++)
                        Assert.Equal(keys[(row * KeyColumns) + c], foundKeys[(((block * KeyColumns) + c) * Positions) + position]);
                    for (int c = 0; c < ValueColumns; c++)
                        Assert.Equal(values[(row * ValueColumns) + c], foundValues[(slots[row] * ValueColumns) + c]);
                }

                backend.FreeCache(cache);
                backend.EndFrame();
            }
        }
    }

    [Fact]
    public void Steady_state_allocates_nothing()
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        var small = AttentionCase.Self([24, 7], 2, 16, AttentionMask.Causal);
        var large = AttentionCase.Self([300], 2, 64, AttentionMask.None);
        var spec = new AttentionSpec(2, 0.25f, AttentionMask.Causal);
        KeyValueCache cache = backend.AllocateCache(4, 32, 32, 2);
        float[] rows = Tensors.Random(20 * 32, seed: 1);
        int[] slots = [.. Enumerable.Range(3, 20)], blocks = [.. Enumerable.Range(0, 40).Select(static i => i % 2)];
        int[] lengths = [.. Enumerable.Range(1, 20)], copies = [1, 3], offsets = [0, 300], smallOffsets = [0, 24, 31];
        long managed = 0, native = 0;
        for (int frame = 0; frame < 20; frame++)
        {
            if (frame == 10) (managed, native) = (GC.GetAllocatedBytesForCurrentThread(), NativeBuffer.Allocations);
            backend.BeginFrame();
            Tensor x = Put(backend, small.Query, 31, 32), y = Put(backend, large.Query, 300, 128), z = Put(backend, rows, 20, 32);
            var sentences = new Ragged(Indices(backend, smallOffsets, 1, 3), 2, 31, 24);
            var sentence = new Ragged(Indices(backend, offsets, 1, 2), 1, 300, 300);
            backend.Attention(x, x, x, sentences, sentences, spec);
            backend.Attention(y, y, y, sentence, sentence, spec);
            backend.AdditiveAttention(x, x, x, z.RowRange(0, 1), sentences, sentences, spec);
            backend.Append(cache, z, z, Indices(backend, slots, 1, 20));
            backend.CopyBlocks(cache, Indices(backend, copies, 1, 2));
            var view = new CacheView(Indices(backend, blocks, 20, 2), Indices(backend, lengths, 1, 20), 20);
            backend.CachedAttention(z, cache, view, spec);
            backend.CachedAdditiveAttention(z, z.RowRange(0, 1), cache, view, spec);
            backend.CachedAttentionWeights(z, Tensor.None, cache, view, spec, 2);
            backend.EndFrame();
        }

        Assert.Equal(managed, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(native, NativeBuffer.Allocations);
        backend.FreeCache(cache);
    }

    [Fact]
    public void A_new_cache_is_zero_and_a_freed_one_is_gone()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        long before = NativeBuffer.LiveBytes;
        KeyValueCache cache = backend.AllocateCache(3, 10, 6, 2);
        Assert.All(Tensors.Read(backend, cache.Keys), static value => Assert.Equal(0f, value));
        Assert.All(Tensors.Read(backend, cache.Values), static value => Assert.Equal(0f, value));
        cache = backend.GrowCache(cache, 5);
        backend.FreeCache(cache);
        Assert.Equal(before, NativeBuffer.LiveBytes);
        cache = backend.AllocateCache(0, 10, 6, 2);
        backend.FreeCache(cache);
    }

    [Fact]
    public void What_does_not_fit_the_cache_is_refused_and_named()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        KeyValueCache cache = backend.AllocateCache(3, 8, 8, 2);
        backend.BeginFrame();
        Tensor x = backend.Rent(new Shape(2, 8), DType.Float32), wide = backend.Rent(new Shape(2, 9), DType.Float32);
        var spec = new AttentionSpec(2, 1f, AttentionMask.None);
        CacheView View(int[] blocks, int[] lengths, int longest) => new(
            Tensors.Integers(backend, blocks, 2, blocks.Length / 2), Tensors.Integers(backend, lengths, 1, lengths.Length), longest);
        CacheView good = View([0, 1], [3, 16], 16);
        backend.CachedAttention(x, cache, good, spec);
        Refuses("The slot is 48, expected 0 to 47, or −1.", () => backend.Append(cache, x, x, Tensors.Integers(backend, [1, 48], 1, 2)));
        Refuses("The slot is -2, expected 0 to 47, or −1.", () => backend.Append(cache, x, x, Tensors.Integers(backend, [1, -2], 1, 2)));
        Refuses(
            "slots is [1, 3] for 2 keys and 2 values, expected one slot for each.",
            () => backend.Append(cache, x, x, Tensors.Integers(backend, [1, 2, 3], 1, 3)));
        Refuses(
            "keys is [2, 8] and values [2, 9], expected 8 and 8 columns.",
            () => backend.Append(cache, x, wide, Tensors.Integers(backend, [1, 2], 1, 2)));
        Refuses("The blocks are 0 and 3, expected 0 to 2.", () => backend.CopyBlocks(cache, Tensors.Integers(backend, [0, 3], 1, 2)));
        Refuses("The blocks are -1 and 2, expected 0 to 2.", () => backend.CopyBlocks(cache, Tensors.Integers(backend, [-1, 2], 1, 2)));
        Refuses("pairs is [1, 3], expected 2 columns.", () => backend.CopyBlocks(cache, Tensors.Integers(backend, [0, 1, 2], 1, 3)));
        Refuses("query is [2, 9], expected 8 columns, as the cache has.", () => backend.CachedAttention(wide, cache, good, spec));
        Refuses(
            "The length of row 1 is 17, expected 1 to 16.", () => backend.CachedAttention(x, cache, View([0, 1], [3, 17], 17), spec));
        Refuses(
            "The length of row 0 is 0, expected 1 to 16.", () => backend.CachedAttention(x, cache, View([0, 1], [0, 16], 16), spec));
        Refuses(
            "The length of row 1 is 16, expected 1 to 5.", () => backend.CachedAttention(x, cache, View([0, 1], [3, 16], 5), spec));
        Refuses(
            "Block 0 of row 1 is 3, expected 0 to 2.", () => backend.CachedAttention(x, cache, View([0, 3], [3, 16], 16), spec));
        Refuses(
            "The blocks are [2, 1] and the lengths [1, 3], expected 2 of each.",
            () => backend.CachedAttention(x, cache, View([0, 1], [3, 16, 1], 16), spec));
        Refuses(
            "firstHeads is 3, expected 1 to 2.",
            () => backend.CachedAttentionWeights(x, Tensor.None, cache, good, spec, firstHeads: 3));
        Refuses("The cache would have 2 blocks, expected at least 3.", () => backend.GrowCache(cache, 2));
        Refuses(
            "The keys have 8 columns and the values 9, expected multiples of 2, the heads.",
            () => backend.AllocateCache(1, 8, 9, 2));
        backend.EndFrame();
        backend.FreeCache(cache);

        static void Refuses(string message, Action action) =>
            Assert.Contains(message, Assert.ThrowsAny<ArgumentException>(action).Message, StringComparison.Ordinal);
    }

    // Row i sees the positions 0 .. i: all steps of decoding at once.
    private static float[] Steps(AttentionCase pass, Rung rung, int threads)
    {
        using var backend = new CpuBackend(rung, threads);
        return InCache(backend, pass, poison: true, (query, score, cache, view) => Attend(backend, pass, query, score, cache, view));
    }

    private static Tensor Attend(
        CpuBackend backend, AttentionCase pass, Tensor query, Tensor score, KeyValueCache cache, CacheView view) => pass.IsAdditive
        ? backend.CachedAdditiveAttention(query, score, cache, view, pass.Spec)
        : backend.CachedAttention(query, cache, view, pass.Spec);

    // The blocks lie backwards, with one that is not used between each two; where nothing is written, there is NaN.
    private static float[] InCache(
        CpuBackend backend, AttentionCase pass, bool poison, Func<Tensor, Tensor, KeyValueCache, CacheView, Tensor> attend)
    {
        int rows = pass.Keys[0], blocks = (rows + Positions - 1) / Positions;
        backend.BeginFrame();
        KeyValueCache cache = backend.AllocateCache((2 * blocks) + 1, pass.Width, pass.ValueWidth, pass.Heads);
        if (poison)
        {
            foreach (Tensor part in new[] { cache.Keys, cache.Values })
            {
                var nothing = new float[part.Shape.Count];
                Array.Fill(nothing, float.NaN);
                backend.Write(part, nothing);
            }
        }

        int Block(int i) => (2 * (blocks - 1 - i)) + 1;
        backend.Append(
            cache, Tensors.Floats(backend, pass.Key, rows, pass.Width), Tensors.Floats(backend, pass.Value, rows, pass.ValueWidth),
            Tensors.Integers(backend, [.. Enumerable.Range(0, rows).Select(i => (Block(i / Positions) * Positions) + (i % Positions))], 1, rows));
        int[] table = [.. Enumerable.Range(0, rows).SelectMany(row =>
            Enumerable.Range(0, blocks).Select(i => i <= row / Positions ? Block(i) : -1))];
        var view = new CacheView(
            Tensors.Integers(backend, table, rows, blocks), Tensors.Integers(backend, [.. Enumerable.Range(1, rows)], 1, rows), rows);
        Tensor score = pass.IsAdditive ? Tensors.Floats(backend, pass.Score, 1, pass.Width) : Tensor.None;
        float[] found = Tensors.Read(
            backend, attend(Tensors.Floats(backend, pass.Query, rows, pass.Width, gap: 3), score, cache, view));
        backend.FreeCache(cache);
        backend.EndFrame();
        return found;
    }

    private static Tensor Put(CpuBackend backend, float[] values, int rows, int columns)
    {
        Tensor tensor = backend.Rent(new Shape(rows, columns), DType.Float32);
        backend.Write(tensor, values);
        return tensor;
    }

    private static Tensor Indices(CpuBackend backend, int[] values, int rows, int columns)
    {
        Tensor tensor = backend.Rent(new Shape(rows, columns), DType.Int32);
        backend.Write(tensor, values);
        return tensor;
    }

    private static int[] Bits(float[] values) => Array.ConvertAll(values, BitConverter.SingleToInt32Bits);
}
