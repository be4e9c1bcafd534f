// A weight of the reference backend: the numbers, and for integer types the integers that they are made of.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Reference;

/// <summary>A matrix [outputs, inputs] in double precision.</summary>
/// <param name="type">Type of the stored elements.</param>
/// <param name="outputs">Rows.</param>
/// <param name="inputs">Columns.</param>
/// <param name="rounding">How activations become integers.</param>
internal sealed class ReferenceWeight(DType type, int outputs, int inputs, ActivationRounding rounding) : Weight
{
    /// <inheritdoc />
    public override int Outputs => outputs;

    /// <inheritdoc />
    public override int Inputs => inputs;

    /// <inheritdoc />
    public override DType Type => type;

    /// <inheritdoc />
    public override long Bytes =>
        (long)outputs * inputs * (type.IsFloat() ? sizeof(double) : sizeof(double) + sizeof(int));

    /// <summary>How activations become integers.</summary>
    public ActivationRounding Rounding => rounding;

    /// <summary>[outputs, inputs], integers divided by their scale.</summary>
    public double[] Values { get; } = new double[outputs * inputs];

    /// <summary>[outputs, inputs]; empty for float types.</summary>
    public int[] Integers { get; } = type.IsFloat() ? [] : new int[outputs * inputs];

    /// <summary>[outputs]; for integer types what the rows were multiplied by.</summary>
    public float[] Scales { get; } = new float[outputs];

    /// <summary>Whether it was freed.</summary>
    public bool IsDisposed { get; private set; }

    /// <inheritdoc />
    protected override void Dispose(bool disposing) => IsDisposed = true;
}
