// The definition of softmax and of its logarithm.
namespace Engine.Reference;

/// <summary>Softmax of one row.</summary>
public static class SoftmaxReference
{
    /// <summary>log(softmax(x)).</summary>
    public static double[] LogSoftmax(ReadOnlySpan<double> x)
    {
        double logSum = LogSumOfExponentials(x);
        var y = new double[x.Length];
        for (int i = 0; i < y.Length; i++) y[i] = x[i] - logSum;
        return y;
    }

    /// <summary>log Σ exp(x), without overflow.</summary>
    public static double LogSumOfExponentials(ReadOnlySpan<double> x)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (double value in x) largest = Math.Max(largest, value);
        foreach (double value in x) sum += Math.Exp(value - largest);
        return largest + Math.Log(sum);
    }
}
