// Flash attention by tensor cores beside the definition: of the numbers as the kernel rounds them, where little is left to be wrong, and
// of the numbers as they are, where all roundings count.
using Engine.Backends;
using Engine.Conformance;
using Engine.Cuda;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

public sealed class TensorCoreAttentionTests : ConformanceHarness
{
    private const float LogarithmOfTwo = 0.693147182f, LogarithmOfE = 1.44269504f;

    // One for each width of the kernels, odd ones and uneven ones, and one that is too wide for them.
    private static readonly (int Heads, int HeadDim, int ValueDim)[] Widths =
        [(1, 96, 96), (2, 128, 128), (1, 32, 32), (1, 111, 128), (2, 5, 6), (1, 20, 16), (1, 144, 16)];

    // Tiles of 32 and 64 keys, and of 64 and 128 queries: one less, as many, one more.
    private static readonly (int[] Queries, int[] Keys)[] Seams =
    [
        ([31, 32, 33], [31, 32, 33]),
        ([63, 0, 64, 65], [63, 0, 64, 65]),
        ([127, 1, 129], [127, 1, 129]),
        ([128], [128]),
        ([1, 2, 130], [193, 0, 130]),
    ];

    private Arithmetic _arithmetic;

    private static readonly (int Left, int Right)[] Masks =
    [
        (AttentionMask.Unlimited, AttentionMask.Unlimited), (AttentionMask.Unlimited, 0), (0, 0), (3, 0), (0, 3), (15, 16), (17, 1),
        (40, 0), (AttentionMask.Unlimited, 2), (2, AttentionMask.Unlimited), (1000, 1000), (64, 63),
    ];

    public static TheoryData<Arithmetic, int, int> Cases
    {
        get
        {
            var cases = new TheoryData<Arithmetic, int, int>();
            foreach (Arithmetic arithmetic in TensorCoreRounding.All)
                foreach ((int left, int right) in Masks) cases.Add(arithmetic, left, right);
            return cases;
        }
    }

    public static TheoryData<Arithmetic> Arithmetics => [.. TensorCoreRounding.All];

    protected override IBackend Create() => Device.Open(usesOwnProducts: false, _arithmetic);

    [Theory, MemberData(nameof(Cases))]
    public void Attention_agrees_with_its_definition(Arithmetic arithmetic, int left, int right)
    {
        _arithmetic = arithmetic;
        (int Heads, int HeadDim, int ValueDim)[] shapes = [.. BackendConformance.HeadShapes, .. Widths];
        (int[] Queries, int[] Keys)[] batches = [.. BackendConformance.Batches, .. Seams];
        int rotation = (left & 3) + (right & 3);
        for (int s = 0; s < shapes.Length; s++)
        {
            for (int b = 0; b < batches.Length; b++)
            {
                // A quarter of the pairs for each mask, each pair for some masks.
                if ((s + b + rotation) % 4 == 0) Check(batches[b].Queries, batches[b].Keys, shapes[s], left, right);
            }
        }
    }

    [Theory, MemberData(nameof(Arithmetics))]
    public void Scores_that_are_large_neither_overflow_nor_lose_the_sum(Arithmetic arithmetic)
    {
        _arithmetic = arithmetic;
        foreach (float slope in new[] { 30f, -30f })
        {
            // Scores from 0 to 30 * 199, exact in every arithmetic but for the factor: the maximum moves with every key, or never.
            const int Keys = 200;
            float[] key = new float[Keys * 16], value = Values(Keys * 16, seed: 1), query = new float[16];
            query[0] = LogarithmOfTwo;
            for (int j = 0; j < Keys; j++) key[j * 16] = TensorCoreRounding.Round(arithmetic, slope * j);
            float[] found = Run(b => b.Attention(
                Put(b, 1, 16, query), Put(b, Keys, 16, key), Put(b, Keys, 16, value), Ragged.Create(b, [1]), Ragged.Create(b, [Keys]),
                new AttentionSpec(1, 1f, AttentionMask.None)));
            int winner = slope > 0 ? Keys - 1 : 0;
            float[] expected = TensorCoreRounding.Round(arithmetic, value[(winner * 16)..((winner + 1) * 16)]);
            for (int i = 0; i < 16; i++) Assert.Equal(expected[i], found[i], 1e-6f);    // the next key weighs 2^-29 at most
        }
    }

