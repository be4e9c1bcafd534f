// The definition of cross-entropy with label smoothing, and of its gradient.
namespace Engine.Reference;

/// <summary>Cross-entropy of one row.</summary>
public static class CrossEntropyReference
{
    /// <summary>
    /// With p = softmax(logits) and q = (1 − smoothing) · [token = target] + smoothing / vocabulary: loss = −Σ q ln p,
    /// gradient = p − q.
    /// </summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="target">The token; −1: loss and gradient are 0.</param>
    /// <param name="smoothing">0 .. 1.</param>
    /// <param name="gradient">[vocabulary].</param>
    /// <returns>The loss, and −ln p of the target.</returns>
    public static (double Loss, double Surprise) Row(
        ReadOnlySpan<double> logits, int target, double smoothing, out double[] gradient)
    {
        gradient = new double[logits.Length];
        if (target < 0) return (0, 0);
        double[] logs = SoftmaxReference.LogSoftmax(logits);
        double loss = 0;
        for (int token = 0; token < logs.Length; token++)
        {
            double q = (token == target ? 1 - smoothing : 0) + (smoothing / logs.Length);
            loss -= q * logs[token];
            gradient[token] = Math.Exp(logs[token]) - q;
        }

        return (loss, -logs[target]);
    }
}
