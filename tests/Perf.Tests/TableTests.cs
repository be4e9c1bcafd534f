// The arithmetic of the table: medians, ratios, goals, and the way to JSON and back.
using Engine.Perf.Measuring;
using Engine.Perf.Table;
using Xunit;

namespace Engine.Perf.Tests;

public class TableTests
{
    private static readonly MachineDescription Nowhere =
        new("a processor", 2, "caches", "memory", "a system", ".NET", "Avx512", "abc", "2000-01-01 00:00 UTC");

    [Theory]
    [InlineData(new double[] { 3 }, 3)]
    [InlineData(new double[] { 9, 1, 2 }, 2)]
    [InlineData(new double[] { 4, 1, 2, 100 }, 3)]
    public void The_median_is_the_middle(double[] values, double expected) => Assert.Equal(expected, Statistics.Median(values));

    [Fact]
    public void One_wild_value_does_not_move_the_deviation() =>
        Assert.Equal(1.4826, Statistics.Deviation([10, 11, 12, 9, 8, 1000, 10]), 4);

    [Fact]
    public void Shares_and_ratios_are_medians_of_pairs()
    {
        // The second round ran at half the clock rate: the pairs do not see it.
        var sample = new Sample([90, 45, 90], [100, 50, 100], [[60, 30, 60]]);
        Assert.Equal(0.9, sample.Share, 12);
        Assert.Equal(1.5, sample.Ratio(0), 12);
    }

    [Theory]
    [InlineData(0.80, 1.6, true)]
    [InlineData(0.79, 1.6, false)]
    [InlineData(0.80, 1.4, false)]
    public void A_goal_of_two_parts_holds_when_both_hold(double share, double ratio, bool expected)
    {
        Goal goal = Goal.Share(80) & Goal.Times(1.5, "Peer");
        Assert.Equal("≥ 80 %, ≥ 1.5× Peer", goal.Text);
        Assert.Equal(expected, Line(share, ratio).Judged(goal).Holds);
    }

    [Fact]
    public void A_goal_against_a_peer_that_is_not_here_cannot_be_told()
    {
        Assert.Null(Line(0.9, 2).Judged(Goal.Times(1.5, "Nobody")).Holds);
        Assert.Null(Line(0.9, 2).Judged(Goal.Share(80) & Goal.Times(1.5, "Nobody")).Holds);
        Assert.False(Line(0.7, 2).Judged(Goal.Share(80) & Goal.Times(1.5, "Nobody")).Holds);
    }

    [Fact]
    public void A_report_survives_json()
    {
        var report = new Report(Nowhere, [new Roof("float32", "GFLOP/s", 1, 2)], [Line(0.5, double.NaN)]);
        Report read = Report.FromJson(report.ToJson());
        Assert.Equal(report.ToJson(), read.ToJson());
        Assert.Equal(report.ToMarkdown(), read.ToMarkdown());
        Assert.Equal(Nowhere, read.Machine);
    }

    [Fact]
    public void The_table_shows_figure_floor_share_peer_and_goal()
    {
        Result line = Line(0.8, 1.6).Judged(Goal.Share(90));
        string text = new Report(Nowhere, [], [line]).ToMarkdown();
        Assert.Contains("| a kernel | 80.0 GFLOP/s | 100.0 | 80 % | Peer 50.0 (1.60×) | ≥ 90 % | NO |", text, StringComparison.Ordinal);
        Assert.Equal((0, 1, 0), new Report(Nowhere, [], [line]).Goals);
    }

    private static Result Line(double share, double ratio) => new()
    {
        What = "a kernel",
        Figure = 100 * share,
        Unit = "GFLOP/s",
        Floor = 100,
        Share = share,
        Peers = [new PeerFigure("Peer", 100 * share / ratio, ratio)],
    };
}
