// The definition of one step of Adam and AdamW.
using Engine.Backends;

namespace Engine.Reference;

/// <summary>Adam (Kingma and Ba 2015), with decoupled decay (Loshchilov and Hutter 2019).</summary>
public static class AdamReference
{
    /// <summary>
    /// g = gradient · GradientScale; m = β₁ m + (1 − β₁) g; v = β₂ v + (1 − β₂) g²; x = x · (1 − LearningRate · Decay) −
    /// LearningRate · (m / FirstCorrection) / (√(v / SecondCorrection) + ε).
    /// </summary>
    /// <param name="values">x, changed.</param>
    /// <param name="gradients">Gradients.</param>
    /// <param name="first">m, changed.</param>
    /// <param name="second">v, changed.</param>
    /// <param name="rates">Rates.</param>
    public static void Step(
        Span<double> values, ReadOnlySpan<double> gradients, Span<double> first, Span<double> second, AdamStep rates)
    {
        double rate = rates.LearningRate, beta1 = rates.Beta1, beta2 = rates.Beta2;
        for (int i = 0; i < values.Length; i++)
        {
            double g = gradients[i] * rates.GradientScale;
            first[i] = (beta1 * first[i]) + ((1 - beta1) * g);
            second[i] = (beta2 * second[i]) + ((1 - beta2) * g * g);
            double root = Math.Sqrt(second[i] / rates.SecondCorrection);
            values[i] = (values[i] * (1 - (rate * rates.Decay)))
                - (rate * (first[i] / rates.FirstCorrection) / (root + rates.Epsilon));
        }
    }
}
