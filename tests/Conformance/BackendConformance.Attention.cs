// Attention of ragged batches, dot-product and additive, under every kind of mask.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    // Heads, width of a head's queries and keys, width of its values.
    internal static readonly (int Heads, int HeadDim, int ValueDim)[] HeadShapes =
        [(1, 1, 1), (2, 5, 3), (3, 4, 4), (1, 16, 33), (2, 64, 64), (1, 80, 80), (3, 17, 16)];

    // Queries and keys of each sentence: none, one, empty sentences at all places, one less and one more than blocks of
    // keys.
    internal static readonly (int[] Queries, int[] Keys)[] Batches =
    [
        ([], []),
        ([0], [0]),
        ([1], [1]),
        ([0, 3, 0], [2, 3, 0]),
        ([5, 1, 0, 17], [5, 1, 0, 17]),
        ([15, 16], [15, 16]),
        ([33, 2], [33, 2]),
        ([1, 1, 1], [15, 16, 17]),       // a step of decoding
        ([4, 7], [65, 31]),              // more keys than queries
        ([9, 3, 2], [5, 0, 40]),         // fewer, so that under a causal mask some queries see none
        ([67], [67]),
    ];

    public static TheoryData<int, int> Masks => new()
    {
        { AttentionMask.Unlimited, AttentionMask.Unlimited },
        { AttentionMask.Unlimited, 0 },      // causal
        { 0, 0 },
        { 1, 2 },
        { 3, 0 },                            // causal window
        { 0, 3 },
        { AttentionMask.Unlimited, 2 },
        { 2, AttentionMask.Unlimited },
        { 15, 16 },
        { 17, 1 },
        { 1000, 1000 },                      // larger than any sentence
        { 40, 0 },
    };

    [Fact]
    public void Masks_are_what_their_names_say()
    {
        Assert.Equal(new AttentionMask(AttentionMask.Unlimited, 0), AttentionMask.Causal);
        Assert.Equal(new AttentionMask(4, 0), AttentionMask.Window(4, 4).AndCausal());
        Assert.True(AttentionMask.None.IsNone);
        Assert.False(AttentionMask.Causal.IsNone);
    }

    [Theory, MemberData(nameof(Masks))]
    public void Attention_agrees_with_its_definition(int left, int right)
    {
        foreach ((int heads, int headDim, int valueDim) in HeadShapes)
        {
            var spec = new AttentionSpec(heads, 1 / MathF.Sqrt(headDim), AttentionMask.Window(left, right));
            foreach ((int[] queries, int[] keys) in Batches)
                CheckAttention(queries, keys, headDim, valueDim, spec, isAdditive: false,
                    view: (headDim + queries.Length) % 2 == 0);
        }
    }

    [Theory, MemberData(nameof(Masks))]
    public void Additive_attention_agrees_with_its_definition(int left, int right)
    {
        foreach ((int heads, int headDim, int valueDim) in new[] { (1, 1, 1), (2, 5, 3), (1, 16, 33), (2, 32, 32),
            (1, 80, 7) })
        {
            var spec = new AttentionSpec(heads, 1f, AttentionMask.Window(left, right));
            foreach ((int[] queries, int[] keys) in Batches)
                CheckAttention(queries, keys, headDim, valueDim, spec, isAdditive: true,
                    view: (headDim + queries.Length) % 2 == 1);
        }
    }

    [Fact]
    public void Queries_keys_and_values_may_be_columns_of_one_table()
    {
        const int Heads = 2, HeadDim = 20, Width = Heads * HeadDim;
        int[] lengths = [6, 0, 19];
        int rows = lengths.Sum();
        float[] all = Values(rows * 3 * Width, seed: 1);
        var spec = new AttentionSpec(Heads, 0.25f, AttentionMask.Causal);
        double[] Part(int part) =>
            [.. Enumerable.Range(0, rows * Width)
                .Select(i => (double)all[(i / Width * 3 * Width) + (part * Width) + (i % Width)])];
        double[] bound = OperatorBound.Attention(
            Part(0), Part(1), Part(2), [], Offsets(lengths), Offsets(lengths), Width, Width, spec);
        AssertAgrees("columns of one table", bound, b =>
        {
            Tensor table = Put(b, rows, 3 * Width, all);
            Ragged sentences = Ragged.Create(b, lengths);
            return b.Attention(
                table.ColumnRange(0, Width), table.ColumnRange(Width, Width), table.ColumnRange(2 * Width, Width),
                sentences,
                sentences, spec);
        });
    }

    [Theory]
    [InlineData(40.0)]
    [InlineData(-40.0)]
    public void Large_scores_neither_overflow_nor_lose_the_sum(double slope)
    {
        // Scores from 0 to ±40 · 79: a running maximum that moves with every key, or never.
        const int Keys = 80, HeadDim = 4;
        var spec = new AttentionSpec(1, 1f, AttentionMask.None);
        float[] query = [1, 0, 0, 0], key = new float[Keys * HeadDim], value = Values(Keys * HeadDim, seed: 2);
        for (int j = 0; j < Keys; j++) key[j * HeadDim] = (float)(slope * j);
        double[] bound = OperatorBound.Attention(
            Widen(query), Widen(key), Widen(value), [], [0, 1], [0, Keys], HeadDim, HeadDim, spec);
        AssertAgrees($"slope {slope}", bound, b => b.Attention(
            Put(b, 1, HeadDim, query), Put(b, Keys, HeadDim, key), Put(b, Keys, HeadDim, value), Ragged.Create(b, [1]),
            Ragged.Create(b, [Keys]), spec));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_query_that_sees_no_key_gives_zeros(bool isAdditive)
    {
        const int Heads = 2, Width = 2 * 18;
        var spec = new AttentionSpec(Heads, 1f, AttentionMask.Causal);
        float[] found = Run(b => Attend(
            b, Put(b, 20, Width, Values(20 * Width, seed: 3)), Put(b, 3, Width, Values(3 * Width, seed: 4)),
            Put(b, 3, Width, Values(3 * Width, seed: 5)), isAdditive ? PutVector(b, Values(Width, seed: 6))
                : Tensor.None,
            Ragged.Create(b, [20]), Ragged.Create(b, [3]), spec));

        // Query i stands at i − 17, so the first that sees a key is 17.
        Assert.All(found[..(17 * Width)], static value => Assert.Equal(0f, value));
        Assert.All(found[(17 * Width)..], static value => Assert.NotEqual(0f, value));
    }

    [Theory]
    [InlineData(false, 7, 0)]
    [InlineData(false, 2, 3)]
    [InlineData(true, 7, 0)]
    public void A_key_that_is_hidden_is_as_if_absent(bool isAdditive, int left, int right)
    {
        const int Length = 50, Width = 24, Query = 30;
        var spec = new AttentionSpec(2, 0.3f, AttentionMask.Window(left, right));
        float[] query = Values(Length * Width, seed: 7), key = Values(Length * Width, seed: 8),
            value = Values(Length * Width, seed: 9);
        float[] score = isAdditive ? Values(Width, seed: 10) : [];
        float[] One(float[] k, float[] v) => Run(b =>
        {
            Ragged sentence = Ragged.Create(b, [Length]);
            return Attend(
                b, Put(b, Length, Width, query), Put(b, Length, Width, k), Put(b, Length, Width, v),
                PutVector(b, score), sentence,
                sentence, spec).RowRange(Query, 1);
        });
        float[] plain = One(key, value);
        for (int i = 0; i < key.Length; i++)
        {
            if (i / Width >= Query - left && i / Width <= Query + right) continue;
            (key[i], value[i]) = (1000 * key[i], 1e30f);
        }

        AssertSameBits("hidden keys", plain, One(key, value));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_sentence_has_the_same_bits_in_every_batch(bool isAdditive)
    {
        if (!IsBatchInvariant) return;
        const int Heads = 3, Width = Heads * 12;
        int[] queries = [5, 1, 0, 17, 33, 2], keys = [5, 16, 3, 17, 20, 48];
        (int[] queryOffsets, int[] keyOffsets) = (Offsets(queries), Offsets(keys));
        foreach (AttentionMask mask in new[] { AttentionMask.None, AttentionMask.Causal, AttentionMask.Window(4, 2) })
        {
            var spec = new AttentionSpec(Heads, 0.4f, mask);
            InFrame(Backend, b =>
            {
                Tensor q = Put(b, queries.Sum(), Width, Values(queries.Sum() * Width, seed: 11));
                Tensor k = Put(b, keys.Sum(), Width, Values(keys.Sum() * Width, seed: 12));
                Tensor v = Put(b, keys.Sum(), Width, Values(keys.Sum() * Width, seed: 13));
                Tensor score = isAdditive ? PutVector(b, Values(Width, seed: 14)) : Tensor.None;
                float[] together = Floats(
                    b, Attend(b, q, k, v, score, Ragged.Create(b, queries), Ragged.Create(b, keys), spec));
                for (int s = 0; s < queries.Length; s++)
                {
                    float[] alone = Floats(b, Attend(
                        b, q.RowRange(queryOffsets[s], queries[s]), k.RowRange(keyOffsets[s], keys[s]),
                        v.RowRange(keyOffsets[s], keys[s]), score, Ragged.Create(b, [queries[s]]),
                        Ragged.Create(b, [keys[s]]),
                        spec));
                    AssertSameBits(
                        $"sentence {s} under {mask}", together.AsSpan(queryOffsets[s] * Width, queries[s] * Width),
                        alone);
                }

                return true;
            });
        }
    }

    [Fact]
    public void Attention_refuses_widths_that_do_not_fit()
    {
        InFrame(Backend, b =>
        {
            Ragged sentence = Ragged.Create(b, [2]);
            Tensor eight = Put(b, 2, 8, new float[16]), six = Put(b, 2, 6, new float[12]),
                score = Put(b, 1, 6, new float[6]);
            AttentionSpec two = new(2, 1f, AttentionMask.None), four = two with { Heads = 4 };
            Assert.Throws<ArgumentException>(() => b.Attention(six, eight, eight, sentence, sentence, two));
            Assert.Throws<ArgumentException>(() => b.Attention(six, six, eight, sentence, sentence, four));
            Assert.Throws<ArgumentException>(() => b.Attention(eight, eight, six, sentence, sentence, four));
            Assert.Throws<ArgumentException>(() =>
                b.AdditiveAttention(six, eight, eight, score, sentence, sentence, two));
            Assert.Throws<ArgumentException>(() =>
                b.AdditiveAttention(six, six, eight, score, sentence, sentence, four));
            return true;
        });
    }

    private void CheckAttention(
        int[] queries, int[] keys, int headDim, int valueDim, AttentionSpec spec, bool isAdditive, bool view)
    {
        (int queryRows, int keyRows) = (queries.Sum(), keys.Sum());
        (int width, int valueWidth) = (spec.Heads * headDim, spec.Heads * valueDim);
        float[] query = Values(queryRows * width, seed: 15), key = Values(keyRows * width, seed: 16);
        float[] value = Values(keyRows * valueWidth, seed: 17), score = isAdditive ? Values(width, seed: 18) : [];
        double[] bound = OperatorBound.Attention(
            Widen(query), Widen(key), Widen(value), Widen(score), Offsets(queries), Offsets(keys), width, valueWidth,
            spec);
        string what = $"{string.Join(' ', queries)} queries, {string.Join(' ', keys)} keys, "
            + $"{spec.Heads} heads of {headDim} and {valueDim}"
            + (view ? ", views" : "");
        AssertAgrees(what, bound, b => Attend(
            b, Put(b, queryRows, width, query, view), Put(b, keyRows, width, key, view),
            Put(b, keyRows, valueWidth, value, view),
            PutVector(b, score, view), Ragged.Create(b, queries), Ragged.Create(b, keys), spec));
    }

    // Dot-product attention where there is no score vector.
    private static Tensor Attend(
        IBackend b, in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec) => score.IsNone
        ? b.Attention(query, key, value, queries, keys, spec)
        : b.AdditiveAttention(query, key, value, score, queries, keys, spec);
}
