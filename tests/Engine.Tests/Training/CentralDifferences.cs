// Gradients without a formula: (f(x + h) − f(x − h)) / 2h, in double precision. What every formula of a gradient is held against.
using Xunit;

namespace Engine.Tests.Training;

/// <summary>Central differences of a loss.</summary>
/// <remarks>
/// They are wrong by h²/6 of the third derivative, some 1e-11, and by the rounding of the loss over h. A wrong formula is wrong by
/// tenths; a term that is forgotten, by its share.
/// </remarks>
internal static class CentralDifferences
{
    /// <summary>h; times the number where that is above 1. A power of two: x ± h is nearly exact.</summary>
    public const double Step = 1.0 / (1 << 17);

    // Roundings that a loss may have seen, each of 2⁻⁵³ of it: what a gradient that is 0 is found as.
    private const double Noise = 64 * (1.0 / (1L << 53)) / Step;

    /// <summary>The differences by each number of x, which is left as it was.</summary>
    /// <param name="x">Where.</param>
    /// <param name="loss">The loss with x as it then is.</param>
    public static double[] Of(double[] x, Func<double> loss)
    {
        var gradient = new double[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            double value = x[i], h = Step * Math.Max(1, Math.Abs(value));
            (double above, double below) = (value + h, value - h);
            x[i] = above;
            double right = loss();
            x[i] = below;
            double left = loss();
            x[i] = value;
            gradient[i] = (right - left) / (above - below);
        }

        return gradient;
    }

    /// <summary>Compares a gradient with differences: within 1e-6 of the gradient's norm.</summary>
    /// <param name="what">For the message.</param>
    /// <param name="differences">By differences.</param>
    /// <param name="found">By the formula.</param>
    /// <param name="magnitude">Of the loss, or of the largest number that it is a sum of.</param>
    public static void AssertAgree(string what, double[] differences, double[] found, double magnitude)
    {
        Assert.Equal(differences.Length, found.Length);
        double norm = Norm(differences), error = Norm([.. differences.Zip(found, static (left, right) => left - right)]);
        double allowed = (1e-6 * norm) + (Noise * magnitude * Math.Sqrt(found.Length));
        Assert.True(error <= allowed, $"{what}: the gradient is {error:G3} off, expected at most {allowed:G3}; its norm is {norm:G3}");
    }

    /// <summary>The Euclidean norm.</summary>
    public static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(static value => value * value));
}
