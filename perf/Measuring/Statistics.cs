// The few statistics that the harness needs.
namespace Engine.Perf.Measuring;

/// <summary>Of a handful of numbers.</summary>
internal static class Statistics
{
    /// <summary>The middle one, or the mean of the two in the middle.</summary>
    public static double Median(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0) return double.NaN;
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /// <summary>The median distance from the median, scaled so that it is the standard deviation of normal noise.</summary>
    public static double Deviation(IReadOnlyCollection<double> values)
    {
        double median = Median(values);
        return 1.4826 * Median([.. values.Select(value => Math.Abs(value - median))]);
    }
}
