// The studies in their quick form: what mathematics demands of them, and that a seed decides every number but the times.
using Engine.Backends;
using Engine.Cpu;
using Engine.Layers;
using Engine.Models;
using Engine.Studies;
using Xunit;

namespace Engine.Tests.Studies;

public sealed class StudyTests : IDisposable
{
    private readonly CpuBackend _backend = new(new BackendOptions { Threads = 2 });

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private StudyOptions Quick => new(_backend) { Quick = true };

    public void Dispose() => _backend.Dispose();

    [Theory]
    [InlineData(new[] { 0.25f, 0.25f, 0.25f, 0.25f })]
    [InlineData(new[] { 0.5f, 0.25f, 0.125f, 0.125f })]
    [InlineData(new[] { 1f, 0f, 0f })]
    public void Entropy_and_gradient_of_a_softmax_are_their_definitions(float[] weights)
    {
        double entropy = 0, squares = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] > 0) entropy += weights[i] * -Math.Log(weights[i]);
            for (int j = 0; j < weights.Length; j++)
                squares += Math.Pow((i == j ? weights[i] : 0) - ((double)weights[i] * weights[j]), 2);
        }

        Assert.Equal(entropy, AttentionStudy.Entropy(weights), 1e-14);
        Assert.Equal(Math.Sqrt(squares), AttentionStudy.JacobianNorm(weights), 1e-14);
    }

    [Fact]
    public void Attention_shows_why_scores_are_scaled()
    {
        StudyReport report = AttentionStudy.Run(Quick, Cancellation);
        Assert.Equal(["Why scores are scaled", "What they cost", "Learning the same task with each"], report.Sections.Select(static s => s.Heading));
        StudySection scale = report.Sections[0];
        IReadOnlyList<IReadOnlyList<StudyCell>> rows = scale.Tables[0].Rows;
        Assert.Equal([4, 8, 16, 32, 64, 128, 256, 512, 1024], rows.Select(static row => (int)row[0].Number!.Value));

        // A variance of 4,096 draws with kurtosis 3 + 6/d has a relative error of √((2 + 6/d) / 4096): at most 0.029, five times that.
        Assert.All(rows, static row => Assert.InRange(row[1].Number!.Value / row[0].Number!.Value, 1 - 0.15, 1 + 0.15));
        PowerLaw fit = scale.Plots[0].Series[0].Fit!;
        Assert.InRange(fit.Exponent, 1 - 0.02, 1 + 0.02);   // 0.029 / (ln 2 · √60), five times

        // At d_k = 1024 scores of 64 keys are about 80 apart at their top without the scale, and as those of d_k = 4 with it.
        double[] Column(int column) => [.. rows.Select(row => row[column].Number!.Value)];
        Assert.True(Column(2)[0] > 5 * Column(2)[^1], "the entropy without the scale does not fall");
        Assert.InRange(Column(3)[^1] / Column(3)[0], 0.9, 1.1);
        Assert.InRange(Column(5)[^1] / Column(5)[0], 0.8, 1.2);
        Assert.All(Column(2).Concat(Column(3)), static entropy => Assert.InRange(entropy, 0, Math.Log(64)));
    }

    [Fact]
    public void A_shift_is_the_matrix_of_rotations()
    {
        const int Width = 8, Position = 5, Shift = 3;
        float[] row = Row(Position, Width), shifted = Row(Position + Shift, Width);
        (double Cosine, double Sine)[] blocks = PositionStudy.ShiftMatrix(Shift, Width);
        var matrix = new double[Width, Width];   // the whole of it, by the definition
        for (int i = 0; i < blocks.Length; i++)
        {
            (matrix[2 * i, 2 * i], matrix[2 * i, (2 * i) + 1]) = (blocks[i].Cosine, blocks[i].Sine);
            (matrix[(2 * i) + 1, 2 * i], matrix[(2 * i) + 1, (2 * i) + 1]) = (-blocks[i].Sine, blocks[i].Cosine);
        }

        double largest = 0;
        for (int i = 0; i < Width; i++)
            largest = Math.Max(largest, Math.Abs(Enumerable.Range(0, Width).Sum(j => matrix[i, j] * row[j]) - shifted[i]));
        Assert.Equal(largest, PositionStudy.ShiftError(blocks, row, shifted), 1e-15);
        Assert.InRange(largest, 0, Math.ScaleB(1, -25) * (1 + Math.Sqrt(2)));
        Assert.True(PositionStudy.ShiftError(blocks, row, Row(Position + Shift + 1, Width)) > 0.1, "another shift looks the same");
    }

    [Fact]
    public void Positions_shift_by_rounding_alone()
    {
        StudyReport report = PositionStudy.Run(Quick, Cancellation);
        Assert.All(
            report.Sections[0].Tables[0].Rows,
            static row => Assert.InRange(row[1].Number!.Value, 1e-9, Math.ScaleB(1, -25) * (1 + Math.Sqrt(2))));
        StudySeries similar = report.Sections[1].Plots[0].Series[0];
        Assert.Equal(1, similar.Points[0].Y, 1e-6);
        Assert.All(similar.Points.Skip(1), static point => Assert.InRange(point.Y, -1, 0.999));
        StudySection lengths = report.Sections[2];
        Assert.Equal(["sinusoidal", "learned", "none"], lengths.Plots[0].Series.Select(static series => series.Name));
        Assert.All(lengths.Plots[0].Series, static series => Assert.Equal([2, 4, 6, 8, 10, 12, 14, 16], series.Points.Select(static p => (int)p.X)));
        Assert.Equal(4, Assert.Single(lengths.Plots[0].Marks).X);
    }

    [Fact]
    public void The_feed_forward_block_is_left_out_in_two_ways()
    {
        StudyReport report = FeedForwardStudy.Run(Quick, Cancellation);
        foreach (StudySection section in report.Sections)
        {
            Assert.Equal(
                ["as in the paper", "without the ReLU", "without the layer"], section.Tables[0].Rows.Select(static row => row[0].Text!));
            Assert.Equal(3, section.Plots[0].Series.Select(static series => series.Points[^1].Y).Distinct().Count());
            Assert.All(section.Plots[0].Series, static series => Assert.True(series.Points[^1].Y < series.Points[0].Y, series.Name));
        }
    }

    [Fact]
    public void A_seed_decides_every_number()
    {
        static string Describe(StudyReport report) => string.Join('\n', report.Sections.SelectMany(static section => section.Tables)
            .SelectMany(static table => table.Rows).Select(static row => string.Join(' ', row)));
        string first = Describe(FeedForwardStudy.Run(Quick, Cancellation));
        Assert.Equal(first, Describe(FeedForwardStudy.Run(Quick, Cancellation)));
        Assert.NotEqual(first, Describe(FeedForwardStudy.Run(Quick with { Seed = 2 }, Cancellation)));
    }

    [Fact]
    public void A_study_tells_what_it_does_and_can_be_stopped()
    {
        using var stop = new CancellationTokenSource();
        List<string> said = [];
        StudyOptions options = Quick with
        {
            Progress = message =>
            {
                said.Add(message);
                if (message.StartsWith("unscaled", StringComparison.Ordinal)) stop.Cancel();
            },
        };
        Assert.ThrowsAny<OperationCanceledException>(() => AttentionStudy.Run(options, stop.Token));
        Assert.Contains("scaled: step 40 of 40", string.Join('\n', said), StringComparison.Ordinal);
        Assert.DoesNotContain(said, static message => message.StartsWith("additive: step", StringComparison.Ordinal));
    }

    private static float[] Row(int position, int width)
    {
        var row = new float[width];
        PositionTable.ComputeRow(new PositionConfig(), position, row);
        return row;
    }
}
