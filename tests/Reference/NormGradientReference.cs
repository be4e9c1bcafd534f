// The definition of the gradients of layer normalisation and of its root-mean-square form.
namespace Engine.Reference;

/// <summary>Gradients of the norms of <see cref="NormReference"/>, for one row.</summary>
public static class NormGradientReference
{
    /// <summary>
    /// With r = 1/√(variance + ε) and x̂ = (x − mean) · r: g = dy · gain, dx = r · (g − mean(g) − x̂ · mean(g · x̂)); the
    /// gain's gradient is dy · x̂. In the root-mean-square form both means of a row alone, of x and of g, are 0.
    /// </summary>
    /// <param name="x">[width].</param>
    /// <param name="gain">[width].</param>
    /// <param name="dy">[width].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="isRms">Whether only the root mean square is divided out.</param>
    /// <param name="gainGradient">[width]: what the row adds to the gradient of the gain.</param>
    /// <returns>dx, [width].</returns>
    public static double[] Row(
        ReadOnlySpan<double> x, ReadOnlySpan<double> gain, ReadOnlySpan<double> dy, double epsilon, bool isRms,
        out double[] gainGradient)
    {
        int n = x.Length;
        double mean = 0, variance = 0, meanG = 0, meanGX = 0;
        if (!isRms) foreach (double value in x) mean += value / n;
        foreach (double value in x) variance += (value - mean) * (value - mean) / n;
        double r = 1 / Math.Sqrt(variance + epsilon);
        var (normalised, dx) = (new double[n], new double[n]);
        gainGradient = new double[n];
        for (int i = 0; i < n; i++)
        {
            normalised[i] = (x[i] - mean) * r;
            gainGradient[i] = dy[i] * normalised[i];
            if (!isRms) meanG += dy[i] * gain[i] / n;
            meanGX += dy[i] * gain[i] * normalised[i] / n;
        }

        for (int i = 0; i < n; i++) dx[i] = r * ((dy[i] * gain[i]) - meanG - (normalised[i] * meanGX));
        return dx;
    }
}