    [Theory, MemberData(nameof(Arithmetics))]
    public void A_key_that_is_hidden_is_as_if_absent(Arithmetic arithmetic)
    {
        _arithmetic = arithmetic;
        const int Length = 150, Width = 48, Query = 70, Left = 30, Right = 2;
        float[] query = Values(Length * Width, seed: 2), key = Values(Length * Width, seed: 3), value = Values(Length * Width, seed: 4);
        float[] One() => Run(b =>
        {
            Ragged sentence = Ragged.Create(b, [Length]);
            return b.Attention(
                Put(b, Length, Width, query), Put(b, Length, Width, key), Put(b, Length, Width, value), sentence, sentence,
                new AttentionSpec(2, 0.3f, AttentionMask.Window(Left, Right))).RowRange(Query, 1);
        });
        float[] plain = One();
        for (int i = 0; i < key.Length; i++)
        {
            if (i / Width >= Query - Left && i / Width <= Query + Right) continue;
            (key[i], value[i]) = (1000 * key[i], 3.4e38f);
        }

        AssertSameBits("hidden keys", plain, One());
    }

    [Theory, MemberData(nameof(Arithmetics))]
    public void A_sentence_has_the_same_bits_in_every_batch_and_each_time(Arithmetic arithmetic)
    {
        _arithmetic = arithmetic;
        const int Width = 2 * 64;
        int[] lengths = [5, 1, 0, 70, 33, 130];
        int[] offsets = Offsets(lengths);
        float[] values = Values(lengths.Sum() * Width, seed: 5);
        foreach (AttentionMask mask in new[] { AttentionMask.None, AttentionMask.Causal, AttentionMask.Window(20, 2) })
        {
            float[] Of(int first, int[] sentences) => Run(b =>
            {
                Tensor x = Put(b, sentences.Sum(), Width, values.AsSpan(first * Width, sentences.Sum() * Width));
                Ragged batch = Ragged.Create(b, sentences);
                return b.Attention(x, x, x, batch, batch, new AttentionSpec(2, 0.125f, mask));
            });
            float[] together = Of(0, lengths);
            AssertSameBits("once more", together, Of(0, lengths));
            for (int s = 0; s < lengths.Length; s++)
                AssertSameBits($"sentence {s}", together.AsSpan(offsets[s] * Width, lengths[s] * Width), Of(offsets[s], [lengths[s]]));
        }
    }

    [Theory, MemberData(nameof(Arithmetics))]
    public void What_is_too_large_becomes_the_largest_number_and_what_is_none_stays_so(Arithmetic arithmetic)
    {
        _arithmetic = arithmetic;
        float[] value = new float[16];
        (value[0], value[1], value[2]) = (float.MaxValue, -1e38f, float.NaN);
        float[] found = Run(b => b.Attention(
            Put(b, 1, 16, new float[16]), Put(b, 1, 16, new float[16]), Put(b, 1, 16, value), Ragged.Create(b, [1]),
            Ragged.Create(b, [1]), new AttentionSpec(1, 1f, AttentionMask.None)));
        Assert.Equal(TensorCoreRounding.Round(arithmetic, value), found);
    }

    [Fact]
    public void Results_that_have_the_bits_of_the_CPU_are_not_rounded()
    {
        var wrong = Assert.Throws<ArgumentException>(() => Device.Open(usesOwnProducts: true, Arithmetic.BFloat16));
        Assert.Equal("The arithmetic is BFloat16, expected Float32 where results have the bits of the CPU.", wrong.Message);
        Assert.Throws<ArgumentException>(() => CudaBackend.Provider.Create(
            new BackendOptions { Deterministic = Determinism.Batch, Arithmetic = Arithmetic.TensorFloat32 }));
    }

    private void Check(int[] queries, int[] keys, (int Heads, int HeadDim, int ValueDim) shape, int left, int right)
    {
        (int heads, int headDim, int valueDim) = shape;
        (int queryRows, int keyRows, int width, int valueWidth) = (queries.Sum(), keys.Sum(), heads * headDim, heads * valueDim);
        float scale = 1 / MathF.Sqrt(headDim);
        float[] query = Values(queryRows * width, seed: 6), key = Values(keyRows * width, seed: 7);
        float[] value = Values(keyRows * valueWidth, seed: 8);
        var spec = new AttentionSpec(heads, scale, AttentionMask.Window(left, right));
        bool view = (headDim + queries.Length) % 2 == 0;
        float[] found = Run(b => b.Attention(
            Put(b, queryRows, width, query, view), Put(b, keyRows, width, key, view), Put(b, keyRows, valueWidth, value, view),
            Ragged.Create(b, queries), Ragged.Create(b, keys), spec));
        string what = $"{_arithmetic}, {string.Join(' ', queries)} queries, {string.Join(' ', keys)} keys, "
            + $"{heads} heads of {headDim} and {valueDim}, left {left}, right {right}";
        (int[] queryOffsets, int[] keyOffsets) = (Offsets(queries), Offsets(keys));
        bool isRounded = Math.Max(headDim, valueDim) <= 128 && valueDim % 2 == 0 && keyRows > 0;
        var exact = new Problem(Widen(query), Widen(key), Widen(value), queryOffsets, keyOffsets, width, valueWidth, spec);
        if (!isRounded)
        {
            AssertWithin(what, exact.Result(), found, exact.Float32Bound(), Math.Max(valueWidth, 1));
            return;
        }

        float[] Rounded(float[] values) => TensorCoreRounding.Round(_arithmetic, values);
        float factor = scale * LogarithmOfE;
        var rounded = new Problem(
            Widen(Rounded(Array.ConvertAll(query, x => x * factor))), Widen(Rounded(key)), Widen(Rounded(value)), queryOffsets, keyOffsets,
            width, valueWidth, spec with { Scale = LogarithmOfTwo });
        double[] bound = WithRoundedWeights(rounded, rounded.Float32Bound());
        AssertWithin(what, rounded.Result(), found, bound, valueWidth);
        AssertWithin($"{what}, exactly", exact.Result(), found, WithRoundedFactors(exact, bound), valueWidth);
    }

