// Decoding with a cache of keys and values: step by step must be what one pass is.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    private const int Positions = KeyValueCache.BlockPositions;

    public static TheoryData<bool, int, int, int> Decoding => new()
    {
        // additive, heads, headDim, valueDim
        { false, 1, 1, 1 },
        { false, 2, 5, 3 },
        { false, 3, 4, 4 },
        { false, 8, 64, 64 },
        { false, 1, 80, 17 },
        { true, 1, 1, 1 },
        { true, 2, 5, 3 },
        { true, 2, 33, 16 },
    };

    [Theory, MemberData(nameof(Decoding))]
    public void Decoding_step_by_step_gives_the_bits_of_one_pass(bool isAdditive, int heads, int headDim, int valueDim)
    {
        // Sentences of these lengths, decoded together; each leaves the batch when it ends.
        int[] lengths = [33, 1, 16, 17, 40];
        int[] offsets = Offsets(lengths);
        (int rows, int width, int valueWidth) = (lengths.Sum(), heads * headDim, heads * valueDim);
        float[] query = Values(rows * width, seed: 1), key = Values(rows * width, seed: 2),
            value = Values(rows * valueWidth, seed: 3);
        float[] score = isAdditive ? Values(width, seed: 4) : [];
        foreach (AttentionMask mask in new[] { AttentionMask.Causal, AttentionMask.Window(5, 0),
            AttentionMask.Window(0, 0), AttentionMask.Window(20, 20).AndCausal() })
        {
            var spec = new AttentionSpec(heads, 1 / MathF.Sqrt(headDim), mask);
            float[] onePass = Run(b =>
            {
                Ragged sentences = Ragged.Create(b, lengths);
                return Attend(
                    b, Put(b, rows, width, query), Put(b, rows, width, key), Put(b, rows, valueWidth, value),
                    PutVector(b, score),
                    sentences, sentences, spec);
            });

            // Blocks are given out backwards, as the need arises.
            const int Blocks = 12;
            int next = Blocks;
            KeyValueCache cache = Backend.AllocateCache(Blocks, width, valueWidth, heads);
            KeyValueCache other = Backend.AllocateCache(Blocks, width, valueWidth, heads);
            int[][] blocks = [.. lengths.Select(static length => new int[(length + Positions - 1) / Positions])];
            for (int position = 0; position < lengths.Max(); position++)
            {
                int[] live = [.. Enumerable.Range(0, lengths.Length).Where(s => position < lengths[s])];
                if (position % Positions == 0) foreach (int s in live) blocks[s][position / Positions] = --next;
                float[] found = Run(b =>
                {
                    int[] at = [.. live.Select(s => offsets[s] + position)];
                    Tensor keys = Put(b, live.Length, width, Pick(key, width, at), view: true);
                    Tensor values = Put(b, live.Length, valueWidth, Pick(value, valueWidth, at), view: true);
                    Tensor slots = PutVector(b, [.. live.Select(s =>
                        (blocks[s][position / Positions] * Positions) + (position % Positions))]);
                    b.Append(cache, keys, values, slots);
                    CacheView view = View(b, [.. live.Select(s => blocks[s][..((position / Positions) + 1)])],
                        position + 1);
                    Tensor queries = Put(b, live.Length, width, Pick(query, width, at));
                    Tensor attended = AttendCached(b, queries, PutVector(b, score), cache, view, spec);
                    if (!isAdditive)
                    {
                        Tensor together = b.AppendAndAttend(queries, keys, values, slots, other, view, spec);
                        AssertSameBits($"position {position}, together, {mask}", Floats(b, attended), Floats(b, together));
                    }

                    return attended;
                });
                for (int i = 0; i < live.Length; i++)
                {
                    AssertSameBits(
                        $"sentence {live[i]}, position {position}, {mask}",
                        onePass.AsSpan((offsets[live[i]] + position) * valueWidth, valueWidth),
                        found.AsSpan(i * valueWidth, valueWidth));
                }
            }

            Backend.FreeCache(cache);
            Backend.FreeCache(other);
        }
    }

    [Theory, MemberData(nameof(Decoding))]
    public void Cached_attention_agrees_with_its_definition(bool isAdditive, int heads, int headDim, int valueDim)
    {
        foreach (AttentionMask mask in new[] { AttentionMask.None, AttentionMask.Causal, AttentionMask.Window(3, 1) })
        {
            foreach (bool view in new[] { false, true })
            {
                var scene = new Scene(isAdditive, heads, headDim, valueDim, mask, view);
                AssertAgrees($"cache under {mask}", scene.AttentionBound(), scene.Attention);
            }
        }
    }

    [Theory, MemberData(nameof(Decoding))]
    public void Attention_to_a_whole_memory_gives_the_bits_of_one_pass(
        bool isAdditive, int heads, int headDim, int valueDim)
    {
        var scene = new Scene(isAdditive, heads, headDim, valueDim, AttentionMask.None, view: false);
        float[] cached = Run(scene.Attention);
        AssertSameBits("memory", Run(scene.OnePass), cached);
    }

    [Theory, MemberData(nameof(Decoding))]
    public void Attention_weights_agree_with_their_definition(bool isAdditive, int heads, int headDim, int valueDim)
    {
        foreach (int firstHeads in new[] { 1, heads }.Distinct())
        {
            foreach (AttentionMask mask in new[] { AttentionMask.None, AttentionMask.Window(3, 1) })
            {
                var scene = new Scene(isAdditive, heads, headDim, valueDim, mask, view: true);
                AssertAgrees(
                    $"weights of {firstHeads} heads under {mask}", scene.WeightsBound(firstHeads), b =>
                        scene.Weights(b, firstHeads));
            }
        }
    }

    [Fact]
    public void Growing_a_cache_keeps_its_content()
    {
        var scene = new Scene(false, 3, 20, 12, AttentionMask.None, view: false);
        InFrame(Backend, b =>
        {
            KeyValueCache cache = scene.Fill(b);
            float[] before = Floats(b, scene.Attention(b, cache));
            foreach (int blocks in new[] { cache.Blocks, cache.Blocks + 1, 100 })
            {
                cache = b.GrowCache(cache, blocks);
                Assert.Equal((blocks, 60, 36), (cache.Blocks, cache.KeyColumns, cache.ValueColumns));
                AssertSameBits($"{blocks} blocks", before, Floats(b, scene.Attention(b, cache)));
            }

            b.Append(
                cache, Put(b, 1, 60, Values(60, seed: 1)), Put(b, 1, 36, Values(36, seed: 2)),
                PutVector(b, [(100 * Positions) - 1]));
            AssertSameBits("after the last slot was written", before, Floats(b, scene.Attention(b, cache)));
            b.FreeCache(cache);
            return true;
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(16)]
    public void Hypotheses_share_blocks_until_they_part(int shared)
    {
        // Both have one full block in common; the next is copied after some positions of it, and then each goes its own
        // way.
        const int Heads = 2, Width = 2 * 20, Own = 5;
        int common = Positions + shared, length = common + Own;
        float[] keys = Values((length + Own) * Width, seed: 5), values = Values((length + Own) * Width, seed: 6);
        float[] query = Values(2 * Width, seed: 7);
        var spec = new AttentionSpec(Heads, 0.3f, AttentionMask.Causal);
        int Slot(int hypothesis, int position) => position < Positions
            ? (3 * Positions) + position
            : ((position < 2 * Positions ? (hypothesis == 0 ? 1 : 4) : (hypothesis == 0 ? 2 : 5)) * Positions)
                + (position % Positions);

        InFrame(Backend, b =>
        {
            KeyValueCache cache = b.AllocateCache(6, Width, Width, Heads);
            void Append(int row, int count, int[] slots) => b.Append(
                cache, Put(b, count, Width, keys.AsSpan(row * Width, count * Width)),
                Put(b, count, Width, values.AsSpan(row * Width, count * Width)), PutVector(b, slots));
            Append(0, common, [.. Enumerable.Range(0, common).Select(position => Slot(0, position))]);
            b.CopyBlocks(cache, Put(b, 0, 2, Array.Empty<int>()));
            b.CopyBlocks(cache, Put(b, 2, 2, [1, 4, 2, 5]));
            for (int step = 0; step < Own; step++)
            {
                Append(common + step, 1, [Slot(0, common + step)]);
                Append(length + step, 1, [Slot(1, common + step)]);
            }

            float[] found = Floats(b, b.CachedAttention(
                Put(b, 2, Width, query), cache, View(b, [[3, 1, 2], [3, 4, 5]], length), spec));
            for (int hypothesis = 0; hypothesis < 2; hypothesis++)
            {
                int[] history = [.. Enumerable.Range(0, common),
                    .. Enumerable.Range(hypothesis == 0 ? common : length, Own)];
                float[] expected = Floats(b, b.Attention(
                    Put(b, 1, Width, query.AsSpan(hypothesis * Width, Width)),
                    Put(b, length, Width, Pick(keys, Width, history)),
                    Put(b, length, Width, Pick(values, Width, history)), Ragged.Create(b, [1]),
                    Ragged.Create(b, [length]), spec));
                AssertSameBits($"hypothesis {hypothesis}", expected, found.AsSpan(hypothesis * Width, Width));
            }

            b.FreeCache(cache);
            return true;
        });
    }

    [Fact]
    public void Rows_and_blocks_without_a_place_are_passed_over()
    {
        const int Heads = 2, Width = 2 * 20;
        float[] keys = Values(3 * Width, seed: 8), values = Values(3 * Width, seed: 9);
        InFrame(Backend, b =>
        {
            KeyValueCache[] caches = [b.AllocateCache(3, Width, Width, Heads), b.AllocateCache(3, Width, Width, Heads)];
            Tensor slots = PutVector(b, [-1, Positions, -1]);
            b.Append(caches[0], Put(b, 3, Width, keys), Put(b, 3, Width, values), slots);
            b.Append(caches[1], Put(b, 3, Width, values), Put(b, 3, Width, keys), slots);
            b.CopyBlocks(caches, Put(b, 3, 2, [-1, -1, 1, 2, -1, -1]));
            b.CopyBlocks(caches[0], Put(b, 2, 2, [-1, -1, 2, 0]));
            AssertValue(caches[0], 0, values);
            AssertValue(caches[0], 1, values);
            AssertValue(caches[0], 2, values);
            AssertValue(caches[1], 1, keys);
            AssertValue(caches[1], 2, keys);
            foreach (KeyValueCache cache in caches) b.FreeCache(cache);
            return true;

            // Of one position attention is its value.
            void AssertValue(in KeyValueCache cache, int block, float[] expected)
            {
                float[] found = Floats(b, b.CachedAttention(
                    Put(b, 1, Width, keys.AsSpan(0, Width)), cache, View(b, [[block]], 1),
                    new AttentionSpec(Heads, 0.3f, AttentionMask.None)));
                AssertSameBits($"block {block}", expected.AsSpan(Width, Width), found);
            }
        });
    }

    [Fact]
    public void What_is_beyond_a_history_is_not_seen()
    {
        var scene = new Scene(false, 2, 24, 24, AttentionMask.None, view: false);
        InFrame(Backend, b =>
        {
            KeyValueCache cache = scene.Fill(b);
            float[] before = Floats(b, scene.Attention(b, cache));

            // Whatever a hypothesis that is gone may have left: the other slots of the blocks.
            int[] free = scene.FreeSlots();
            float[] stale = [.. Values(free.Length * 48, seed: 8).Select(static value => 1000 * value)];
            b.Append(
                cache, Put(b, free.Length, 48, stale),
                Put(b, free.Length, 48, [.. stale.Select(static value => 1e27f * value)]),
                PutVector(b, free));
            AssertSameBits("beside stale positions", before, Floats(b, scene.Attention(b, cache)));
            b.FreeCache(cache);
            return true;
        });
    }

    [Fact]
    public void A_row_has_the_same_bits_beside_every_other_history()
    {
        if (!IsBatchInvariant) return;
        var scene = new Scene(false, 4, 16, 16, AttentionMask.Causal, view: false);
        InFrame(Backend, b =>
        {
            KeyValueCache cache = scene.Fill(b);
            float[] together = Floats(b, scene.Attention(b, cache));
            for (int row = 0; row < Scene.Lengths.Length; row++)
                AssertSameBits($"row {row}", together.AsSpan(row * 64, 64),
                    Floats(b, scene.AttentionOfRow(b, cache, row)));
            b.FreeCache(cache);
            return true;
        });
    }

    private static CacheView View(IBackend backend, int[][] blocks, params int[] lengths)
    {
        int[] all = lengths.Length == blocks.Length ? lengths : [.. Enumerable.Repeat(lengths[0], blocks.Length)];
        int most = blocks.Max(static row => row.Length);
        int[] table = [.. blocks.SelectMany(row => row.Concat(Enumerable.Repeat(0, most - row.Length)))];
        return new CacheView(Put(backend, blocks.Length, most, table), PutVector(backend, all), all.Max());
    }

    private static Tensor AttendCached(
        IBackend b, in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view,
        in AttentionSpec spec) =>
        score.IsNone ? b.CachedAttention(query, cache, view, spec)
            : b.CachedAdditiveAttention(query, score, cache, view, spec);

    private static float[] Pick(float[] table, int columns, int[] rows) =>
        [.. rows.SelectMany(row => table.Skip(row * columns).Take(columns))];

    // Rows with histories of all kinds of lengths, in blocks that are out of order; rows 5 and 6 see the same memory.
    private sealed class Scene
    {
        private const int Blocks = 16;

        private readonly int[][] _blocks;
        private readonly int[][] _slots;
        private readonly float[] _query;
        private readonly float[] _score;
        private readonly float[][] _keys;
        private readonly float[][] _values;
        private readonly AttentionSpec _spec;
        private readonly int _width;
        private readonly int _valueWidth;
        private readonly bool _view;

        public Scene(bool isAdditive, int heads, int headDim, int valueDim, AttentionMask mask, bool view)
        {
            (_width, _valueWidth, _view) = (heads * headDim, heads * valueDim, view);
            _spec = new AttentionSpec(heads, isAdditive ? 0.8f : 1 / MathF.Sqrt(headDim), mask);
            _query = Values(Lengths.Length * _width, seed: 10);
            _score = isAdditive ? Values(_width, seed: 11) : [];
            int next = 0;
            _blocks = new int[Lengths.Length][];
            for (int row = 0; row < Lengths.Length; row++)
            {
                _blocks[row] = row == 6
                    ? _blocks[5]
                    : [.. Enumerable.Range(0, (Lengths[row] + Positions - 1) / Positions)
                        .Select(_ => next++ * 7 % Blocks)];
            }

            _slots = [.. _blocks.Select((blocks, row) => Enumerable.Range(0, Lengths[row])
                .Select(position => (blocks[position / Positions] * Positions) + (position % Positions)).ToArray())];
            _keys = [.. Lengths.Select((length, row) => Values(length * _width, seed: row == 6 ? 25 : 20 + row))];
            _values = [.. Lengths.Select((length, row) =>
                Values(length * _valueWidth, seed: row == 6 ? 35 : 30 + row))];
        }

        public static int[] Lengths => [17, 1, 32, 15, 16, 50, 50, 3];

        public Tensor Attention(IBackend b)
        {
            KeyValueCache cache = Fill(b);
            Tensor y = Attention(b, cache);
            b.FreeCache(cache);
            return y;
        }

        public Tensor Attention(IBackend b, in KeyValueCache cache) =>
            AttendCached(b, Put(b, Lengths.Length, _width, _query, _view), PutVector(b, _score, _view), cache, Seen(b),
                _spec);

        public Tensor AttentionOfRow(IBackend b, in KeyValueCache cache, int row) => AttendCached(
            b, Put(b, 1, _width, _query.AsSpan(row * _width, _width)), PutVector(b, _score), cache,
            View(b, [_blocks[row]], Lengths[row]), _spec);

        public Tensor Weights(IBackend b, int firstHeads)
        {
            KeyValueCache cache = Fill(b);
            Tensor y = b.CachedAttentionWeights(
                Put(b, Lengths.Length, _width, _query, _view), PutVector(b, _score, _view), cache, Seen(b), _spec,
                firstHeads);
            b.FreeCache(cache);
            return y;
        }

        public Tensor OnePass(IBackend b)
        {
            int rows = Lengths.Sum();
            return Attend(
                b, Put(b, Lengths.Length, _width, _query),
                Put(b, rows, _width, [.. _keys.SelectMany(static row => row)]),
                Put(b, rows, _valueWidth, [.. _values.SelectMany(static row => row)]), PutVector(b, _score),
                Ragged.Create(b, [.. Enumerable.Repeat(1, Lengths.Length)]), Ragged.Create(b, Lengths), _spec);
        }

        public KeyValueCache Fill(IBackend b)
        {
            KeyValueCache cache = b.AllocateCache(Blocks, _width, _valueWidth, _spec.Heads);
            for (int row = 0; row < Lengths.Length; row++)
            {
                b.Append(
                    cache, Put(b, Lengths[row], _width, _keys[row], _view),
                    Put(b, Lengths[row], _valueWidth, _values[row], _view),
                    PutVector(b, _slots[row], _view));
            }

            return cache;
        }

        public int[] FreeSlots() =>
            [.. Enumerable.Range(0, Blocks * Positions).Except(_slots.SelectMany(static slots => slots))];

        public double[] AttentionBound() => [.. Lengths.SelectMany((length, row) => OperatorBound.AttentionRow(
            Query(row), Widen(_keys[row]), Widen(_values[row]), Widen(_score), length - 1, _spec))];

        public double[] WeightsBound(int firstHeads) =>
            [.. Lengths.SelectMany((length, row) => OperatorBound.AttentionWeights(
            Query(row), Widen(_keys[row]), Widen(_score), length - 1, _spec, firstHeads)
            .Concat(new double[Lengths.Max() - length]))];

        private double[] Query(int row) => Widen(_query.AsSpan(row * _width, _width));

        // As a view, the tables of blocks and lengths lie in larger ones. Places of blocks beyond a row's length are
        // block 0.
        private CacheView Seen(IBackend b)
        {
            int most = _blocks.Max(static blocks => blocks.Length);
            int[] table = [.. _blocks.SelectMany(blocks => blocks.Concat(Enumerable.Repeat(0, most - blocks.Length)))];
            return new CacheView(
                Put(b, Lengths.Length, most, table, _view), PutVector(b, Lengths, _view), Lengths.Max());
        }
    }
}
