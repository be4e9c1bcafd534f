// How far a float32 operator may be from its definition: each bound is derived from the operations that it must do,
// whatever their order. u is the unit roundoff 2⁻²⁴, γₙ the error of n operations; eˣ, tanh and erf may be 4 ulps (8u)
// wrong.
using Engine.Backends;

namespace Engine.Reference;

/// <summary>Bounds of |found − defined| for each element of an operator's result.</summary>
public static class OperatorBound
{
    private const double U = ErrorBound.UnitRoundoff;

    // What a function of our own may be wrong, relative to its value: 4 ulps, and an ulp is 2u at most.
    private const double FunctionError = 8 * U;

    /// <summary>
    /// A linear layer with float weights: inputs products and sums and one bias, in any order and fused or not, so
    /// γ(inputs + 2) · (Σ |x| |w| + |b|); then the activation.
    /// </summary>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="weight">[outputs, inputs].</param>
    /// <param name="bias">[outputs], or empty.</param>
    /// <param name="rows">Rows of x.</param>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Rows of the weight.</param>
    /// <param name="activation">Applied last.</param>
    public static double[] Linear(
        ReadOnlySpan<double> x, ReadOnlySpan<double> weight, ReadOnlySpan<double> bias, int rows, int inputs,
        int outputs,
        Activation activation = Activation.None)
    {
        double[] sums = LinearReference.Rows(x, weight, bias, rows, inputs, outputs);
        double[] magnitudes = LinearReference.Rows(
            Magnitudes(x), Magnitudes(weight), Magnitudes(bias), rows, inputs, outputs);
        var bound = new double[sums.Length];
        for (int i = 0; i < bound.Length; i++)
            bound[i] = Activated(activation, sums[i], ErrorBound.Gamma(inputs + 2) * magnitudes[i]);
        return bound;
    }

    /// <summary>
    /// A linear layer with integer weights. The sum of integers is exact; float(sum), 1/s, the product, the quotient
    /// and the bias make γ₅. An activation whose product with s is within rounding (4u) of where it changes its integer
    /// may become the neighbour, which moves the sum by its weight.
    /// </summary>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="weight">[outputs, inputs], the stored integers.</param>
    /// <param name="scales">[outputs].</param>
    /// <param name="bias">[outputs], or empty.</param>
    /// <param name="rows">Rows of x.</param>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Rows of the weight.</param>
    /// <param name="isInt8">int8; else int16.</param>
    /// <param name="rounding">How activations become integers.</param>
    /// <param name="activation">Applied last.</param>
    public static double[] QuantisedLinear(
        ReadOnlySpan<double> x, ReadOnlySpan<int> weight, ReadOnlySpan<float> scales, ReadOnlySpan<double> bias,
        int rows,
        int inputs, int outputs, bool isInt8, ActivationRounding rounding, Activation activation = Activation.None)
    {
        double[] y = LinearReference.QuantisedRows(x, weight, scales, bias, rows, inputs, outputs, isInt8, rounding);
        var bound = new double[y.Length];
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<double> values = x.Slice(row * inputs, inputs);
            double scale = isInt8 ? LinearReference.Int8Scale(values) : LinearReference.Int16ActivationScale;
            for (int output = 0; output < outputs; output++)
            {
                double flips = 0;
                for (int k = 0; k < inputs; k++)
                    if (IsNearStep(values[k] * scale, rounding)) flips += Math.Abs(weight[(output * inputs) + k]);
                int place = (row * outputs) + output;
                double b = bias.IsEmpty ? 0 : Math.Abs(bias[output]);
                double error = (flips / (scale * scales[output]))
                    + (ErrorBound.Gamma(5) * (Math.Abs(y[place]) + (2 * b)));
                bound[place] = Activated(activation, y[place], error);
            }
        }

