// The definition of layer normalisation and of its root-mean-square form.
namespace Engine.Reference;

/// <summary>Norms of one row.</summary>
public static class NormReference
{
    /// <summary>
    /// (x − mean) / √(variance + ε) · gain + bias (Ba et al. 2016); the variance is divided by the width.
    /// </summary>
    /// <param name="x">[width].</param>
    /// <param name="gain">[width].</param>
    /// <param name="bias">[width], or empty.</param>
    /// <param name="epsilon">Added to the variance.</param>
    public static double[] Layer(
        ReadOnlySpan<double> x, ReadOnlySpan<double> gain, ReadOnlySpan<double> bias, double epsilon)
    {
        double mean = 0, variance = 0;
        foreach (double value in x) mean += value / x.Length;
        foreach (double value in x) variance += (value - mean) * (value - mean) / x.Length;
        var y = new double[x.Length];
        for (int i = 0; i < y.Length; i++)
            y[i] = ((x[i] - mean) / Math.Sqrt(variance + epsilon) * gain[i]) + (bias.IsEmpty ? 0 : bias[i]);
        return y;
    }

    /// <summary>x / √(mean of squares + ε) · gain + bias (Zhang and Sennrich 2019, who have no bias).</summary>
    /// <param name="x">[width].</param>
    /// <param name="gain">[width].</param>
    /// <param name="bias">[width], or empty.</param>
    /// <param name="epsilon">Added to the mean of squares.</param>
    public static double[] Rms(
        ReadOnlySpan<double> x, ReadOnlySpan<double> gain, ReadOnlySpan<double> bias, double epsilon)
    {
        double squares = 0;
        foreach (double value in x) squares += value * value / x.Length;
        var y = new double[x.Length];
        for (int i = 0; i < y.Length; i++)
            y[i] = (x[i] / Math.Sqrt(squares + epsilon) * gain[i]) + (bias.IsEmpty ? 0 : bias[i]);
        return y;
    }
}
