// The operators of training: each checks its arguments and calls the function that defines it.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc />
    public Weight AllocateWeight(int outputs, int inputs, DType type = DType.Float32)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Require(outputs >= 0 && inputs >= 0, $"The weight is [{outputs}, {inputs}], expected no negative extent.");
        Require(type is DType.Float32 or DType.BFloat16, $"The type is {type.Word()}, expected float32 or bfloat16.");
        var weight = new ReferenceWeight(
            type, outputs, inputs, type == DType.BFloat16 ? ActivationRounding.BFloat16 : ActivationRounding.Nearest);
        Array.Fill(weight.Values, double.NaN);   // so that what is used before it is refreshed shows
        Array.Fill(weight.Scales, 1f);
        return weight;
    }

    /// <inheritdoc />
    public void Refresh(Weight weight, in Tensor values, bool transposed)
    {
        ReferenceWeight own = Own(weight);
        Require(own.Type is DType.Float32 or DType.BFloat16, $"The weight is {own.Type.Word()}, expected float32 or bfloat16.");
        CheckShape(
            values, transposed ? new Shape(own.Inputs, own.Outputs) : new Shape(own.Outputs, own.Inputs), "The values");
        double[] numbers = Numbers(values);
        if (own.Type == DType.BFloat16) numbers = LinearReference.ToBFloat16(numbers);
        for (int output = 0; output < own.Outputs; output++)
        {
            for (int k = 0; k < own.Inputs; k++)
            {
                own.Values[(output * own.Inputs) + k] =
                    numbers[transposed ? (k * own.Outputs) + output : (output * own.Inputs) + k];
            }
        }
    }

    /// <inheritdoc />
    public long Mark()
    {
        if (!_frameOpen) throw new InvalidOperationException("No frame is open.");
        return _lastHandle;
    }

    /// <inheritdoc />
    public void Release(long mark, Span<Tensor> kept)
    {
        HashSet<nint> stay = [.. kept.ToArray().Select(static tensor => tensor.Handle)];
        foreach (nint handle in _frame.Where(handle => handle > mark && !stay.Contains(handle))) _storages.Remove(handle);
        _frame.RemoveAll(handle => handle > mark && !stay.Contains(handle));
    }

    /// <inheritdoc />
    public void Clear(in Tensor tensor)
    {
        if (tensor.Type == DType.Int32) Store(tensor, new int[tensor.Shape.Count]);
        else Store(tensor, new double[tensor.Shape.Count]);
    }

    /// <inheritdoc />
    public Tensor Activate(in Tensor x, Activation activation) =>
        Result(x.Shape, Array.ConvertAll(Numbers(x), value => ActivationReference.Invoke(activation, value)));

    /// <inheritdoc />
    public Tensor ActivationBackward(in Tensor x, in Tensor dy, Activation activation)
    {
        CheckShape(dy, x.Shape, "dy");
        return Result(
            x.Shape,
            [.. Numbers(x).Zip(Numbers(dy), (value, d) => d * ActivationReference.Slope(activation, value))]);
    }

    /// <inheritdoc />
    public Tensor Dropout(in Tensor x, in Dropout dropout) =>
        Result(x.Shape, DropoutReference.Rows(Numbers(x), x.Columns, dropout));

    /// <inheritdoc />
    public void EmbedBackward(
        in Tensor ids, in Tensor dy, float scale, in Tensor tableGradient, in Tensor positionIds,
        in Tensor positionGradient)
    {
        int[] tokens = Integers(ids), places = Integers(positionIds);
        Require(ids.Rows == 1, $"ids is {ids.Shape}, expected one row.");
        Require(
            positionGradient.IsNone == positionIds.IsNone,
            "positionGradient and positionIds stand together or not at all.");
        CheckShape(dy, new Shape(tokens.Length, tableGradient.Columns), "dy");
        foreach (int id in tokens)
            Require(id >= -1 && id < tableGradient.Rows, $"The id is {id}, expected -1 to {tableGradient.Rows - 1}.");
        double[] d = Numbers(dy);
        if (!positionGradient.IsNone)
        {
            CheckShape(positionGradient, new Shape(positionGradient.Rows, dy.Columns), "positionGradient");
            Require(places.Length == tokens.Length, $"There are {places.Length} positions for {tokens.Length} ids.");
            foreach (int place in places)
                Require(place >= 0 && place < positionGradient.Rows,
                    $"The position is {place}, expected 0 to {positionGradient.Rows - 1}.");
            AddTo(
                positionGradient, LinearGradientReference.Table(places, d, dy.Columns, 1, positionGradient.Rows));
        }

        AddTo(tableGradient, LinearGradientReference.Table(tokens, d, dy.Columns, scale, tableGradient.Rows));
    }

    /// <inheritdoc />
    public void LinearBackward(
        in Tensor x, in Tensor dy, in Tensor weightGradient, in Tensor biasGradient, DType type = DType.Float32)
    {
        Require(type is DType.Float32 or DType.BFloat16, $"The type is {type.Word()}, expected float32 or bfloat16.");
        Require(x.Rows == dy.Rows, $"x is {x.Shape} and dy {dy.Shape}, expected as many rows.");
        CheckShape(weightGradient, new Shape(dy.Columns, x.Columns), "weightGradient");
        CheckVector(biasGradient, dy.Columns, "biasGradient");
        double[] d = Numbers(dy);
        double[] Rounded(double[] numbers) => type == DType.BFloat16 ? LinearReference.ToBFloat16(numbers) : numbers;
        AddTo(weightGradient, LinearGradientReference.Weight(Rounded(Numbers(x)), Rounded(d), x.Rows, x.Columns, dy.Columns));
        if (!biasGradient.IsNone) AddTo(biasGradient, LinearGradientReference.Bias(d, dy.Columns));
    }

    /// <inheritdoc />
    public Tensor NormBackward(
        in Tensor x, in NormWeights weights, in Tensor dy, in Tensor passed, in Tensor gainGradient,
        in Tensor biasGradient)
    {
        int columns = x.Columns;
        double[] values = Numbers(x), d = Numbers(dy), gain = Numbers(weights.Gain);
        CheckVector(weights.Gain, columns, "The gain");
        CheckShape(dy, x.Shape, "dy");
        if (!passed.IsNone) CheckShape(passed, x.Shape, "passed");
        CheckShape(gainGradient, new Shape(1, columns), "gainGradient");
        CheckVector(biasGradient, columns, "biasGradient");
        double[] dx = new double[values.Length], dGain = new double[columns];
        for (int start = 0; start < values.Length; start += columns)
        {
            NormGradientReference.Row(
                values.AsSpan(start, columns), gain, d.AsSpan(start, columns), weights.Epsilon, weights.IsRms,
                out double[] ofRow).CopyTo(dx, start);
            for (int column = 0; column < columns; column++) dGain[column] += ofRow[column];
        }

        AddTo(gainGradient, dGain);
        if (!biasGradient.IsNone) AddTo(biasGradient, LinearGradientReference.Bias(d, columns));
        double[] also = Numbers(passed);
        for (int i = 0; i < also.Length; i++) dx[i] += also[i];
        return Result(x.Shape, dx);
    }

    /// <inheritdoc />
    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout) => RaggedAttention(query, key, value, Tensor.None, queries, keys, spec, dropout);

    /// <inheritdoc />
    public void AttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor dy, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient,
        in Tensor valueGradient) => AddAttentionGradients(
            query, key, value, Tensor.None, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient,
            Tensor.None);

    /// <inheritdoc />
    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout)
    {
        Require(!score.IsNone, "Additive attention has a score vector.");
        return RaggedAttention(query, key, value, score, queries, keys, spec, dropout);
    }

    /// <inheritdoc />
    public void AdditiveAttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Tensor dy, in Ragged queries,
        in Ragged keys, in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient,
        in Tensor valueGradient, in Tensor scoreGradient)
    {
        Require(!score.IsNone, "Additive attention has a score vector.");
        CheckShape(scoreGradient, score.Shape, "scoreGradient");
        AddAttentionGradients(
            query, key, value, score, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient,
            scoreGradient);
    }

    /// <inheritdoc />
    public Tensor CrossEntropy(in Tensor logits, in Tensor targets, float smoothing, float scale)
    {
        int[] tokens = Integers(targets);
        Require(
            targets.Rows == 1 && tokens.Length == logits.Rows,
            $"targets is {targets.Shape}, expected {new Shape(1, logits.Rows)}.");
        Require(smoothing is >= 0 and <= 1, $"The smoothing is {smoothing}, expected 0 to 1.");
        int vocabulary = logits.Columns;
        double[] values = Numbers(logits), losses = new double[2 * tokens.Length];
        for (int row = 0; row < tokens.Length; row++)
        {
            Require(
                tokens[row] >= -1 && tokens[row] < vocabulary,
                $"The target is {tokens[row]}, expected -1 to {vocabulary - 1}.");
            Span<double> of = values.AsSpan(row * vocabulary, vocabulary);
            (losses[2 * row], losses[(2 * row) + 1]) =
                CrossEntropyReference.Row(of, tokens[row], smoothing, out double[] gradient);
            for (int token = 0; token < vocabulary; token++) of[token] = gradient[token] * scale;
        }

        Store(logits, values);
        return Result(new Shape(tokens.Length, 2), losses);
    }

    /// <inheritdoc />
    public double SumOfSquares(in Tensor x)
    {
        Require(x.Rows == 1, $"x is {x.Shape}, expected one row.");
        double sum = 0;
        foreach (double value in Numbers(x)) sum += value * value;
        return sum;
    }

    /// <inheritdoc />
    public void AdamStep(
        in Tensor values, in Tensor gradients, in Tensor firstMoment, in Tensor secondMoment, in AdamStep rates)
    {
        Require(values.Rows == 1, $"values is {values.Shape}, expected one row.");
        CheckShape(gradients, values.Shape, "gradients");
        CheckShape(firstMoment, values.Shape, "firstMoment");
        CheckShape(secondMoment, values.Shape, "secondMoment");
        double[] x = Numbers(values), m = Numbers(firstMoment), v = Numbers(secondMoment);
        AdamReference.Step(x, Numbers(gradients), m, v, rates);
        Store(values, x);
        Store(firstMoment, m);
        Store(secondMoment, v);
    }

    private void AddAttentionGradients(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Tensor dy, in Ragged queries,
        in Ragged keys, in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient,
        in Tensor valueGradient, in Tensor scoreGradient)
    {
        CheckRagged(query, key, value, score, queries, keys, spec);
        CheckShape(dy, new Shape(query.Rows, value.Columns), "dy");
        CheckShape(queryGradient, query.Shape, "queryGradient");
        CheckShape(keyGradient, key.Shape, "keyGradient");
        CheckShape(valueGradient, value.Shape, "valueGradient");
        AttentionGradients gradients = AttentionGradientReference.Rows(
            Numbers(query), Numbers(key), Numbers(value), Numbers(score), Numbers(dy), Integers(queries.Offsets),
            Integers(keys.Offsets), key.Columns, value.Columns, spec, dropout);
        AddTo(queryGradient, gradients.Query);
        AddTo(keyGradient, gradients.Key);
        AddTo(valueGradient, gradients.Value);
        if (!score.IsNone) AddTo(scoreGradient, gradients.Score);
    }

    private void AddTo(in Tensor tensor, double[] values)
    {
        double[] sum = Numbers(tensor);
        for (int i = 0; i < sum.Length; i++) sum[i] += values[i];
        Store(tensor, sum);
    }

    private static void CheckShape(in Tensor tensor, Shape shape, string what) =>
        Require(tensor.Shape == shape, $"{what} is {tensor.Shape}, expected {shape}.");
}
