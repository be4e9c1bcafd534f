// When is a kernel slower? Arithmetic only, so that it can be tested.
using Engine.Perf.Measuring;

namespace Engine.Perf.Gate;

/// <summary>What the gate says about a kernel.</summary>
/// <param name="Change">Share now over share then, less 1: −0.1 is a tenth slower.</param>
/// <param name="IsSlower">Whether that is more than noise.</param>
internal readonly record struct Verdict(double Change, bool IsSlower)
{
    // Nobody's noise is less than what memory and code that lie elsewhere cost; and with more than this a slowdown of a
    // tenth would pass.
    private const double LeastTolerance = 0.05;
    private const double MostTolerance = 0.07;

    // A whole translation spends part of its time in code that is no loop over numbers. A neighbour on the same core slows
    // that otherwise than a loop of multiply-adds: with five busy neighbours a core it was a quarter slower.
    private const double WholeTolerance = 0.25;

    // Of a standard deviation of one run; the median of three runs is closer than that.
    private const double Deviations = 4;

    /// <summary>
    /// The share to remember, and the tolerance that the spread of the runs asks for. Neighbours only ever slow a kernel, so
    /// the upper quartile is nearest to what it does alone.
    /// </summary>
    /// <param name="what">Name of the row.</param>
    /// <param name="shares">Of all runs.</param>
    /// <param name="isWhole">Whether it is a whole translation.</param>
    public static BaselineRow Remember(string what, IReadOnlyCollection<double> shares, bool isWhole = false)
    {
        double share = Statistics.UpperQuartile(shares);
        double spread = Deviations * Statistics.Deviation(shares) / share;
        double tolerance = isWhole ? WholeTolerance : Math.Clamp(spread, LeastTolerance, MostTolerance);
        return new BaselineRow(what, Math.Round(share, 4), Math.Round(tolerance, 4));
    }

    /// <summary>Compares the median of some runs with what is remembered.</summary>
    public static Verdict Of(BaselineRow row, IReadOnlyCollection<double> shares)
    {
        double change = (Statistics.Median(shares) / row.Share) - 1;
        return new Verdict(change, change < -row.Tolerance);
    }
}
