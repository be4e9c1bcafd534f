// The checks that operators of all backends have in common, in one wording: what was found, what was expected.
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>Checks of arguments; each throws <see cref="ArgumentException"/>.</summary>
public static class RowChecks
{
    /// <summary>A tensor of floats, of any shape.</summary>
    public static void Floats(in Tensor tensor, string name)
    {
        if (tensor.IsNone || tensor.Type != DType.Float32)
            throw new ArgumentException($"{name} is {tensor}, expected float32 [rows, columns].", name);
    }

    /// <summary>Two tensors of floats and of one shape.</summary>
    public static void Pair(in Tensor x, string xName, in Tensor y, string yName)
    {
        Floats(x, xName);
        Floats(y, yName);
        if (y.Shape != x.Shape)
            throw new ArgumentException($"{yName} is {y}, expected the shape of {xName}, {x.Shape}.", yName);
    }

    /// <summary>One row of a known width.</summary>
    public static void Vector(in Tensor vector, DType type, int width, string name)
    {
        if (vector.IsNone || vector.Type != type || vector.Shape != new Shape(1, width))
            throw new ArgumentException($"{name} is {vector}, expected {type.Word()} [1, {width}].", name);
    }

    /// <summary>What <see cref="IBackend.Sample"/> is given.</summary>
    public static void Sample(in Tensor logits, in Tensor draws, float temperature)
    {
        Floats(logits, nameof(logits));
        if (logits.Columns == 0)
            throw new ArgumentException($"logits is {logits}, expected at least one column to draw from.", nameof(logits));
        var shape = new Shape(logits.Rows, TokenDraw.Columns);
        if (draws.IsNone || draws.Type != DType.Int32 || draws.Shape != shape)
            throw new ArgumentException($"draws is {draws}, expected int32 {shape}.", nameof(draws));
        if (!(temperature > 0f) || float.IsInfinity(temperature))
            throw new ArgumentException($"temperature is {temperature}, expected greater than 0 and finite.", nameof(temperature));
    }

    /// <summary>1 / temperature as float32, and the largest number where that would be infinite: 0 times it is 0.</summary>
    public static float Inverse(float temperature) => Math.Min(1f / temperature, float.MaxValue);

    /// <summary>Gain and bias of the width of the rows.</summary>
    public static void Norm(in NormWeights weights, int width)
    {
        Vector(weights.Gain, DType.Float32, width, "weights.Gain");
        if (!weights.Bias.IsNone) Vector(weights.Bias, DType.Float32, width, "weights.Bias");
        if (!(weights.Epsilon >= 0f))
            throw new ArgumentException($"weights.Epsilon is {weights.Epsilon}, expected at least 0.", nameof(weights));
    }
}
