// The definition of the activations and of their slopes, and an error function in double precision, which the runtime library lacks.
using Engine.Backends;

namespace Engine.Reference;

/// <summary>Functions of one number.</summary>
public static class ActivationReference
{
    /// <summary>The value of an activation.</summary>
    public static double Invoke(Activation activation, double x) => activation switch
    {
        Activation.None => x,
        Activation.Relu => Math.Max(x, 0),
        Activation.Gelu => x * Erfc(-x / Math.Sqrt(2)) / 2,
        Activation.GeluTanh => x * Sigmoid(2 * Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))),
        Activation.GeluSigmoid => x * Sigmoid(1.702 * x),
        Activation.Silu => x * Sigmoid(x),
        Activation.Tanh => Math.Tanh(x),
        Activation.Sigmoid => Sigmoid(x),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "Unknown activation."),
    };

    /// <summary>The derivative of an activation; of ReLU at 0 it is 0.</summary>
    public static double Slope(Activation activation, double x) => activation switch
    {
        Activation.None => 1,
        Activation.Relu => x > 0 ? 1 : 0,
        Activation.Gelu => (Erfc(-x / Math.Sqrt(2)) / 2) + (x * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI)),
        Activation.GeluTanh => GateSlope(
            x, 2 * Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)),
            2 * Math.Sqrt(2 / Math.PI) * (1 + (3 * 0.044715 * x * x))),
        Activation.GeluSigmoid => GateSlope(x, 1.702 * x, 1.702),
        Activation.Silu => GateSlope(x, x, 1),
        Activation.Tanh => (1 - Math.Tanh(x)) * (1 + Math.Tanh(x)),
        Activation.Sigmoid => Sigmoid(x) * Sigmoid(-x),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "Unknown activation."),
    };

    // Of x · σ(z(x)): σ + x · σ · (1 − σ) · z′, and 1 − σ(z) = σ(−z).
    private static double GateSlope(double x, double z, double slope) =>
        Sigmoid(z) + (x * Sigmoid(z) * Sigmoid(-z) * slope);

    /// <summary>1 / (1 + e⁻ˣ), which is (1 + tanh(x/2)) / 2 without its cancellation.</summary>
    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>The error function.</summary>
    public static double Erf(double x) =>
        Math.Abs(x) < 2 ? ErfSeries(x) : Math.CopySign(1 - ErfcFraction(Math.Abs(x)), x);

    /// <summary>1 − erf(x), with a small relative error also where erf(x) is nearly 1.</summary>
    public static double Erfc(double x) => x >= 2 ? ErfcFraction(x) : 1 - Erf(x);

    // erf(x) = 2x/√π · exp(−x²) · Σ (2x²)ⁿ / (1 · 3 · 5 ··· (2n + 1)): all terms have one sign (Abramowitz and Stegun
    // 7.1.6).
    private static double ErfSeries(double x)
    {
        double term = 1, sum = 1;
        for (int n = 1; term > 1e-18 * sum; n++)
        {
            term *= 2 * x * x / ((2 * n) + 1);
            sum += term;
        }

        return 2 / Math.Sqrt(Math.PI) * x * Math.Exp(-x * x) * sum;
    }

    // √π exp(x²) erfc(x) = 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))) (Abramowitz and Stegun 7.1.14), from its far
    // end.
    private static double ErfcFraction(double x)
    {
        double tail = x;
        for (int n = 200; n >= 1; n--) tail = x + (n / 2.0 / tail);
        return Math.Exp(-x * x) / (Math.Sqrt(Math.PI) * tail);
    }
}
