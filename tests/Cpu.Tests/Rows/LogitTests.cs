// What decoding asks of logits: log-softmax within derived bounds, the best k as a sort would give them, numbers that are none.
using CsCheck;
using Engine.Cpu;
using Engine.Cpu.Simd;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Rows;

public sealed class LogitTests
{
    private const double U = ErrorBound.UnitRoundoff;

    public static TheoryData<int> Widths => [1, 15, 16, 17, 63, 64, 65, 100, 512, 513, 1024, 32_000];

    [Theory, MemberData(nameof(Widths))]
    public void Log_softmax_agrees_with_double_precision(int columns)
    {
        foreach (float scale in new[] { 0.01f, 1f, 30f })
        {
            float[] x = Array.ConvertAll(Tensors.Random(2 * columns, columns), value => value * scale);
            float[] found = LogSoftmax(x, 2, columns);
            for (int row = 0; row < 2; row++) Check(Tensors.Row(x, row, columns), Tensors.Row(found, row, columns));
        }
    }

    [Fact]
    public void Suppressed_logits_stay_finite_whatever_the_others()
    {
        foreach (float other in new[] { 0f, 5f, -5f, 1e38f, float.MaxValue, float.MinValue / 2 })
        {
            float[] found = LogSoftmax([other, float.MinValue, other, float.MinValue], 1, 4);
            Assert.Equal(-0.6931472f, found[0]);
            Assert.Equal(found[0], found[2]);
            Assert.InRange(found[1], float.MinValue, float.MinValue / 4);
            Assert.Equal(found[1], found[3]);
        }
    }

    [Theory, MemberData(nameof(Widths))]
    public void A_row_of_which_all_is_suppressed_is_uniform(int columns)
    {
        foreach (float lowest in new[] { float.MinValue, float.NegativeInfinity, float.NaN })
        {
            var x = new float[columns];
            Array.Fill(x, lowest);
            float expected = (float)-Math.Log(columns);
            foreach (float found in LogSoftmax(x, 1, columns)) Assert.InRange(ErrorBound.Ulps(expected, found), 0, 1);
        }
    }

    [Fact]
    public void What_is_no_number_counts_as_the_lowest_and_infinity_as_the_highest()
    {
        float[] found = LogSoftmax([1f, float.NaN, 1f, float.NegativeInfinity], 1, 4);
        Assert.Equal(LogSoftmax([1f, float.MinValue, 1f, float.MinValue], 1, 4), found);
        found = LogSoftmax([float.PositiveInfinity, 0f, float.NaN], 1, 3);
        Assert.Equal(LogSoftmax([float.MaxValue, 0f, float.MinValue], 1, 3), found);
        Assert.Equal(0f, found[0]);
    }

    [Fact]
    public void Probabilities_sum_to_one()
    {
        foreach (int columns in new[] { 1, 17, 1000, 32_000 })
        {
            double sum = LogSoftmax(Tensors.Random(columns, 5), 1, columns).Sum(static y => Math.Exp(y));
            Assert.InRange(sum, 1 - (200 * U), 1 + (200 * U));   // |y| < 50: a half ulp of y is 32 u
        }
    }

