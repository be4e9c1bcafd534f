// What arguments must be, as far as the host can see it, in the CPU's wording: what was found, what was expected. Numbers in device
// memory are not looked at, because that would wait for the device; kernels pass over what is out of range.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Cuda;

/// <summary>Checks of arguments; each throws <see cref="ArgumentException"/>.</summary>
internal static class Checks
{
    /// <summary>Places in logits.</summary>
    public static void Places(in Tensor places)
    {
        if (places.IsNone || places.Type != DType.Int32 || places.Columns != 2)
            throw new ArgumentException($"places is {places}, expected int32 [n, 2]: row, token.", nameof(places));
    }

    /// <summary>Columns that are selected.</summary>
    public static void Columns(in Tensor columns)
    {
        if (columns.IsNone || columns.Type != DType.Int32 || columns.Rows != 1)
            throw new ArgumentException($"The columns are {columns}, expected int32 [1, n].", nameof(columns));
    }

    /// <summary>Arguments of an embedding.</summary>
    public static void Embed(in Tensor ids, int width, in Tensor positions, in Tensor positionIds)
    {
        Ids(ids, nameof(ids));
        if (positions.IsNone) return;
        if (positions.Type != DType.Float32 || positions.Columns != width)
        {
            throw new ArgumentException(
                $"The positions are {positions}, expected float32 with {width:N0} columns.", nameof(positions));
        }

        Ids(positionIds, nameof(positionIds));
        if (positionIds.Columns != ids.Columns)
        {
            throw new ArgumentException(
                $"There are {positionIds.Columns:N0} position ids for {ids.Columns:N0} ids.", nameof(positionIds));
        }
    }

    /// <summary>Arguments of a linear layer.</summary>
    public static void Linear(in Tensor x, Weight weight, in Tensor bias, Activation activation)
    {
        if (x.IsNone || x.Type != DType.Float32) throw new ArgumentException($"x is {x}, expected float32.", nameof(x));
        if (x.Columns != weight.Inputs)
        {
            throw new ArgumentException(
                $"x has {x.Columns:N0} columns, expected {weight.Inputs:N0}, the inputs of the weight.", nameof(x));
        }

        if (!bias.IsNone && (bias.Type != DType.Float32 || bias.Shape != new Shape(1, weight.Outputs)))
            throw new ArgumentException($"The bias is {bias}, expected float32 [1, {weight.Outputs}].", nameof(bias));
        Known(activation);
    }

    /// <summary>One row of floats.</summary>
    public static void Row(in Tensor x, string name)
    {
        RowChecks.Floats(x, name);
        if (x.Rows != 1) throw new ArgumentException($"{name} is {x}, expected float32 [1, n].", name);
    }

    /// <summary>A rate that leaves something.</summary>
    public static void Dropout(in Dropout dropout)
    {
        if (!(dropout.Rate >= 0f && dropout.Rate < 1f) || dropout.Threshold > ushort.MaxValue)
            throw new ArgumentException($"The dropout rate is {dropout.Rate}, expected 0 to below 1.", nameof(dropout));
    }

    /// <summary>A type that weights are trained in.</summary>
    public static void Precision(DType type)
    {
        if (type is not (DType.Float32 or DType.BFloat16))
            throw new ArgumentException($"The type is {type.Word()}, expected float32 or bfloat16.", nameof(type));
    }

    /// <summary>A known activation.</summary>
    public static void Known(Activation activation)
    {
        if (activation is < Activation.None or > Activation.Sigmoid)
            throw new ArgumentException($"The activation is {activation}, which is unknown.", nameof(activation));
    }

    /// <summary>Arguments of the gradients of a linear layer.</summary>
    public static void LinearGradient(in Tensor x, in Tensor dy, in Tensor weightGradient, in Tensor biasGradient)
    {
        RowChecks.Floats(x, nameof(x));
        RowChecks.Floats(dy, nameof(dy));
        RowChecks.Floats(weightGradient, nameof(weightGradient));
        if (dy.Rows != x.Rows) throw new ArgumentException($"dy is {dy}, expected the {x.Rows} rows of x.", nameof(dy));
        if (weightGradient.Shape != new Shape(dy.Columns, x.Columns))
        {
            throw new ArgumentException(
                $"weightGradient is {weightGradient}, expected {new Shape(dy.Columns, x.Columns)}.", nameof(weightGradient));
        }

        if (!biasGradient.IsNone) RowChecks.Vector(biasGradient, DType.Float32, dy.Columns, nameof(biasGradient));
    }

    /// <summary>Arguments of the gradients of a norm.</summary>
    public static void NormGradient(
        in Tensor x, in NormWeights weights, in Tensor dy, in Tensor passed, in Tensor gainGradient, in Tensor biasGradient)
    {
        RowChecks.Pair(x, nameof(x), dy, nameof(dy));
        RowChecks.Norm(weights, x.Columns);
        if (!passed.IsNone) RowChecks.Pair(x, nameof(x), passed, nameof(passed));
        RowChecks.Vector(gainGradient, DType.Float32, x.Columns, nameof(gainGradient));
        if (!biasGradient.IsNone) RowChecks.Vector(biasGradient, DType.Float32, x.Columns, nameof(biasGradient));
    }

    /// <summary>Arguments of the gradient of an embedding.</summary>
    public static void EmbedGradient(in Tensor ids, string idsName, in Tensor dy, in Tensor table, string tableName)
    {
        RowChecks.Vector(ids, DType.Int32, dy.Rows, idsName);
        RowChecks.Floats(table, tableName);
        if (table.Columns != dy.Columns)
            throw new ArgumentException($"{tableName} is {table}, expected {dy.Columns} columns, those of dy.", tableName);
    }

    /// <summary>Arguments of the gradients of attention of whole sentences.</summary>
    public static void SentencesGradient(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Tensor dy, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient)
    {
        AttentionShapes.Sentences(query, key, value, score, queries, keys, spec);
        Dropout(dropout);
        RowChecks.Floats(dy, nameof(dy));
        if (dy.Shape != new Shape(query.Rows, value.Columns))
            throw new ArgumentException($"dy is {dy}, expected {new Shape(query.Rows, value.Columns)}.", nameof(dy));
        RowChecks.Pair(query, nameof(query), queryGradient, nameof(queryGradient));
        RowChecks.Pair(key, nameof(key), keyGradient, nameof(keyGradient));
        RowChecks.Pair(value, nameof(value), valueGradient, nameof(valueGradient));
    }

    /// <summary>The gradient of rows that were taken at a position.</summary>
    public static void PositionGradient(in Tensor dy, int sentences, int columns)
    {
        RowChecks.Floats(dy, nameof(dy));
        if (dy.Shape != new Shape(sentences, columns))
            throw new ArgumentException($"dy is {dy}, expected {new Shape(sentences, columns)}.", nameof(dy));
    }

    private static void Ids(in Tensor ids, string name)
    {
        if (ids.Type != DType.Int32 || ids.Rows != 1)
            throw new ArgumentException($"The ids are {ids}, expected int32 [1, rows].", name);
    }
}
