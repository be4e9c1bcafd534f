// Attention of whole sentences follows one expression to the bit: on each rung, with any number of threads, alone or in a
// batch, whatever blocks of keys a mask lets it leave out. That the expression is the right one, BackendConformance tests.
using Cpu.Tests.Simd;
using CsCheck;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Simd;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Attention;

public sealed class AttentionContractTests
{
    // Around panels of 16 keys, groups of 6 queries, tiles of 48 queries and blocks of 64 keys.
    private static readonly int[] Lengths = [0, 1, 15, 16, 17, 47, 48, 49, 63, 64, 65, 100, 129];

    private static readonly AttentionMask[] Masks =
    [
        AttentionMask.None, AttentionMask.Causal, AttentionMask.Window(0, 0), AttentionMask.Window(3, 5),
        AttentionMask.Window(64, 64), AttentionMask.Window(20, 0), AttentionMask.Window(0, AttentionMask.Unlimited),
    ];

    public static TheoryData<int, int> HeadDims => new()
    {
        { 1, 1 }, { 4, 4 }, { 5, 3 }, { 32, 32 }, { 64, 64 }, { 80, 80 }, { 128, 128 }, { 200, 200 }, { 16, 33 },
    };

    [Theory, MemberData(nameof(HeadDims))]
    public void Every_rung_follows_the_expression_to_the_bit(int headDim, int valueDim)
    {
        foreach (AttentionMask mask in Masks)
        {
            var one = new AttentionCase([7, 0, 65, 1], [7, 3, 65, 18], 2, headDim, valueDim, mask);
            AssertSame(one, one.Exact());
        }
    }