    [Theory, MemberData(nameof(Widths))]
    public void The_best_are_those_of_a_stable_sort(int columns)
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        foreach (int k in new[] { 1, 2, 4, 5, 63, 64, 65, 300, columns - 1, columns })
        {
            if (k >= 1 && k <= columns) CheckTopK(backend, Tensors.Random(3 * columns, columns + k), 3, columns, k);
        }
    }

    [Fact]
    public void Ties_go_to_the_lower_token_also_where_only_rounding_made_them()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        var random = new Random(3);

        // Neighbouring floats below 1 lie closer than log-probabilities near −5 can tell apart.
        float[] x = new float[4 * 200];
        for (int i = 0; i < x.Length; i++) x[i] = 0.5f + (random.Next(40) * 5.96e-8f);
        foreach (int k in new[] { 1, 3, 10, 100, 200 }) CheckTopK(backend, x, 4, 200, k);
        float[] values = LogSoftmax(x, 4, 200);
        Assert.True(x.Distinct().Count() > values.Distinct().Count());
    }

    [Fact]
    public void Any_logits_are_ordered()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        float[] special =
            [float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MinValue, float.MaxValue, 0f, -0f];
        Gen<float> logit = Gen.Frequency(
            (6, Gen.Float[-10, 10]), (2, Gen.Int[-2, 2].Select(static i => (float)i)),
            (1, Gen.Int[0, special.Length - 1].Select(i => special[i])));
        Gen.Select(Gen.Int[1, 3], Gen.Int[1, 300])
            .SelectMany((rows, columns) => Gen.Select(
                logit.Array[rows * columns], Gen.Int[1, columns], (x, k) => (Rows: rows, Columns: columns, K: k, X: x)))
            .Sample(sample => CheckTopK(backend, sample.X, sample.Rows, sample.Columns, sample.K), iter: 2000, threads: 1);
    }

    [Fact]
    public void A_large_vocabulary_and_many_best_are_no_trouble()
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        float[] ascending = new float[250_007];
        for (int i = 0; i < ascending.Length; i++) ascending[i] = i * 1e-4f;
        foreach (int k in new[] { 1, 500, ascending.Length }) CheckTopK(backend, ascending, 1, ascending.Length, k);
        Array.Reverse(ascending);
        CheckTopK(backend, ascending, 1, ascending.Length, 500);
        CheckTopK(backend, new float[250_007], 1, 250_007, 500);
    }

    [Fact]
    public void The_log_probability_of_a_token_is_that_of_log_softmax()
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        foreach (int columns in new[] { 1, 17, 1000 })
        {
            float[] x = Tensors.Random(7 * columns, 3), all = LogSoftmax(x, 7, columns);
            int[] tokens = [0, columns - 1, columns / 2, columns / 3, 0, columns - 1, columns / 5];
            backend.BeginFrame();
            Tensor y = backend.LogProbability(Tensors.Floats(backend, x, 7, columns), Tensors.Integers(backend, tokens, 1, 7));
            Assert.Equal(new Shape(7, 1), y.Shape);
            float[] found = Tensors.Read(backend, y);
            backend.EndFrame();
            for (int row = 0; row < 7; row++) Assert.Equal(all[(row * columns) + tokens[row]], found[row]);
        }
    }

    [Fact]
    public void Edits_change_their_places_only()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        backend.BeginFrame();
        float[] x = Tensors.Random(3 * 20, 4), expected = [.. x];
        Tensor logits = Tensors.Floats(backend, x, 3, 20, gap: 2);
        expected[5] = expected[59] = float.MinValue;
        backend.Suppress(logits, Tensors.Integers(backend, [0, 5, 2, 19, 0, 5], 3, 2));
        Assert.Equal(expected, Tensors.Read(backend, logits));

        expected[26] = expected[26] < 0 ? expected[26] * 1.3f : expected[26] / 1.3f;
        expected[27] = expected[27] < 0 ? expected[27] * 0.7f : expected[27] / 0.7f;
        Tensor places = Tensors.Integers(backend, [1, 6, 1, 7], 2, 2);
        backend.Penalize(logits, places, Tensors.Floats(backend, [1.3f, 0.7f], 1, 2));
        Assert.Equal(expected, Tensors.Read(backend, logits));

        backend.Suppress(logits, Tensors.Integers(backend, [], 0, 2));
        backend.Penalize(logits, Tensors.Integers(backend, [], 0, 2), Tensors.Floats(backend, [], 1, 0));
        Assert.Equal(expected, Tensors.Read(backend, logits));
        backend.EndFrame();
    }

    [Fact]
    public void A_negative_logit_is_multiplied_and_another_divided()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        backend.BeginFrame();
        Tensor logits = Tensors.Floats(backend, [-2f, 2f, 0f, 3f], 1, 4);
        backend.Penalize(
            logits, Tensors.Integers(backend, [0, 0, 0, 1, 0, 2], 3, 2), Tensors.Floats(backend, [2f, 2f, 2f], 1, 3));
        Assert.Equal([-4f, 1f, 0f, 3f], Tensors.Read(backend, logits));
        backend.EndFrame();
    }

    [Fact]
    public void Wrong_arguments_are_named_with_what_was_found_and_expected()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        backend.BeginFrame();
        float[] x = Tensors.Random(2 * 10, 4);
        Tensor logits = Tensors.Floats(backend, x, 2, 10);
        Tensor one = Tensors.Floats(backend, [1.5f], 1, 1), zero = Tensors.Floats(backend, [0f], 1, 1);
        Tensor place = Tensors.Integers(backend, [0, 0], 1, 2);

        foreach ((int row, int token) in new[] { (2, 0), (-1, 0), (0, 10), (0, -1) })
        {
            Tensor outside = Tensors.Integers(backend, [0, 3, row, token], 2, 2);
            string message = $"Place 1 is row {row}, token {token}, which is not in logits of [2, 10].";
            NormTests.Refuses(message, () => backend.Suppress(logits, outside));
            NormTests.Refuses(message, () => backend.Penalize(logits, outside, logits));
        }

        Assert.Equal(x, Tensors.Read(backend, logits));   // the good place before the bad one was not touched either
        NormTests.Refuses("places is int32 [1, 3], expected int32 [n, 2]: row, token.",
            () => backend.Suppress(logits, Tensors.Integers(backend, [0, 0, 0], 1, 3)));
        NormTests.Refuses("places is none, expected int32 [n, 2]: row, token.", () => backend.Suppress(logits, Tensor.None));
        NormTests.Refuses("penalties is float32 [2, 10], expected float32 [1, 1].", () => backend.Penalize(logits, place, logits));
        NormTests.Refuses("Penalty 0 is 0, expected greater than 0.", () => backend.Penalize(logits, place, zero));
        NormTests.Refuses("logits is int32 [1, 2], expected float32 [rows, columns].", () => backend.Penalize(place, place, one));
        NormTests.Refuses("k is 0, expected 1 to 10, the width of the logits.", () => backend.TopK(logits, 0, out _));
        NormTests.Refuses("k is 11, expected 1 to 10, the width of the logits.", () => backend.TopK(logits, 11, out _));
        NormTests.Refuses("Token 1 is 10, expected 0 to 9.",
            () => backend.LogProbability(logits, Tensors.Integers(backend, [9, 10], 1, 2)));
        NormTests.Refuses("tokens is int32 [1, 3], expected int32 [1, 2].",
            () => backend.LogProbability(logits, Tensors.Integers(backend, [0, 0, 0], 1, 3)));
        Tensor draws = Tensors.Integers(backend, new int[8], 2, 4);
        NormTests.Refuses("draws is int32 [1, 4], expected int32 [2, 4].", () => backend.Sample(logits, draws.RowRange(0, 1), 1f, out _));
        NormTests.Refuses("draws is none, expected int32 [2, 4].", () => backend.Sample(logits, Tensor.None, 1f, out _));
        NormTests.Refuses("temperature is 0, expected greater than 0 and finite.", () => backend.Sample(logits, draws, 0f, out _));
        NormTests.Refuses("logits is float32 [2, 0], expected at least one column to draw from.",
            () => backend.Sample(logits.ColumnRange(0, 0), draws, 1f, out _));
        backend.EndFrame();
    }

    private static float[] LogSoftmax(float[] x, int rows, int columns)
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        backend.BeginFrame();
        float[] y = Tensors.Read(backend, backend.LogSoftmax(Tensors.Floats(backend, x, rows, columns)));
        backend.EndFrame();
        return y;
    }

    private static void CheckTopK(CpuBackend backend, float[] x, int rows, int columns, int k)
    {
        backend.BeginFrame();
        Tensor logits = Tensors.Floats(backend, x, rows, columns);
        float[] all = Tensors.Read(backend, backend.LogSoftmax(logits));
        Tensor best = backend.TopK(logits, k, out Tensor tokens);
        Assert.Equal(new Shape(rows, k), best.Shape);
        float[] foundValues = Tensors.Read(backend, best);
        int[] foundTokens = Tensors.ReadIntegers(backend, tokens);
        backend.EndFrame();
        for (int row = 0; row < rows; row++)
        {
            float[] values = Tensors.Row(all, row, columns);
            int[] expected = [.. Enumerable.Range(0, columns).OrderByDescending(i => values[i]).ThenBy(static i => i).Take(k)];
            Assert.Equal(expected, foundTokens[(row * k)..((row + 1) * k)]);
            for (int i = 0; i < k; i++)
            {
                Assert.Equal(
                    BitConverter.SingleToInt32Bits(values[expected[i]]), BitConverter.SingleToInt32Bits(foundValues[(row * k) + i]));
            }
        }
    }

    // d = x − m is rounded once; e^d is off by u |d| and 2 ulps (4 u); a lane of a chain adds ⌈columns / 64⌉ numbers and 6 more
    // additions join them; the logarithm of the sum takes that relative error as its absolute one, and is rounded; and so is
    // the last difference. What e^d loses below 2⁻¹²⁶ is less than one part in 10³³.
    private static void Check(float[] x, float[] found)
    {
        double[] expected = SoftmaxReference.LogSoftmax(ErrorBound.Widen(x));
        double largest = x.Max(), logSum = -expected.Max();
        double terms = 0;
        for (int i = 0; i < x.Length; i++) terms += Math.Exp(expected[i]) * U * (largest - x[i] + 4);
        double sum = terms + ErrorBound.Gamma(((x.Length + 63) / 64) + 6);
        for (int i = 0; i < x.Length; i++)
        {
            double bound = (U * (largest - x[i])) + sum + (1.001 * U * logSum) + (U * Math.Abs(expected[i])) + 1e-30;
            Assert.InRange(Math.Abs(expected[i] - found[i]), 0, bound * 1.001);   // terms of second order
        }
    }
}