    // Weights are rounded before they meet the values, but not where they are summed up. Tensor cores may cut off where a sum would
    // round, so what is allowed for sums counts twice.
    private double[] WithRoundedWeights(Problem problem, double[] bound)
    {
        double largest = problem.Value.Length == 0 ? 0 : problem.Value.Max(Math.Abs), unit = TensorCoreRounding.Unit(_arithmetic);
        double underflow = TensorCoreRounding.Underflow(_arithmetic) * problem.KeyRows * largest;
        double[] magnitudes = problem.Magnitudes();
        return [.. bound.Select((one, i) => (2 * one) + (1.01 * unit * magnitudes[i]) + underflow)];
    }

    // Scores that are off by d at most make a weight wrong by a factor of e^2d at most, and a value is wrong by a unit.
    private double[] WithRoundedFactors(Problem problem, double[] bound)
    {
        double unit = TensorCoreRounding.Unit(_arithmetic), tiny = TensorCoreRounding.Underflow(_arithmetic);
        double[] magnitudes = problem.Magnitudes(), scores = problem.LargestProducts();
        int headDim = problem.KeyColumns / problem.Spec.Heads;
        double most = problem.Query.Concat(problem.Key).Concat(problem.Value).Select(Math.Abs).DefaultIfEmpty().Max();
        return
        [
            .. bound.Select((one, i) =>
            {
                double scoreError = (problem.Spec.Scale * scores[i] * ((2 * unit) + (unit * unit) + 1e-6)) + (4 * headDim * tiny * most);
                return one + ((Math.Exp(2 * scoreError) - 1 + (1.01 * unit)) * magnitudes[i]) + tiny;
            })
        ];
    }

    private sealed record Problem(
        double[] Query, double[] Key, double[] Value, int[] QueryOffsets, int[] KeyOffsets, int KeyColumns, int ValueColumns,
        AttentionSpec Spec)
    {
        public int KeyRows => KeyOffsets[^1];

        public double[] Result() =>
            AttentionReference.Rows(Query, Key, Value, [], QueryOffsets, KeyOffsets, KeyColumns, ValueColumns, Spec);

        // The sum of |v| by its weights.
        public double[] Magnitudes() => AttentionReference.Rows(
            Query, Key, Array.ConvertAll(Value, Math.Abs), [], QueryOffsets, KeyOffsets, KeyColumns, ValueColumns, Spec);

        public double[] Float32Bound() =>
            OperatorBound.Attention(Query, Key, Value, [], QueryOffsets, KeyOffsets, KeyColumns, ValueColumns, Spec);

        // For each element of the result the largest sum of |q| |k| of its row and head.
        public double[] LargestProducts()
        {
            var largest = new double[QueryOffsets[^1] * ValueColumns];
            int headDim = KeyColumns / Spec.Heads, valueDim = ValueColumns / Spec.Heads;
            for (int s = 0; s + 1 < QueryOffsets.Length; s++)
            {
                for (int row = QueryOffsets[s]; row < QueryOffsets[s + 1]; row++)
                {
                    for (int head = 0; head < Spec.Heads; head++)
                    {
                        double most = 0;
                        for (int key = KeyOffsets[s]; key < KeyOffsets[s + 1]; key++)
                        {
                            double sum = 0;
                            for (int i = head * headDim; i < (head + 1) * headDim; i++)
                                sum += Math.Abs(Query[(row * KeyColumns) + i] * Key[(key * KeyColumns) + i]);
                            most = Math.Max(most, sum);
                        }

                        largest.AsSpan((row * ValueColumns) + (head * valueDim), valueDim).Fill(most);
                    }
                }
            }

            return largest;
        }
    }
}
