// Table 1 in its quick form: powers of counted work, chains, paths and crossings are what mathematics says. Times are only there.
using System.Globalization;
using Engine.Cpu;
using Engine.Studies;
using Xunit;

namespace Engine.Tests.Studies;

public sealed class TableOneTests
{
    [Fact]
    public void Work_chains_and_paths_are_those_of_the_paper()
    {
        using var backend = new CpuBackend();
        StudyReport report = TableOneStudy.Run(
            new StudyOptions(backend) { Quick = true }, other: backend, cancellation: TestContext.Current.CancellationToken);
        StudyTable complexity = report.Sections[0].Tables[0], order = report.Sections[0].Tables[1];
        (string Name, double N, double D)[] powers =
        [
            ("self-attention", 2, 1), ("recurrent", 1, 2), ("LSTM", 1, 2), ("GRU", 1, 2), ("convolution", 1, 2),
            ("convolution, dilated", 1, 2), ("separable convolution", 1, 2), ("restricted attention, groups", 1, 1), ("additive attention", 2, 1),
        ];
        foreach ((string name, double n, double d) in powers)
        {
            IReadOnlyList<StudyCell> row = Row(complexity, name);
            Assert.InRange(Power(row[2]), n - 0.06, n + 0.06);           // lesser terms, such as products with k taps, are in the count
            Assert.InRange(Power(row[3]), d - 0.06, d + 0.06);
        }

        Assert.Equal(3, Row(order, "self-attention")[2].Number);
        Assert.Equal(2, Row(order, "convolution")[2].Number);
        Assert.Equal((2 * 32) + 3, Row(order, "LSTM")[2].Number);
        Assert.Equal("26 at n = 27", Row(order, "recurrent")[4].Text);
        Assert.Equal("3 at n = 27", Row(order, "convolution, dilated")[4].Text);
        Assert.Equal("never", Row(order, "restricted attention, groups")[4].Text);
        Assert.Contains(report.Sections, static section => section.Heading == "On the other backend");
        foreach (StudyTable table in report.Sections.SelectMany(static section => section.Tables))
            Assert.All(table.Rows, row => Assert.Equal(table.Columns.Count, row.Count));
    }

    [Fact]
    public void By_gradients_a_path_ends_after_the_layers_of_the_formula()
    {
        using var backend = new CpuBackend();
        StudyReport report = TableOneStudy.Run(
            new StudyOptions(backend) { Quick = true }, null, "cuda: there is none", TestContext.Current.CancellationToken);
        StudyTable paths = report.Sections.Single(static section => section.Heading == "Maximum path length").Tables[0];
        Assert.Equal(["There is no other backend here: cuda: there is none."], report.Sections[^1].Text);
        foreach (IReadOnlyList<StudyCell> row in paths.Rows)
        {
            string found = row[^1].Text!;
            if (row[0].Text == "restricted attention, groups") Assert.Equal("0 after 8 layers", found);
            else Assert.Matches(@"^there after \d+ layers?, 0 after \d+ layers?$", found);
        }
    }

    [Fact]
    public void Curves_cross_where_their_lines_do()
    {
        StudyPoint[] square = [new(1, 1), new(4, 16), new(16, 256)], line = [new(1, 8), new(4, 32), new(16, 128)];
        StudyPoint? crossing = TableOneStudy.Crossing(square, line);
        Assert.Equal(8, crossing!.Value.X, 1e-9);
        Assert.Equal(64, crossing.Value.Y, 1e-9);
        Assert.Null(TableOneStudy.Crossing(square, [new(1, 2), new(4, 32), new(16, 512)]));
        Assert.Equal(4, TableOneStudy.Crossing(square, [new(1, 2), new(4, 16), new(16, 30)])!.Value.X);
    }

    [Fact]
    public void A_crossing_is_where_the_first_curve_goes_above_the_other_for_good()
    {
        // Above, below, above again; and above, then below to the end.
        StudyPoint[] one = [new(1, 4), new(2, 1), new(4, 4), new(8, 8)], level = [new(1, 2), new(2, 2), new(4, 2), new(8, 2)];
        Assert.Equal(2 * Math.Sqrt(2), TableOneStudy.Crossing(one, level)!.Value.X, 1e-9);
        StudyPoint[] falling = [new(1, 4), new(2, 1), new(4, 1), new(8, 0.5)], high = [.. level.Select(static point => point with { Y = 9 })];
        Assert.Null(TableOneStudy.Crossing(falling, level));
        Assert.Null(TableOneStudy.Crossing(high, level));
        Assert.Equal("nowhere: the first does less from 2 to 8", TableOneStudy.WithoutCrossing(falling, level));
        Assert.Equal("nowhere: the first does more from 1 to 8", TableOneStudy.WithoutCrossing(high, level));
        Assert.Equal("nowhere: the first does less from 1 to 8", TableOneStudy.WithoutCrossing(level, high));
    }

    [Fact]
    public void Kernel_regression_and_Hopfield_networks_are_attention()
    {
        using var backend = new CpuBackend();
        StudyReport report = OriginsStudy.Run(new StudyOptions(backend) { Quick = true }, TestContext.Current.CancellationToken);
        StudyTable regression = report.Sections[0].Tables[0], energy = report.Sections[1].Tables[0], capacity = report.Sections[2].Tables[0];

        // Scores are as large as (2.5 / h)² / 2, each wrong by that times 2⁻²⁴, and so is a weight, relatively; values are below 4.
        foreach (IReadOnlyList<StudyCell> row in regression.Rows)
            Assert.InRange(row[2].Number!.Value, 0, 8 * Math.Pow(2.5 / row[0].Number!.Value, 2) * 4 / (1 << 24) + 1e-5);

        // An energy is a sum of numbers below 100 that come from states of float32.
        Assert.All(energy.Rows, static row => Assert.InRange(row[4].Number!.Value, -100, 1e-4));
        Assert.All(capacity.Rows, static row => Assert.True(row[1].Number >= row[^1].Number));
        Assert.True(capacity.Rows[^1][^1].Number > capacity.Rows[0][^1].Number);
    }

    [Fact]
    public void The_energy_of_a_pattern_alone_is_that_of_the_formula()
    {
        // One pattern: E = −x·ξ + ½ ξ·ξ + ½ x·x = ½ |x − ξ|².
        Assert.Equal(0.5 * (1 + 9), OriginsStudy.EnergiesOf([1, 2], [2, 5], 2, 3)[0], 1e-9);
        double[] mean = OriginsStudy.ByDefinition([0, 1], [4, 8], [0.5, 0], 1);
        Assert.Equal(6, mean[0], 1e-12);
        Assert.Equal((4 + (8 * Math.Exp(-0.5))) / (1 + Math.Exp(-0.5)), mean[1], 1e-12);
    }

    private static IReadOnlyList<StudyCell> Row(StudyTable table, string name) => table.Rows.Single(row => row[0].Text == name);

    private static double Power(StudyCell cell) => double.Parse(cell.Text!.Split(' ')[0], CultureInfo.InvariantCulture);
}