        return bound;
    }

    /// <summary>
    /// An activation of a sum with an error: the slope is at most 1.13 for the functions of the form x · Φ(x), and 1
    /// for the others. x · Φ(x) is 8u |x| wrong at most: inside, the argument is 3u wrong where z · Φ'(z) &lt; 0.45;
    /// the function 8u, the sum with 1 and the product u each, of which half counts for erf and tanh, and 6u for e⁻ᶻ by
    /// relative error.
    /// </summary>
    public static double Activated(Activation activation, double x, double error) =>
        ErrorBound.Underflow + activation switch
    {
        Activation.None or Activation.Relu => error,
        Activation.Tanh or Activation.Sigmoid =>
            error + (FunctionError * (Math.Abs(ActivationReference.Invoke(activation, x)) + error)),
        _ => (1.13 * error) + (FunctionError * (Math.Abs(x) + error)),
    };

    /// <summary>
    /// Layer normalisation of one row of n. The mean is δ = γ(n + 1) · mean|x| wrong at most. As the differences from
    /// the true mean sum to zero, the variance is wrong by δ² and relatively γ(n + 4); its root's reciprocal by half of
    /// that and 3u. So |gain| · r · (δ + u |x − mean|) + |gain (x − mean) r| · (half + 5u), and u of the result for the
    /// bias.
    /// </summary>
    public static double[] LayerNorm(
        ReadOnlySpan<double> x, ReadOnlySpan<double> gain, ReadOnlySpan<double> bias, double epsilon)
    {
        int n = x.Length;
        double mean = 0, magnitude = 0, variance = 0;
        foreach (double value in x) (mean, magnitude) = (mean + (value / n), magnitude + (Math.Abs(value) / n));
        foreach (double value in x) variance += (value - mean) * (value - mean) / n;
        double delta = ErrorBound.Gamma(n + 1) * magnitude, reciprocal = 1 / Math.Sqrt(variance + epsilon);
        double relative = ((ErrorBound.Gamma(n + 4) + (delta * delta * reciprocal * reciprocal)) / 2) + (5 * U);
        var bound = new double[n];
        for (int i = 0; i < n; i++)
        {
            double difference = Math.Abs(x[i] - mean), y = difference * reciprocal * Math.Abs(gain[i]);
            bound[i] = (Math.Abs(gain[i]) * reciprocal * (delta + (U * difference)) * (1 + relative)) + (y * relative)
                + (U * (y + (bias.IsEmpty ? 0 : Math.Abs(bias[i])))) + ErrorBound.Underflow;
        }

        return bound;
    }

    /// <summary>
    /// Root-mean-square normalisation of one row of n: half of γ(n + 3) for the root, and 5u, and u for the bias.
    /// </summary>
    public static double[] RmsNorm(
        ReadOnlySpan<double> x, ReadOnlySpan<double> gain, ReadOnlySpan<double> bias, double epsilon)
    {
        double[] y = NormReference.Rms(x, gain, [], epsilon);
        double relative = (ErrorBound.Gamma(x.Length + 3) / 2) + (5 * U);
        var bound = new double[y.Length];
        for (int i = 0; i < y.Length; i++)
            bound[i] = ((relative + U) * Math.Abs(y[i])) + (bias.IsEmpty ? 0 : U * Math.Abs(bias[i]))
                + ErrorBound.Underflow;
        return bound;
    }

    /// <summary>
    /// log(softmax) of one row of n. d = x − max is u |d| wrong, which eᵈ turns into a relative error; the function
    /// adds 8u, the sum γₙ. The logarithm of the sum is wrong by that relative error and 8u of itself. Last, x − (max +
    /// log) or (x − max) − log: u of every number on the way.
    /// </summary>
    public static double[] LogSoftmax(ReadOnlySpan<double> x)
    {
        double largest = double.NegativeInfinity, logSum = SoftmaxReference.LogSumOfExponentials(x), relative = 0;
        foreach (double value in x) largest = Math.Max(largest, value);
        foreach (double value in x) relative += Math.Exp(value - logSum) * (FunctionError + (U * (largest - value)));
        relative += ErrorBound.Gamma(x.Length) + (x.Length * ErrorBound.Underflow);
        var bound = new double[x.Length];
        for (int i = 0; i < bound.Length; i++)
        {
            double rounding = Math.Abs(largest) + Math.Abs(x[i]) + Math.Abs(x[i] - largest) + Math.Abs(x[i] - logSum);
            bound[i] = relative + (FunctionError * Math.Abs(logSum - largest)) + (U * rounding);
        }

        return bound;
    }

    /// <summary>
    /// What a token is drawn by, (x − max) / T − ln(−ln u): u of the distance, of 1 / T and of the sum; the inner logarithm is wrong by an
    /// ulp, which is 2u of it, and so of −ln(−ln u) absolutely; the outer one by 2u of itself.
    /// </summary>
    public static double[] Sample(ReadOnlySpan<double> x, Backends.TokenDraw draw, double temperature)
    {
        double[] scores = SampleReference.Scores(x, draw, temperature);
        double largest = double.NegativeInfinity;
        foreach (double value in x) largest = Math.Max(largest, value);
        var bound = new double[x.Length];
        for (int token = 0; token < bound.Length; token++)
        {
            double distance = (largest - x[token]) / temperature, noise = Math.Abs(scores[token] + distance);
            bound[token] = (1 + (8 * U)) * U * ((2 * distance) + 2 + (2 * noise) + Math.Abs(scores[token]));
        }

        return bound;
    }

    /// <summary>Embedding: the quotient by the scale (2u), the product and the sum: γ₄.</summary>
    /// <param name="ids">[rows].</param>
    /// <param name="table">[vocabulary, width].</param>
    /// <param name="width">Columns of the table.</param>
    /// <param name="scale">Factor on the embedding.</param>
    /// <param name="positions">[positions, width], or empty.</param>
    /// <param name="positionIds">[rows], or empty.</param>
    public static double[] Embed(
        ReadOnlySpan<int> ids, ReadOnlySpan<double> table, int width, double scale, ReadOnlySpan<double> positions,
        ReadOnlySpan<int> positionIds)
    {
        double[] sum = EmbedReference.Rows(
            ids, Magnitudes(table), width, Math.Abs(scale), Magnitudes(positions), positionIds);
        return Array.ConvertAll(sum, static value => (ErrorBound.Gamma(4) * value) + ErrorBound.Underflow);
    }

    /// <summary>
    /// Attention, for n keys seen. A weight before it is divided is wrong by δ, see <see cref="WeightError"/>;
    /// numerator and denominator both have it, and γ(n + 3) for their sums: 2 (δ + γ(n + 3)) · Σ p |v|, and a hundredth
    /// for second orders.
    /// </summary>
    /// <param name="query">[queryRows, heads · headDim].</param>
    /// <param name="key">[keyRows, heads · headDim].</param>
    /// <param name="value">[keyRows, heads · valueDim].</param>
    /// <param name="score">v of additive attention, [heads · headDim]; empty: dot-product attention.</param>
    /// <param name="queryOffsets">[sentences + 1].</param>
    /// <param name="keyOffsets">[sentences + 1].</param>
    /// <param name="keyColumns">heads · headDim.</param>
    /// <param name="valueColumns">heads · valueDim.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="dropout">Of the weights: the scale and the product with it are u each.</param>
    /// <returns>[queryRows, heads · valueDim]; 0 for a query that sees no key.</returns>
    public static double[] Attention(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> value, ReadOnlySpan<double> score,
        ReadOnlySpan<int> queryOffsets, ReadOnlySpan<int> keyOffsets, int keyColumns, int valueColumns,
        AttentionSpec spec, Dropout dropout = default)
    {
        int queryRows = queryOffsets[^1];
        var bound = new double[queryOffsets[^1] * valueColumns];
        for (int sentence = 0; sentence + 1 < queryOffsets.Length; sentence++)
        {
            int queries = queryOffsets[sentence + 1] - queryOffsets[sentence];
            int keys = keyOffsets[sentence + 1] - keyOffsets[sentence];
            ReadOnlySpan<double> k = key.Slice(keyOffsets[sentence] * keyColumns, keys * keyColumns);
            ReadOnlySpan<double> v = value.Slice(keyOffsets[sentence] * valueColumns, keys * valueColumns);
            for (int i = 0; i < queries; i++)
            {
                int row = queryOffsets[sentence] + i;
                double[] part = AttentionRow(
                    query.Slice(row * keyColumns, keyColumns), k, v, score, i + (keys - queries), spec,
                    dropout.IsNone ? null : (head, j) => DropoutReference.Factor(dropout, ((long)head * queryRows) + row, j));
                part.CopyTo(bound, row * valueColumns);
            }
        }

        return bound;
    }

    /// <summary>The same for one query and the keys of its sentence.</summary>
    /// <param name="query">[heads · headDim].</param>
    /// <param name="key">[keys, heads · headDim].</param>
    /// <param name="value">[keys, heads · valueDim].</param>
    /// <param name="score">v of additive attention, [heads · headDim]; empty: dot-product attention.</param>
    /// <param name="position">Position of the query.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="factor">What the weight of a head and a key is multiplied by; null: 1.</param>
    public static double[] AttentionRow(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> value, ReadOnlySpan<double> score,
        int position, AttentionSpec spec, Func<int, int, double>? factor = null)
    {
        double[] sums = AttentionReference.Row(query, key, Magnitudes(value), score, position, spec, factor);
        double largest = 0;
        foreach (double v in value) largest = Math.Max(largest, Math.Abs(v));
        int valueDim = sums.Length / spec.Heads;
        for (int head = 0; head < spec.Heads; head++)
        {
            (double error, int seen) = WeightError(query, key, score, head, position, spec);
            double relative = (2.02 * (error + ErrorBound.Gamma(seen + 3))) + (factor is null ? 0 : 2 * U);
            double underflow = seen == 0 ? 0 : ErrorBound.Underflow * (1 + (seen * largest));
            for (int i = head * valueDim; i < (head + 1) * valueDim && i < sums.Length; i++)
                sums[i] = (relative * sums[i]) + underflow;
        }

        return sums;
    }

    /// <summary>
    /// Weights averaged over heads: each is δ wrong above and below the line, the sums γ(n + heads + 4).
    /// </summary>
    /// <param name="query">[heads · headDim].</param>
    /// <param name="key">[keys, heads · headDim].</param>
    /// <param name="score">v of additive attention; empty: dot-product attention.</param>
    /// <param name="position">Position of the query.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="firstHeads">How many heads are averaged.</param>
    public static double[] AttentionWeights(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> score, int position,
        AttentionSpec spec,
        int firstHeads)
    {
        var bound = new double[key.Length / query.Length];
        for (int head = 0; head < firstHeads; head++)
        {
            double[] weights = AttentionReference.Weights(query, key, score, head, position, spec);
            (double error, int seen) = WeightError(query, key, score, head, position, spec);
            double relative = 2.02 * (error + ErrorBound.Gamma(seen + firstHeads + 4));
            for (int j = 0; j < bound.Length; j++)
                bound[j] += ((relative * weights[j]) + ErrorBound.Underflow) / firstHeads;
        }

        return bound;
    }

    /// <summary>
    /// Weights of every query and head: δ above and below the line, γ(n) for the sum, and a quotient and a product.
    /// </summary>
    /// <param name="query">[queryRows, heads · headDim].</param>
    /// <param name="key">[keyRows, heads · headDim].</param>
    /// <param name="score">v of additive attention; empty: dot-product attention.</param>
    /// <param name="queryOffsets">[sentences + 1].</param>
    /// <param name="keyOffsets">[sentences + 1].</param>
    /// <param name="keyColumns">heads · headDim.</param>
    /// <param name="longest">Width of a row.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <returns>[queryRows · heads, longest]; 0 where no key is seen.</returns>
    public static double[] SentenceWeights(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> score, ReadOnlySpan<int> queryOffsets,
        ReadOnlySpan<int> keyOffsets, int keyColumns, int longest, AttentionSpec spec)
    {
        double[] bound = AttentionReference.WeightRows(
            query, key, score, queryOffsets, keyOffsets, keyColumns, longest, spec);
        for (int sentence = 0; sentence + 1 < queryOffsets.Length; sentence++)
        {
            int queries = queryOffsets[sentence + 1] - queryOffsets[sentence];
            int keys = keyOffsets[sentence + 1] - keyOffsets[sentence];
            ReadOnlySpan<double> k = key.Slice(keyOffsets[sentence] * keyColumns, keys * keyColumns);
            for (int i = 0; i < queries * spec.Heads; i++)
            {
                int row = queryOffsets[sentence] + (i / spec.Heads), head = i % spec.Heads;
                int position = (i / spec.Heads) + (keys - queries);
                (double error, int seen) = WeightError(
                    query.Slice(row * keyColumns, keyColumns), k, score, head, position, spec);
                double relative = 2.02 * (error + ErrorBound.Gamma(seen + 2));
                Span<double> weights = bound.AsSpan(((row * spec.Heads) + head) * longest, keys);
                for (int j = 0; j < keys; j++)
                    weights[j] = AttentionReference.IsSeen(spec.Mask, position, j) ? (relative * weights[j]) + ErrorBound.Underflow : 0;
            }
        }

        return bound;
    }

    /// <summary>
    /// Relative error of e^(score − max) by an online softmax. The score: γ(headDim + 3) · |scale| · Σ |q| |k|, or for
    /// additive attention γ(headDim + 12) · |scale| · Σ |v|, as tanh is 8u and its argument half a u wrong. The
    /// exponent is reached by differences of running maxima, together at most twice the range of scores, u of them; and
    /// 2u of the largest score, for a base of two. Each block of keys multiplies once by such a function: 9u.
    /// </summary>
    /// <returns>The error, and how many keys are seen.</returns>
    internal static (double Error, int Seen) WeightError(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> score, int head, int position,
        AttentionSpec spec)
    {
        int headDim = query.Length / spec.Heads, keys = key.Length / query.Length, seen = 0;
        double largestMagnitude = 0, highest = double.NegativeInfinity, lowest = double.PositiveInfinity;
        for (int j = 0; j < keys; j++)
        {
            if (!AttentionReference.IsSeen(spec.Mask, position, j)) continue;
            ReadOnlySpan<double> k = key.Slice(j * query.Length, query.Length);
            double s = AttentionReference.Score(query, k, score, head, spec), magnitude = 0;
            for (int i = head * headDim; i < (head + 1) * headDim; i++)
                magnitude += score.IsEmpty ? Math.Abs(query[i] * k[i]) : Math.Abs(score[i]);
            (largestMagnitude, highest, lowest) =
                (Math.Max(largestMagnitude, magnitude), Math.Max(highest, s), Math.Min(lowest, s));
            seen++;
        }

        if (seen == 0) return (0, 0);
        int blocks = ((keys + KeyValueCache.BlockPositions - 1) / KeyValueCache.BlockPositions) + 1;
        double scores = ErrorBound.Gamma(headDim + (score.IsEmpty ? 3 : 12)) * Math.Abs(spec.Scale) * largestMagnitude;
        double exponents = U * ((2 * (highest - lowest)) + (2 * Math.Max(Math.Abs(highest), Math.Abs(lowest))));
        return (scores + exponents + (9 * U * blocks), seen);
    }

    private static bool IsNearStep(double scaled, ActivationRounding rounding)
    {
        if (scaled == 0) return false;
        double fraction = rounding == ActivationRounding.Nearest ? (Math.Abs(scaled) % 1) - 0.5
            : Math.IEEERemainder(scaled, 1);
        return Math.Abs(fraction) <= 4 * U * Math.Max(1, Math.Abs(scaled));
    }

    private static double[] Magnitudes(ReadOnlySpan<double> values) => Array.ConvertAll(values.ToArray(), Math.Abs);
}
