// How far the operators of training in float32 may be from their definitions, derived from the operations that they must do, in
// any order. What is added to what was there counts as one more term of the sum. u, γₙ and functions as in OperatorBound.
using Engine.Backends;

namespace Engine.Reference;

/// <summary>Bounds of |found − defined| for each element of what an operator of training gives.</summary>
public static class GradientBound
{
    private const double U = ErrorBound.UnitRoundoff;

    // What a function of our own may be wrong, relative to its value.
    private const double FunctionError = 8 * U;

    /// <summary>
    /// dy · activation′(x), for one number. tanh′ = 1 − t² and σ′ = σ (1 − σ) keep what t and σ are wrong by: 2 · 8u and 8u, and some
    /// u of 1. Gelu: Φ is 8u wrong at most, see <see cref="OperatorBound.Activated"/>; x · φ(x) is relatively 8u for the
    /// function, u x² for its argument and 4u, which is 4u at most. x · σ(z): s = σ(z) is 8u wrong, and 5u of its argument, |z| s
    /// (1 − s); s′ = s (1 − s) is that wrong again, u of s for 1 − s, and 4u of itself; times x z′.
    /// </summary>
    public static double Activation(Activation activation, double x, double dy)
    {
        double slope = ActivationReference.Slope(activation, x), error = activation switch
        {
            Backends.Activation.None or Backends.Activation.Relu => 0,
            Backends.Activation.Tanh => 2 * (FunctionError + U),
            Backends.Activation.Sigmoid => FunctionError + (3 * U),
            Backends.Activation.Gelu => FunctionError + (4 * U),
            Backends.Activation.GeluTanh => Gate(
                x, 2 * Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)),
                2 * Math.Sqrt(2 / Math.PI) * (1 + (3 * 0.044715 * x * x))),
            Backends.Activation.GeluSigmoid => Gate(x, 1.702 * x, 1.702),
            _ => Gate(x, x, 1),
        };
        return (Math.Abs(dy) * (error + (2 * U * Math.Abs(slope)))) + (ErrorBound.Underflow * (1 + Math.Abs(dy)));
    }

    /// <summary>
    /// A sum of n products of two or three factors, added to what was there: γ(n + 3) of the magnitudes.
    /// </summary>
    /// <param name="magnitudes">Σ of the magnitudes of the products.</param>
    /// <param name="start">What was there.</param>
    /// <param name="terms">n, the most that one element is a sum of.</param>
    public static double[] Sum(ReadOnlySpan<double> magnitudes, ReadOnlySpan<double> start, int terms)
    {
        var bound = new double[magnitudes.Length];
        for (int i = 0; i < bound.Length; i++)
            bound[i] = (ErrorBound.Gamma(terms + 3) * (magnitudes[i] + Math.Abs(start[i]))) + ErrorBound.Underflow;
        return bound;
    }

    /// <summary>
    /// Norm, one row of n. x̂ is wrong by δx̂, that of the norm itself with a gain of 1; r relatively by ρ, see
    /// <see cref="OperatorBound.LayerNorm"/>. g = dy · gain by u; mean(g) by γ(n + 1) mean|g|; mean(g x̂) by mean(|g| δx̂) + γ(n + 3)
    /// mean|g x̂|. In r · (g − mean(g) − x̂ · mean(g x̂)) each of the three, and 4u of all; then ρ of it, and u of it and of what is passed.
    /// </summary>
    /// <param name="x">[width].</param>
    /// <param name="gain">[width].</param>
    /// <param name="dy">[width].</param>
    /// <param name="passed">[width], or empty.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="isRms">Whether only the root mean square is divided out.</param>
    /// <param name="gainError">[width]: what the row adds to the error of the gain's gradient before any sum, |dy| δx̂.</param>
    /// <param name="gainMagnitude">[width]: |dy x̂|.</param>
    public static double[] Norm(
        ReadOnlySpan<double> x, ReadOnlySpan<double> gain, ReadOnlySpan<double> dy, ReadOnlySpan<double> passed,
        double epsilon, bool isRms, out double[] gainError, out double[] gainMagnitude)
    {
        int n = x.Length;
        double[] ones = [.. Enumerable.Repeat(1.0, n)];
        double[] normalised = isRms ? NormReference.Rms(x, ones, [], epsilon) : NormReference.Layer(x, ones, [], epsilon);
        double[] wrong = isRms ? OperatorBound.RmsNorm(x, ones, [], epsilon) : OperatorBound.LayerNorm(x, ones, [], epsilon);
        double mean = 0, magnitude = 0, variance = 0;
        if (!isRms) foreach (double value in x) (mean, magnitude) = (mean + (value / n), magnitude + (Math.Abs(value) / n));
        foreach (double value in x) variance += (value - mean) * (value - mean) / n;
        double r = 1 / Math.Sqrt(variance + epsilon), delta = ErrorBound.Gamma(n + 1) * magnitude;
        double rho = ((ErrorBound.Gamma(n + 4) + (delta * delta * r * r)) / 2) + (5 * U);
        double meanG = 0, meanGX = 0, absoluteG = 0, absoluteGX = 0, ofX = 0;
        for (int i = 0; i < n; i++)
        {
            double g = dy[i] * gain[i];
            if (!isRms) (meanG, absoluteG) = (meanG + (g / n), absoluteG + (Math.Abs(g) / n));
            (meanGX, absoluteGX) = (meanGX + (g * normalised[i] / n), absoluteGX + (Math.Abs(g * normalised[i]) / n));
            ofX += Math.Abs(g) * wrong[i] / n;
        }

        double errorG = isRms ? 0 : ErrorBound.Gamma(n + 2) * absoluteG;
        double errorGX = ofX + (ErrorBound.Gamma(n + 3) * (absoluteGX + ofX));
        double[] bound = new double[n];
        (gainError, gainMagnitude) = (new double[n], new double[n]);
        for (int i = 0; i < n; i++)
        {
            double g = dy[i] * gain[i], xHat = Math.Abs(normalised[i]);
            double terms = Math.Abs(g) + Math.Abs(meanG) + (xHat * Math.Abs(meanGX));
            double inside = (5 * U * terms) + errorG + ((xHat + wrong[i]) * errorGX) + (wrong[i] * Math.Abs(meanGX));
            double dx = Math.Abs(r * (g - meanG - (normalised[i] * meanGX)));
            double also = passed.IsEmpty ? 0 : Math.Abs(passed[i]);
            bound[i] = (r * (1 + rho) * inside) + ((rho + U) * dx) + (U * also) + ErrorBound.Underflow;
            gainError[i] = Math.Abs(dy[i]) * wrong[i];
            gainMagnitude[i] = Math.Abs(dy[i]) * (xHat + wrong[i]);
        }

        return bound;
    }

    /// <summary>
    /// Attention, for a query that sees n keys. P is π wrong: twice what <see cref="OperatorBound.Attention"/> has for a weight
    /// and the sum, as there; or, from a logarithm of the sum that was kept, u of four scores and of ln n, and two
    /// functions. A = D |dy| |V|ᵀ bounds dP, and γ(valueDim + 2) of it the error of dP. Σ P ∘ dP, or dy · y, which is the same, is wrong by
    /// (π + γ(n + valueDim + 6)) Σ P A. So dS = P ∘ (dP − Σ P ∘ dP) is wrong by P times those two errors, 3u A, 3u Σ P A and π + 3u of
    /// |dP − Σ P ∘ dP|, and a fiftieth for second orders. The rest are sums of products: γ of their terms. Additive: tanh is 9u wrong,
    /// and 1 − t² with the products 24u of 1.
    /// </summary>
    /// <param name="query">[queryRows, heads · headDim].</param>
    /// <param name="key">[keyRows, heads · headDim].</param>
    /// <param name="value">[keyRows, heads · valueDim].</param>
    /// <param name="score">v of additive attention, [heads · headDim]; empty: dot-product attention.</param>
    /// <param name="dy">[queryRows, heads · valueDim].</param>
    /// <param name="queryOffsets">[sentences + 1].</param>
    /// <param name="keyOffsets">[sentences + 1].</param>
    /// <param name="keyColumns">heads · headDim.</param>
    /// <param name="valueColumns">heads · valueDim.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="dropout">Of the weights.</param>
    /// <param name="start">What was there.</param>
    public static AttentionGradients Attention(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> value, ReadOnlySpan<double> score,
        ReadOnlySpan<double> dy, ReadOnlySpan<int> queryOffsets, ReadOnlySpan<int> keyOffsets, int keyColumns,
        int valueColumns, AttentionSpec spec, Dropout dropout, AttentionGradients start)
    {
        var bound = new AttentionGradients(
            new double[query.Length], new double[key.Length], new double[value.Length], new double[score.Length]);
        int headDim = keyColumns / spec.Heads, valueDim = valueColumns / spec.Heads, queryRows = queryOffsets[^1];
        double scale = Math.Abs(spec.Scale);
        int pairs = 0;
        for (int s = 0; s + 1 < queryOffsets.Length; s++)
            pairs += (queryOffsets[s + 1] - queryOffsets[s]) * (keyOffsets[s + 1] - keyOffsets[s]);
        for (int sentence = 0; sentence + 1 < queryOffsets.Length; sentence++)
        {
            int queries = queryOffsets[sentence + 1] - queryOffsets[sentence], firstKey = keyOffsets[sentence];
            int keys = keyOffsets[sentence + 1] - firstKey;
            (double ofKeys, double ofQueries) = (ErrorBound.Gamma(keys + 4), ErrorBound.Gamma(queries + 4));
            for (int i = firstKey * keyColumns; i < (firstKey + keys) * keyColumns; i++)
                bound.Key[i] += (ofQueries * Math.Abs(start.Key[i])) + ErrorBound.Underflow;
            for (int i = firstKey * valueColumns; i < (firstKey + keys) * valueColumns; i++)
                bound.Value[i] += (ofQueries * Math.Abs(start.Value[i])) + ErrorBound.Underflow;
            for (int i = queryOffsets[sentence] * keyColumns; i < queryOffsets[sentence + 1] * keyColumns; i++)
                bound.Query[i] += (ofKeys * Math.Abs(start.Query[i])) + ErrorBound.Underflow;
            ReadOnlySpan<double> k = key.Slice(firstKey * keyColumns, keys * keyColumns);
            for (int i = 0; i < queries && keys > 0; i++)
            {
                int row = queryOffsets[sentence] + i, position = i + (keys - queries);
                ReadOnlySpan<double> q = query.Slice(row * keyColumns, keyColumns);
                for (int head = 0; head < spec.Heads; head++)
                {
                    (double error, int seen) = OperatorBound.WeightError(q, k, score, head, position, spec);
                    if (seen == 0) continue;
                    double[] p = AttentionReference.Weights(q, k, score, head, position, spec);
                    var (dP, a) = (new double[keys], new double[keys]);
                    double mean = 0, meanA = 0, largest = 0;
                    for (int j = 0; j < keys; j++)
                    {
                        double factor = DropoutReference.Factor(dropout, ((long)head * queryRows) + row, j);
                        for (int c = head * valueDim; c < (head + 1) * valueDim; c++)
                        {
                            double product = factor * dy[(row * valueColumns) + c] * value[((firstKey + j) * valueColumns) + c];
                            (dP[j], a[j]) = (dP[j] + product, a[j] + Math.Abs(product));
                        }

                        (mean, meanA) = (mean + (p[j] * dP[j]), meanA + (p[j] * a[j]));
                        if (AttentionReference.IsSeen(spec.Mask, position, j))
                        {
                            ReadOnlySpan<double> one = k.Slice(j * keyColumns, keyColumns);
                            largest = Math.Max(largest, Math.Abs(AttentionReference.Score(q, one, score, head, spec)));
                        }
                    }

                    double pi = (2.02 * (error + ErrorBound.Gamma(seen + 3))) + (2 * FunctionError)
                        + (U * ((4 * largest) + (2 * Math.Log(seen))));
                    double meanError = (pi + ErrorBound.Gamma(seen + valueDim + 6)) * meanA;
                    for (int j = 0; j < keys; j++)
                    {
                        if (!AttentionReference.IsSeen(spec.Mask, position, j)) continue;
                        double factor = DropoutReference.Factor(dropout, ((long)head * queryRows) + row, j);
                        double inside = ((ErrorBound.Gamma(valueDim + 2) + (3 * U)) * a[j]) + meanError + (3 * U * meanA);
                        double dS = scale * p[j] * Math.Abs(dP[j] - mean);
                        double wrong = (1.02 * scale * p[j] * (inside + ((pi + (3 * U)) * Math.Abs(dP[j] - mean))))
                            + (ErrorBound.Underflow * scale * (a[j] + meanA));
                        for (int c = head * valueDim; c < (head + 1) * valueDim; c++)
                        {
                            double g = factor * Math.Abs(dy[(row * valueColumns) + c]);
                            bound.Value[((firstKey + j) * valueColumns) + c] +=
                                ((p[j] * 1.02 * (pi + ofQueries)) + ErrorBound.Underflow) * g;
                        }

                        for (int c = head * headDim; c < (head + 1) * headDim; c++)
                        {
                            (int atQuery, int atKey) = ((row * keyColumns) + c, ((firstKey + j) * keyColumns) + c);
                            if (score.IsEmpty)
                            {
                                bound.Query[atQuery] += (wrong + (ofKeys * dS)) * Math.Abs(key[atKey]);
                                bound.Key[atKey] += (wrong + (ofQueries * dS)) * Math.Abs(query[atQuery]);
                                continue;
                            }

                            double t = Math.Tanh(query[atQuery] + key[atKey]), slope = 1 - (t * t), v = Math.Abs(score[c]);
                            double one = (wrong * (slope + (24 * U))) + (dS * 24 * U);
                            bound.Query[atQuery] += v * (one + (ofKeys * dS * slope));
                            bound.Key[atKey] += v * (one + (ofQueries * dS * slope));
                            bound.Score[c] += (wrong * Math.Abs(t)) + (dS * 12 * U) + (ErrorBound.Gamma(pairs + 4) * dS * Math.Abs(t));
                        }
                    }
                }
            }
        }

        for (int c = 0; c < bound.Score.Length; c++)
            bound.Score[c] += (ErrorBound.Gamma(pairs + 4) * Math.Abs(start.Score[c])) + ErrorBound.Underflow;
        return bound;
    }

    /// <summary>
    /// Cross-entropy of one row of n. ln p is wrong as <see cref="OperatorBound.LogSoftmax"/> says, whichever way it is summed up: the
    /// target's part γ(6) of its numbers, the mean's γ(n + 6) of theirs. p = e^(ln p) by that error and 10u; q by 3u.
    /// </summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="target">The token, or −1.</param>
    /// <param name="smoothing">0 .. 1.</param>
    /// <param name="scale">Factor on the gradient.</param>
    /// <param name="gradient">[vocabulary].</param>
    public static (double Loss, double Surprise) CrossEntropy(
        ReadOnlySpan<double> logits, int target, double smoothing, double scale, out double[] gradient)
    {
        int n = logits.Length;
        gradient = new double[n];
        if (target < 0) return (0, 0);
        double[] logs = SoftmaxReference.LogSoftmax(logits), wrong = OperatorBound.LogSoftmax(logits);
        double logSum = SoftmaxReference.LogSumOfExponentials(logits), largest = double.NegativeInfinity, ofMean = 0;
        foreach (double x in logits) largest = Math.Max(largest, x);
        for (int token = 0; token < n; token++)
        {
            double x = logits[token];
            ofMean += (wrong[token] + (ErrorBound.Gamma(n + 6) * (Math.Abs(x) + Math.Abs(x - largest) + Math.Abs(logSum) + Math.Abs(largest)))) / n;
            double q = (token == target ? 1 - smoothing : 0) + (smoothing / n), p = Math.Exp(logs[token]);
            gradient[token] = (Math.Abs(scale) * ((p * (wrong[token] + (12 * U))) + (5 * U * q))) + ErrorBound.Underflow;
        }

        double surprise = wrong[target]
            + (ErrorBound.Gamma(6) * (Math.Abs(logits[target]) + Math.Abs(logSum) + Math.Abs(largest)));
        return (((1 - smoothing) * surprise) + (smoothing * ofMean), surprise);
    }

    /// <summary>Σ x² by blocks: γ(block + 1), as nothing cancels.</summary>
    public static double SumOfSquares(ReadOnlySpan<double> x, int block)
    {
        double sum = 0;
        foreach (double value in x) sum += value * value;
        return (ErrorBound.Gamma(Math.Min(block, x.Length) + 1) * sum) + (x.Length * ErrorBound.Underflow);
    }

    /// <summary>
    /// Adam, one number: m by γ(4) of its two terms, v by γ(6), of which the root keeps half. The step by what m is wrong by,
    /// γ(3) for the root and γ(6) for products, quotients and corrections; x by γ(4), and u of the result.
    /// </summary>
    /// <param name="x">The number.</param>
    /// <param name="gradient">Its gradient.</param>
    /// <param name="first">m.</param>
    /// <param name="second">v.</param>
    /// <param name="rates">Rates.</param>
    public static (double Value, double First, double Second) Adam(
        double x, double gradient, double first, double second, AdamStep rates)
    {
        double g = gradient * rates.GradientScale, beta1 = rates.Beta1, beta2 = rates.Beta2;
        double m = (beta1 * first) + ((1 - beta1) * g), v = (beta2 * second) + ((1 - beta2) * g * g);
        double mError = ErrorBound.Gamma(4) * (Math.Abs(beta1 * first) + Math.Abs((1 - beta1) * g));
        double step = rates.LearningRate / rates.FirstCorrection / (Math.Sqrt(v / rates.SecondCorrection) + rates.Epsilon);
        double xError = (ErrorBound.Gamma(4) * Math.Abs(x))
            + (1.01 * step * (mError + (ErrorBound.Gamma(9) * Math.Abs(m)))) + (U * Math.Abs(step * m));
        return (xError + ErrorBound.Underflow, mError + ErrorBound.Underflow, (ErrorBound.Gamma(6) * v) + ErrorBound.Underflow);
    }

    private static double Gate(double x, double z, double slope)
    {
        double s = ActivationReference.Sigmoid(z), sSlope = s * ActivationReference.Sigmoid(-z);
        double error = FunctionError + (5 * U * Math.Abs(z) * sSlope);
        return error + U + (Math.Abs(x * slope) * (error + (U * s) + (4 * U * sSlope)));
    }
}
