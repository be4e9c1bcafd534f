// What rounding in float32 may cost, so that a test's tolerance is derived and not found by trying.
namespace Engine.Reference;

/// <summary>Bounds of rounding errors in float32 (Higham 2002, 3.1).</summary>
public static class ErrorBound
{
    /// <summary>Unit roundoff of float32, 2⁻²⁴: the relative error of one correctly rounded operation.</summary>
    public const double UnitRoundoff = 1.0 / (1 << 24);

    /// <summary>
    /// A hundred times the smallest normal float32: what is smaller may become zero, as eˣ below −87.3 does.
    /// </summary>
    public const double Underflow = 1e-36;

    /// <summary>γₙ = n u / (1 − n u): the relative error of n operations in any order.</summary>
    public static double Gamma(int operations) =>
        operations * UnitRoundoff / (1 - (operations * UnitRoundoff));

    /// <summary>The distance from the float32 nearest to a value to the next one away from zero.</summary>
    public static double Ulp(double value)
    {
        float magnitude = Math.Abs((float)value);
        return (double)MathF.BitIncrement(magnitude) - magnitude;
    }

    /// <summary>Units in the last place of the expected value between it and what was found.</summary>
    public static double Ulps(double expected, double found) => Math.Abs(expected - found) / Ulp(expected);

    /// <summary>float32 numbers as double precision, which is exact.</summary>
    public static double[] Widen(ReadOnlySpan<float> values) =>
        Array.ConvertAll(values.ToArray(), static value => (double)value);

    /// <summary>The largest of |expected − found|; NaN where one of them is.</summary>
    public static double LargestError(ReadOnlySpan<double> expected, ReadOnlySpan<float> found)
    {
        if (expected.Length != found.Length)
            throw new ArgumentException($"There are {found.Length} values, expected {expected.Length}.", nameof(found));
        double largest = 0;
        for (int i = 0; i < found.Length; i++) largest = Math.Max(largest, Math.Abs(expected[i] - found[i]));
        return largest;
    }
}
