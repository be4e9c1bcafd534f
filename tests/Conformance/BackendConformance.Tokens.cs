// From logits to tokens: suppression, penalties, log-softmax, the best of a row.
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    private static readonly (int Rows, int Vocabulary)[] LogitShapes =
    [
        (0, 16), (1, 1), (1, 2), (3, 15), (2, 16), (5, 17), (1, 31), (4, 33), (7, 64), (3, 65), (2, 1021), (9, 4001),
        (2, 32_000),
    ];

    [Fact]
    public void LogSoftmax_agrees_with_its_definition()
    {
        foreach ((int rows, int vocabulary) in LogitShapes)
        {
            // Usual logits; a sharp row; a row far from zero; a row of equal numbers.
            foreach ((double deviation, float mean) in new[] { (1, 0f), (30, 0f), (2, -300f), (0, 7f) })
            {
                float[] logits = Values(rows * vocabulary, seed: 1, deviation);
                for (int i = 0; i < logits.Length; i++) logits[i] += mean;
                var bound = new double[logits.Length];
                for (int row = 0; row < rows; row++)
                {
                    OperatorBound.LogSoftmax(Widen(logits.AsSpan(row * vocabulary, vocabulary)))
                        .CopyTo(bound, row * vocabulary);
                }

                foreach (bool view in new[] { false, true })
                {
                    AssertAgrees(
                        $"[{rows}, {vocabulary}] by {deviation} about {mean}{(view ? ", views" : "")}", bound,
                        b => b.LogSoftmax(Put(b, rows, vocabulary, logits, view)));
                }
            }
        }
    }

    [Fact]
    public void TopK_is_the_sorted_LogSoftmax_bit_for_bit()
    {
        foreach ((int rows, int vocabulary) in LogitShapes)
        {
            foreach (int k in new[] { 1, 2, 5, 8, 10, 16, 17, 33, vocabulary }.Where(k =>
                k <= Math.Min(vocabulary, 4001)))
                CheckTopK(Values(rows * vocabulary, seed: 2, 3), rows, vocabulary, k, view: k % 2 == 0);
        }
    }

    [Fact]
    public void TopK_takes_the_lower_of_equal_tokens_first()
    {
        foreach ((int rows, int vocabulary) in LogitShapes)
        {
            float[] few = [.. Values(rows * vocabulary, seed: 3).Select(static value => MathF.Round(value))];
            var none = new float[rows * vocabulary];
            foreach (int k in new[] { 1, 2, 4, 5, 20, vocabulary }.Where(k => k <= Math.Min(vocabulary, 4001)))
            {
                CheckTopK(few, rows, vocabulary, k, view: false);
                CheckTopK(none, rows, vocabulary, k, view: true);
            }
        }
    }

    [Fact]
    public void TopK_takes_the_lower_token_first_where_rounding_made_values_equal()
    {
        // Logits that differ by less than the rounding of their log-softmax: the values are equal, the logits are not.
        foreach (int vocabulary in new[] { 2, 16, 33, 1000 })
        {
            float[] rising = [.. Enumerable.Range(0, vocabulary).Select(static token => token * 1e-9f)];
            foreach (int k in new[] { 1, 2, 7, vocabulary }.Where(k => k <= vocabulary))
                CheckTopK(rising, 1, vocabulary, k, view: false);
        }
    }

    [Fact]
    public void LogProbability_is_one_value_of_LogSoftmax_bit_for_bit()
    {
        foreach ((int rows, int vocabulary) in LogitShapes)
        {
            float[] logits = Values(rows * vocabulary, seed: 4, 5);
            var random = new Random(5);
            int[] tokens = [.. Enumerable.Range(0, rows)
                .Select(row => row == 0 ? vocabulary - 1 : random.Next(vocabulary))];
            foreach (bool view in new[] { false, true })
            {
                InFrame(Backend, b =>
                {
                    Tensor table = Put(b, rows, vocabulary, logits, view);
                    float[] all = Floats(b, b.LogSoftmax(table));
                    Tensor found = b.LogProbability(table, PutVector(b, tokens, view));
                    Assert.Equal(new Shape(rows, 1), found.Shape);
                    AssertSameBits(
                        $"[{rows}, {vocabulary}]", [.. tokens.Select((token, row) => all[(row * vocabulary) + token])],
                        Floats(b, found));
                    return true;
                });
            }
        }
    }

    [Fact]
    public void Logits_have_the_same_fate_in_every_batch()
    {
        if (!IsBatchInvariant) return;
        const int Rows = 19, Vocabulary = 1021, K = 6;
        float[] logits = Values(Rows * Vocabulary, seed: 6, 4);
        InFrame(Backend, b =>
        {
            Tensor all = Put(b, Rows, Vocabulary, logits);
            float[] together = Floats(b, b.LogSoftmax(all)), best = Floats(b, b.TopK(all, K, out Tensor tokens));
            int[] chosen = Integers(b, tokens);
            for (int row = 0; row < Rows; row++)
            {
                Tensor alone = all.RowRange(row, 1);
                AssertSameBits($"row {row}", together.AsSpan(row * Vocabulary, Vocabulary),
                    Floats(b, b.LogSoftmax(alone)));
                AssertSameBits($"best of row {row}", best.AsSpan(row * K, K),
                    Floats(b, b.TopK(alone, K, out Tensor own)));
                Assert.Equal(chosen[(row * K)..((row + 1) * K)], Integers(b, own));
            }

            return true;
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Suppress_sets_the_lowest_number_and_nothing_else(bool view)
    {
        const int Rows = 5, Vocabulary = 37;
        float[] logits = Values(Rows * Vocabulary, seed: 7);
        int[] places = [0, 0, 0, 36, 2, 17, 4, 36, 4, 35];
        float[] expected = [.. logits];
        for (int i = 0; i < places.Length; i += 2) expected[(places[i] * Vocabulary) + places[i + 1]] = float.MinValue;
        InFrame(Backend, b =>
        {
            Tensor table = view ? Surrounded(b, Rows, Vocabulary, out Tensor whole)
                : whole = b.Rent(new Shape(Rows, Vocabulary), DType.Float32);
            b.Write(table, logits);
            b.Suppress(table, Put(b, 0, 2, Array.Empty<int>()));
            AssertSameBits("nothing suppressed", logits, Floats(b, table));
            b.Suppress(table, Put(b, places.Length / 2, 2, places, view));
            AssertSameBits("suppressed", expected, Floats(b, table));
            if (view) AssertOnlyInside(Floats(b, whole), Rows, Vocabulary);
            float[] best = Floats(b, b.TopK(table, Vocabulary, out Tensor tokens));
            Assert.All(best, static value => Assert.True(float.IsFinite(value)));
            Assert.Equal([0, 36], Integers(b, tokens)[(Vocabulary - 2)..Vocabulary]);
            return true;
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Penalize_multiplies_negative_logits_and_divides_others(bool view)
    {
        const int Rows = 4, Vocabulary = 19;
        float[] logits = Values(Rows * Vocabulary, seed: 8);
        (logits[3], logits[4], logits[Vocabulary], logits[Vocabulary + 18]) = (0f, -0f, 0.01f, -0.01f);
        int[] places = [0, 3, 0, 4, 1, 18, 1, 0, 2, 5, 2, 6, 2, 7, 3, 18];
        float[] penalties = [1.2f, 1.5f, 2f, 0.7f, 1.3f, 1.1f, 1f, 1.9f];
        float[] expected = [.. logits];
        for (int i = 0; i < penalties.Length; i++)
        {
            ref float logit = ref expected[(places[2 * i] * Vocabulary) + places[(2 * i) + 1]];
            logit = logit < 0 ? logit * penalties[i] : logit / penalties[i];
        }

        InFrame(Backend, b =>
        {
            Tensor table = view ? Surrounded(b, Rows, Vocabulary, out Tensor whole)
                : whole = b.Rent(new Shape(Rows, Vocabulary), DType.Float32);
            b.Write(table, logits);
            b.Penalize(table, Put(b, 0, 2, Array.Empty<int>()), Put(b, 1, 0, Array.Empty<float>()));
            AssertSameBits("nothing penalised", logits, Floats(b, table));
            b.Penalize(table, Put(b, penalties.Length, 2, places, view), PutVector(b, penalties, view));
            AssertSameBits("penalised", expected, Floats(b, table));
            if (view) AssertOnlyInside(Floats(b, whole), Rows, Vocabulary);
            return true;
        });
    }

    private void CheckTopK(float[] logits, int rows, int vocabulary, int k, bool view)
    {
        InFrame(Backend, b =>
        {
            Tensor table = Put(b, rows, vocabulary, logits, view);
            float[] all = Floats(b, b.LogSoftmax(table));
            Tensor best = b.TopK(table, k, out Tensor tokens);
            Assert.Equal((new Shape(rows, k), new Shape(rows, k)), (best.Shape, tokens.Shape));
            (float[] values, int[] places) = (Floats(b, best), Integers(b, tokens));
            for (int row = 0; row < rows; row++)
            {
                float[] own = all[(row * vocabulary)..((row + 1) * vocabulary)];
                int[] expected = TopKReference.Row(Widen(own), k);
                string what = $"row {row} of [{rows}, {vocabulary}], k {k}";
                Assert.True(
                    expected.AsSpan().SequenceEqual(places.AsSpan(row * k, k)),
                    $"{what}: tokens {string.Join(' ', places.Skip(row * k).Take(Math.Min(k, 20)))}, "
                    + $"expected {string.Join(' ', expected.Take(20))}");
                AssertSameBits(what, [.. expected.Select(token => own[token])], values.AsSpan(row * k, k));
            }

            return true;
        });
    }
}
