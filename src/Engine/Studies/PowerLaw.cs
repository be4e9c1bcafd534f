// y = factor · x^exponent through measured points: by least squares, where both axes are logarithmic.
using System.Globalization;

namespace Engine.Studies;

/// <summary>A power law.</summary>
/// <param name="Exponent">How y grows: the slope where both axes are logarithmic.</param>
/// <param name="Error">Standard error of the exponent; NaN with two points, through which any line goes.</param>
/// <param name="Factor">y at x = 1.</param>
public sealed record PowerLaw(double Exponent, double Error, double Factor)
{
    /// <summary>The power law for which the sum of the squares of ln y − ln(factor · x^exponent) is least.</summary>
    /// <param name="points">At least two, of different x, all numbers above 0.</param>
    /// <exception cref="ArgumentException">There are fewer, or a number is not above 0.</exception>
    public static PowerLaw Fit(IReadOnlyList<StudyPoint> points)
    {
        ArgumentNullException.ThrowIfNull(points);
        foreach (StudyPoint point in points)
        {
            if (!(point.X > 0 && point.Y > 0))
                throw new ArgumentException($"A point is {point}, expected numbers above 0.", nameof(points));
        }

        if (points.Select(static point => point.X).Distinct().Count() < 2)
            throw new ArgumentException($"There are {points.Count} points, expected at least 2 of different x.", nameof(points));
        double meanX = points.Average(static point => Math.Log(point.X)), meanY = points.Average(static point => Math.Log(point.Y));
        double spread = 0, common = 0;
        foreach (StudyPoint point in points)
        {
            double x = Math.Log(point.X) - meanX;
            spread += x * x;
            common += x * (Math.Log(point.Y) - meanY);
        }

        double slope = common / spread, start = meanY - (slope * meanX);
        double rest = points.Sum(point => Math.Pow(Math.Log(point.Y) - start - (slope * Math.Log(point.X)), 2));
        double error = points.Count > 2 ? Math.Sqrt(rest / (points.Count - 2) / spread) : double.NaN;
        return new PowerLaw(slope, error, Math.Exp(start));
    }

    /// <summary>The exponent with its error, as in <c>1.00 ± 0.01</c>.</summary>
    public string Describe() => double.IsNaN(Error)
        ? Exponent.ToString("F2", CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{Exponent:F2} ± {Error:F2}");

    /// <summary>y at an x.</summary>
    public double At(double x) => Factor * Math.Pow(x, Exponent);
}
