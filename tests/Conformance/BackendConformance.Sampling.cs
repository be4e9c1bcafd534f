// Drawing tokens: by the numbers that TokenDraw defines, so that every backend draws the same ones.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    [Fact]
    public void Sample_draws_by_its_definition()
    {
        foreach ((int rows, int vocabulary) in LogitShapes)
        {
            foreach ((double deviation, float mean, float temperature) in new[] { (3, 0f, 1f), (2, -300f, 0.3f), (0, 7f, 2.5f) })
            {
                float[] logits = Values(rows * vocabulary, seed: 11, deviation);
                for (int i = 0; i < logits.Length; i++) logits[i] += mean;
                TokenDraw[] draws = Draws(rows);
                foreach (bool view in new[] { false, true })
                {
                    string what = $"[{rows}, {vocabulary}] by {deviation} about {mean}, {temperature}{(view ? ", views" : "")}";
                    int[] tokens = Drawn(what, logits, rows, draws, temperature, view);
                    for (int row = 0; row < rows; row++)
                    {
                        double[] x = Widen(logits.AsSpan(row * vocabulary, vocabulary));
                        double[] scores = SampleReference.Scores(x, draws[row], temperature), bound = OperatorBound.Sample(x, draws[row], temperature);
                        int best = Array.IndexOf(scores, scores.Max()), token = tokens[row];
                        Assert.True(
                            scores[token] + bound[token] >= scores[best] - bound[best],
                            $"{what}: row {row} drew {token} by {scores[token]:R}, expected {best} by {scores[best]:R}");
                    }
                }
            }
        }
    }

    /// <summary>With equal logits the largest u is drawn; at these steps two tokens have it.</summary>
    [Fact]
    public void Sample_draws_the_lower_of_equal_tokens()
    {
        const int Vocabulary = 32_000;
        (int Step, int Lower, int Higher)[] ties = [(259, 567, 20_557), (261, 2290, 7045), (935, 10_759, 16_064), (4159, 10_343, 27_332)];
        TokenDraw[] draws = [.. ties.Select(static tie => new TokenDraw(1, 0, tie.Step))];
        for (int i = 0; i < ties.Length; i++)
        {
            Assert.Equal(draws[i].Uniform(ties[i].Lower), draws[i].Uniform(ties[i].Higher));
            Assert.Equal(draws[i].Uniform(ties[i].Lower), Enumerable.Range(0, Vocabulary).Max(draws[i].Uniform));
        }

        int[] tokens = Drawn("ties", new float[ties.Length * Vocabulary], ties.Length, draws, 1f, view: false);
        Assert.Equal(ties.Select(static tie => tie.Lower), tokens);
    }

    /// <summary>Cold, the best is drawn; hot, any; what is suppressed is not, unless all is, and then all alike.</summary>
    [Fact]
    public void Sample_takes_logits_as_finite_and_any_temperature()
    {
        const int Rows = 40, Vocabulary = 130;
        TokenDraw[] draws = Draws(Rows);
        float[] logits = Values(Rows * Vocabulary, seed: 12);
        int[] best = [.. Enumerable.Range(0, Rows).Select(row => TopKReference.Row(Widen(logits.AsSpan(row * Vocabulary, Vocabulary)), 1)[0])];
        foreach (float cold in new[] { 1e-6f, 1e-40f }) Assert.Equal(best, Drawn("cold", logits, Rows, draws, cold, view: false));
        int[] hot = Drawn("hot", logits, Rows, draws, float.MaxValue, view: true);
        int[] equal = Drawn("equal", new float[Rows * Vocabulary], Rows, draws, 1f, view: false);
        Assert.Equal(equal, hot);
        Assert.InRange(hot.Distinct().Count(), Rows / 2, Rows);

        var suppressed = new float[Rows * Vocabulary];
        Array.Fill(suppressed, float.MinValue);
        Assert.Equal(equal, Drawn("all suppressed", suppressed, Rows, draws, 1f, view: false));
        for (int row = 0; row < Rows; row++) suppressed[(row * Vocabulary) + (row * 3)] = -1e30f;
        Assert.Equal(Enumerable.Range(0, Rows).Select(static row => row * 3), Drawn("one left", suppressed, Rows, draws, 1f, view: false));
        if (Backend is ReferenceBackend) return;   // its numbers are as they are

        for (int row = 0; row < Rows; row++)
        {
            suppressed.AsSpan(row * Vocabulary, Vocabulary).Fill(row % 2 == 0 ? float.NaN : float.NegativeInfinity);
            suppressed[(row * Vocabulary) + (row * 3)] = row % 4 == 0 ? float.PositiveInfinity : 2f;
        }

        Assert.Equal(Enumerable.Range(0, Rows).Select(static row => row * 3), Drawn("not finite", suppressed, Rows, draws, 1f, view: false));
    }

    [Fact]
    public void Sample_draws_the_same_alone_and_several_times_from_one_row()
    {
        const int Rows = 9, Vocabulary = 1021;
        float[] logits = Values(Vocabulary, seed: 13, 2), all = [.. Enumerable.Repeat(logits, Rows).SelectMany(static row => row)];
        TokenDraw[] draws = Draws(Rows);
        int[] together = Drawn("together", all, Rows, draws, 0.8f, view: false);
        Assert.InRange(together.Distinct().Count(), 3, Rows);
        for (int row = 0; row < Rows; row++)
            Assert.Equal(together[row], Drawn("alone", logits, 1, [draws[row]], 0.8f, view: true)[0]);
        InFrame(Backend, b =>
        {
            Tensor one = Put(b, 1, Vocabulary, logits) with { Shape = new Shape(Rows, Vocabulary), Stride = 0 };
            b.Sample(one, PutDraws(b, draws, view: false), 0.8f, out Tensor tokens);
            Assert.Equal(together, Integers(b, tokens));
            return true;
        });
    }

    [Fact]
    public void Sample_refuses_what_it_cannot_draw_from() => InFrame(Backend, b =>
    {
        Tensor logits = Put(b, 2, 3, [1f, 2f, 3f, 4f, 5f, 6f]), draws = PutDraws(b, Draws(2), view: false);
        foreach (float temperature in new[] { 0f, -1f, float.NaN, float.PositiveInfinity })
            Assert.Throws<ArgumentException>(() => b.Sample(logits, draws, temperature, out _));
        Assert.Throws<ArgumentException>(() => b.Sample(logits, draws.RowRange(0, 1), 1f, out _));
        Assert.Throws<ArgumentException>(() => b.Sample(logits, draws.ColumnRange(0, 3), 1f, out _));
        Assert.Throws<ArgumentException>(() => b.Sample(logits, Put(b, 2, 4, new float[8]), 1f, out _));
        Assert.Throws<ArgumentException>(() => b.Sample(logits.ColumnRange(0, 0), draws, 1f, out _));
        return true;
    });

    private static TokenDraw[] Draws(int count) =>
        [.. Enumerable.Range(0, count).Select(static i => new TokenDraw(-0x123456789ABCDEFL * (i % 3), i - 1, 1000 * i))];

    private static Tensor PutDraws(IBackend backend, TokenDraw[] draws, bool view)
    {
        var numbers = new int[draws.Length * TokenDraw.Columns];
        for (int i = 0; i < draws.Length; i++) draws[i].CopyTo(numbers.AsSpan(i * TokenDraw.Columns));
        return Put(backend, draws.Length, TokenDraw.Columns, numbers, view);
    }

    // What is drawn, with the log-probabilities that LogProbability gives; the twin must draw the same.
    private int[] Drawn(string what, float[] logits, int rows, TokenDraw[] draws, float temperature, bool view)
    {
        int vocabulary = rows == 0 ? 1 : logits.Length / rows;
        int[] found = DrawnBy(Backend);
        if (Twin is { } twin) Assert.Equal(DrawnBy(twin), found);
        return found;

        int[] DrawnBy(IBackend backend) => InFrame(backend, b =>
        {
            Tensor table = Put(b, rows, vocabulary, logits, view);
            Tensor values = b.Sample(table, PutDraws(b, draws, view), temperature, out Tensor tokens);
            Assert.Equal((new Shape(rows, 1), DType.Float32), (values.Shape, values.Type));
            Assert.Equal((new Shape(rows, 1), DType.Int32), (tokens.Shape, tokens.Type));
            int[] chosen = Integers(b, tokens);
            Assert.All(chosen, token => Assert.InRange(token, 0, vocabulary - 1));
            AssertSameBits(what, Floats(b, b.LogProbability(table, PutVector(b, chosen, view))), Floats(b, values));
            return chosen;
        });
    }
}
