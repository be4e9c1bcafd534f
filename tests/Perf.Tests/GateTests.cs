// When the gate raises an alarm: a tenth slower is one, noise is none.
using Engine.Perf.Gate;
using Engine.Perf.Kernels;
using Xunit;

namespace Engine.Perf.Tests;

public class GateTests
{
    private static readonly double[] Shares = [0.80, 0.81, 0.79, 0.80, 0.805, 0.795, 0.80, 0.60, 0.80];

    [Fact]
    public void A_baseline_is_what_runs_reach_and_one_wild_run_does_not_widen_it()
    {
        BaselineRow row = Verdict.Remember("a kernel", Shares);
        Assert.InRange(row.Share, 0.80, 0.81);
        Assert.Equal(0.05, row.Tolerance);
    }

    [Theory]
    [InlineData(0.9, true)]
    [InlineData(0.92, true)]
    [InlineData(0.98, false)]
    [InlineData(1.0, false)]
    [InlineData(1.2, false)]
    public void A_tenth_slower_is_an_alarm_and_noise_is_none(double factor, bool isSlower)
    {
        BaselineRow row = Verdict.Remember("a kernel", Shares);
        Verdict verdict = Verdict.Of(row, [0.805 * factor, 0.80 * factor, 0.5]);
        Assert.Equal(isSlower, verdict.IsSlower);
        Assert.Equal(factor - 1, verdict.Change, 2);
    }

    [Fact]
    public void What_a_noisy_kernel_did_while_the_baseline_was_measured_is_no_alarm()
    {
        double[] noisy = [0.5, 0.6, 0.5, 0.6, 0.55, 0.6, 0.5, 0.55, 0.6];
        BaselineRow row = Verdict.Remember("a kernel", noisy);
        Assert.All(noisy, share => Assert.False(Verdict.Of(row, [share]).IsSlower));
        Assert.True(Verdict.Of(row, [0.2]).IsSlower);
    }

    [Fact]
    public void The_median_of_normal_noise_raises_no_alarm()
    {
        var random = new Random(1);
        double Noise() => 0.8 * (1 + (0.01 * (Enumerable.Range(0, 12).Sum(_ => random.NextDouble()) - 6)));
        BaselineRow row = Verdict.Remember("a kernel", [.. Enumerable.Range(0, 9).Select(_ => Noise())]);
        bool IsSlower() => Verdict.Of(row, [Noise(), Noise(), Noise()]).IsSlower;

        // What looks slower once in a hundred times is measured again.
        Assert.InRange(Enumerable.Range(0, 1000).Count(_ => IsSlower()), 0, 10);
        Assert.Equal(0, Enumerable.Range(0, 1000).Count(_ => Enumerable.Range(0, 3).All(_ => IsSlower())));
    }

    [Fact]
    public void A_baseline_survives_json()
    {
        var baseline = new Baseline("a machine", [new BaselineRow("gemm 1×2×3", 0.9, 0.03)]);
        Assert.Equal(baseline.ToJson(), Baseline.FromJson(baseline.ToJson()).ToJson());
    }

    [Fact]
    public void Without_the_variable_no_row_is_computed_twice() => Assert.Equal(0, Slowdown.Of(128));
}
