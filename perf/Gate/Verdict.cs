// When is a kernel slower? Arithmetic only, so that it can be tested.
using Engine.Perf.Measuring;

namespace Engine.Perf.Gate;

/// <summary>What the gate says about a kernel.</summary>
/// <param name="Change">Share now over share then, less 1: −0.1 is a tenth slower.</param>
/// <param name="IsSlower">Whether that is more than noise.</param>
internal readonly record struct Verdict(double Change, bool IsSlower)
{
    // Nobody's noise is less than what memory and code that lie elsewhere cost.
    private const double LeastTolerance = 0.05;

    // Of a standard deviation of one run; the median of three runs is closer than that.
    private const double Deviations = 4;

    /// <summary>The share to remember, the median, and the tolerance that the spread of the runs asks for.</summary>
    /// <param name="what">Name of the row.</param>
    /// <param name="shares">Of all runs.</param>
    public static BaselineRow Remember(string what, IReadOnlyCollection<double> shares)
    {
        double share = Statistics.Median(shares);
        double tolerance = Math.Max(LeastTolerance, Deviations * Statistics.Deviation(shares) / share);
        return new BaselineRow(what, Math.Round(share, 4), Math.Round(tolerance, 4));
    }

    /// <summary>Compares the median of some runs with what is remembered.</summary>
    public static Verdict Of(BaselineRow row, IReadOnlyCollection<double> shares)
    {
        double change = (Statistics.Median(shares) / row.Share) - 1;
        return new Verdict(change, change < -row.Tolerance);
    }
}