    [Theory]
    [InlineData(4, 4)]
    [InlineData(5, 3)]
    [InlineData(33, 16)]
    public void Every_rung_follows_the_expression_of_additive_attention_to_the_bit(int headDim, int valueDim)
    {
        foreach (AttentionMask mask in Masks)
        {
            var one = new AttentionCase([7, 0, 65, 1], [7, 3, 65, 18], 2, headDim, valueDim, mask, IsAdditive: true);
            AssertSame(one, one.Exact());
        }
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        using var one = new CpuBackend(Ladder.Best, 1);
        using var two = new CpuBackend(Ladder.Best, 2);
        using var eight = new CpuBackend(Ladder.Best, 8);
        AttentionCase[] cases =
        [
            AttentionCase.Self(Lengths, 2, 20, AttentionMask.Causal),           // one thread packs sentence by sentence
            AttentionCase.Self([300], 3, 64, AttentionMask.None),               // all pack first: too long for one worker
            AttentionCase.Self([700, 5, 300], 2, 64, AttentionMask.Window(30, 2)),
            new AttentionCase([1, 1, 200], [300, 17, 400], 2, 8, 40, AttentionMask.None),
            AttentionCase.Self([33, 70], 2, 16, AttentionMask.Causal, isAdditive: true),
        ];
        foreach (AttentionCase each in cases)
        {
            int[] expected = Bits(each.Run(one));
            Assert.Equal(expected, Bits(each.Run(two)));
            Assert.Equal(expected, Bits(each.Run(eight)));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_sentence_alone_is_the_sentence_among_64(bool isAdditive)
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        int[] lengths = [.. Enumerable.Range(0, 64).Select(static s => Lengths[s % Lengths.Length])];
        var batch = AttentionCase.Self(lengths, 2, 12, AttentionMask.Causal, isAdditive);
        int[] together = Bits(batch.Run(backend));
        for (int s = 0, row = 0; s < lengths.Length; row += lengths[s++])
        {
            Assert.Equal(
                together[(row * batch.ValueWidth)..((row + lengths[s]) * batch.ValueWidth)], Bits(batch.Sentence(s).Run(backend)));
        }
    }

    [Fact]
    public void Blocks_that_a_window_leaves_out_change_no_bit()
    {
        // Exact() goes over all keys; most of these are in no query's window.
        foreach (AttentionMask mask in new[] { AttentionMask.Window(10, 0), AttentionMask.Window(64, 64), AttentionMask.Window(0, 100) })
        {
            var one = AttentionCase.Self([400], 1, 24, mask);
            Assert.Equal(Bits(one.Exact()), Bits(one.Run(Ladder.Best, 2)));
        }
    }

    [Fact]
    public void A_window_wider_than_the_sentence_is_no_window()
    {
        foreach (int length in new[] { 1, 16, 65, 130 })
        {
            var all = AttentionCase.Self([length], 2, 20, AttentionMask.None);
            int[] expected = Bits(all.Run(Ladder.Best, 1));
            Assert.Equal(expected, Bits((all with { Mask = AttentionMask.Window(length - 1, length - 1) }).Run(Ladder.Best, 1)));
            Assert.Equal(expected, Bits((all with { Mask = AttentionMask.Window(int.MaxValue, int.MaxValue - 1) }).Run(Ladder.Best, 1)));
            Assert.Equal(expected, Bits((all with { Mask = AttentionMask.Window(1 << 30, 1 << 30) }).Run(Ladder.Best, 1)));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_key_that_is_hidden_may_hold_anything(bool isAdditive)
    {
        const int Length = 140;
        foreach (AttentionMask mask in new[] { AttentionMask.Causal, AttentionMask.Window(5, 3), AttentionMask.Window(70, 0) })
        {
            var plain = AttentionCase.Self([Length], 1, 20, mask, isAdditive);
            int[] expected = Bits(plain.Run(Ladder.Best, 1));
            foreach (int hidden in new[] { 0, 63, 64, 90, 139 })
            {
                AttentionCase poisoned = plain with { Key = [.. plain.Key], Value = [.. plain.Value] };
                poisoned.Key.AsSpan(hidden * 20, 20).Fill(float.NaN);
                poisoned.Value.AsSpan(hidden * 20, 20).Fill(float.NaN);
                float[] found = poisoned.Run(Ladder.Best, 1);
                for (int i = 0; i < Length; i++)
                {
                    bool isSeen = AttentionReference.IsSeen(mask, i, hidden);
                    if (isSeen) Assert.All(found[(i * 20)..((i + 1) * 20)], static y => Assert.True(float.IsNaN(y)));
                    else Assert.Equal(expected[(i * 20)..((i + 1) * 20)], Bits(found[(i * 20)..((i + 1) * 20)]));
                }
            }
        }
    }

    [Fact]
    public void Scores_that_overflow_weigh_nothing_and_all_of_them_together_give_zeros()
    {
        // The first block of keys scores −∞, by overflow; the others 0.
        const int Keys = 70;
        var key = new float[Keys];
        Array.Fill(key, -1e30f, 0, 64);
        float[] value = [.. Enumerable.Range(0, Keys).Select(static i => (float)i)];
        var one = new AttentionCase([1], [Keys], 1, 1, 1, AttentionMask.None) { Query = [1e30f], Key = key, Value = value };
        Assert.Equal([66.5f], one.Run(Ladder.Best, 1));
        Assert.Equal([0f], (one with { Keys = [64], Key = key[..64], Value = value[..64] }).Run(Ladder.Best, 1));
    }

    [Fact]
    public void Columns_of_wider_tensors_give_the_same_bits()
    {
        foreach (bool isAdditive in new[] { false, true })
        {
            var one = new AttentionCase([30, 200], [9, 210], 3, 17, 40, AttentionMask.Window(40, 9), isAdditive);
            int[] expected = Bits(one.Run(Ladder.Best, 2));
            Assert.Equal(expected, Bits(one.Run(Ladder.Best, 2, gap: 3)));
            Assert.Equal(expected, Bits(one.Run(Ladder.Best, 2, gap: 16)));
        }
    }

    [Fact]
    public void Random_batches_and_masks_follow_the_expression_and_agree_with_double_precision()
    {
        Gen<int> length = Gen.OneOf(Gen.Int[0, 20], Gen.Int[60, 70], Gen.Int[0, 200]), bound = Gen.OneOf(
            Gen.Int[0, 5], Gen.Int[0, 150], Gen.Const(AttentionMask.Unlimited));
        Gen<AttentionCase> cases = Gen.Select(
            Gen.Select(length, length).Array[0, 4], Gen.Int[1, 3], Gen.Int[1, 40], Gen.Int[1, 40], Gen.Select(bound, bound),
            static (sentences, heads, headDim, valueDim, mask) => new AttentionCase(
                [.. sentences.Select(static s => s.Item1)], [.. sentences.Select(static s => s.Item2)], heads, headDim, valueDim,
                AttentionMask.Window(mask.Item1, mask.Item2)));
        using var one = new CpuBackend(Ladder.Best, 1);
        using var three = new CpuBackend(Ladder.Best, 3);
        cases.Sample(
            each =>
            {
                float[] found = each.Run(one);
                Assert.Equal(Bits(each.Exact()), Bits(found));
                Assert.Equal(Bits(found), Bits(each.Run(three, gap: 5)));
                AssertNearDoublePrecision(each, found);
            },
            seed: "0N0XIzNsQ0O2", iter: 60, threads: 1);
    }

    [Fact]
    public void What_does_not_fit_together_is_refused_and_named()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        backend.BeginFrame();
        Ragged two = Ragged.Create(backend, [2]), three = Ragged.Create(backend, [3]), pair = Ragged.Create(backend, [1, 1]);
        Tensor x = backend.Rent(new Shape(2, 12), DType.Float32), wide = backend.Rent(new Shape(2, 16), DType.Float32);
        Tensor longer = backend.Rent(new Shape(3, 12), DType.Float32), integers = backend.Rent(new Shape(2, 12), DType.Int32);
        var spec = new AttentionSpec(3, 1f, AttentionMask.None);
        Refuses("query is int32 [2, 12], expected float32 [rows, columns].", () => backend.Attention(integers, x, x, two, two, spec));
        Refuses("query is [2, 16] and key [2, 12], expected one width.", () => backend.Attention(wide, x, x, two, two, spec));
        Refuses("key is [2, 12] and value [3, 12], expected as many rows.", () => backend.Attention(x, x, longer, two, two, spec));
        Refuses(
            "The keys have 12 columns and the values 16, expected multiples of 3, the heads.",
            () => backend.Attention(x, x, wide, two, two, spec));
        Refuses(
            "The queries are of 1 sentences and the keys of 2, expected as many.", () => backend.Attention(x, x, x, two, pair, spec));
        Refuses(
            "The sentences have 3 rows, expected 2.", () => backend.Attention(x, x, x, two, three, spec));
        Refuses(
            "Sentence 0 has 2 rows, expected 0 to 1.", () => backend.Attention(x, x, x, two with { Longest = 1 }, two, spec));
        Refuses(
            "expected no negative distance.",
            () => backend.Attention(x, x, x, two, two, spec with { Mask = AttentionMask.Window(-1, 0) }));
        Refuses(
            "score is none, expected the vector of additive attention.",
            () => backend.AdditiveAttention(x, x, x, Tensor.None, two, two, spec));
        Refuses(
            "score is [2, 12], expected [1, 12].", () => backend.AdditiveAttention(x, x, x, x, two, two, spec));
        backend.EndFrame();

        static void Refuses(string message, Action action) =>
            Assert.Contains(message, Assert.Throws<ArgumentException>(action).Message, StringComparison.Ordinal);
    }

    private static void AssertSame(AttentionCase each, float[] expected)
    {
        foreach (Rung rung in Rungs.All) Assert.Equal(Bits(expected), Bits(each.Run(rung, 1)));
    }

    private static void AssertNearDoublePrecision(AttentionCase each, float[] found)
    {
        int[] queryOffsets = Offsets(each.Queries), keyOffsets = Offsets(each.Keys);
        double[] query = ErrorBound.Widen(each.Query), key = ErrorBound.Widen(each.Key), value = ErrorBound.Widen(each.Value);
        double[] expected = AttentionReference.Rows(
            query, key, value, [], queryOffsets, keyOffsets, each.Width, each.ValueWidth, each.Spec);
        double[] bound = OperatorBound.Attention(
            query, key, value, [], queryOffsets, keyOffsets, each.Width, each.ValueWidth, each.Spec);
        for (int i = 0; i < found.Length; i++) Assert.InRange(Math.Abs(found[i] - expected[i]), 0, bound[i]);
    }

    private static int[] Offsets(int[] lengths)
    {
        var offsets = new int[lengths.Length + 1];
        for (int s = 0; s < lengths.Length; s++) offsets[s + 1] = offsets[s] + lengths[s];
        return offsets;
    }

    private static int[] Bits(float[] values) => Array.ConvertAll(values, BitConverter.SingleToInt32Bits);
}
