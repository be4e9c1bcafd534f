// A matrix in the layout that one backend's GEMM likes: made once, when the model loads.
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>A weight matrix [outputs, inputs], packed by a backend. It serves as a linear layer and as an embedding table.</summary>
public abstract class Weight : IDisposable
{
    /// <summary>Rows of the matrix as the model file has it: outputs of the layer, or words of the table.</summary>
    public abstract int Outputs { get; }

    /// <summary>Columns of the matrix: inputs of the layer, or width of an embedding.</summary>
    public abstract int Inputs { get; }

    /// <summary>Type of the stored elements.</summary>
    public abstract DType Type { get; }

    /// <summary>Bytes that it takes.</summary>
    public abstract long Bytes { get; }

    /// <summary>Frees its memory. The backend must still be alive.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees its memory.</summary>
    protected abstract void Dispose(bool disposing);
}

/// <summary>How activations are rounded before they meet a weight.</summary>
public enum ActivationRounding
{
    /// <summary>Before an integer weight to the nearest integer, ties to even; before a float weight not at all.</summary>
    Nearest,

    /// <summary>
    /// As files of CTranslate2 binary versions 1 to 4 were run: down to the next integer for int8, toward zero for int16.
    /// </summary>
    Legacy,

    /// <summary>Before a bfloat16 weight to bfloat16, ties to even; before another weight as <see cref="Nearest"/>.</summary>
    BFloat16,
}

/// <summary>y = x Wᵀ + b.</summary>
/// <param name="Weight">W, [outputs, inputs].</param>
/// <param name="Bias">b, [1, outputs] f32, or none.</param>
public readonly record struct LinearWeights(Weight Weight, Tensor Bias);

/// <summary>(x − mean) / √(variance + ε) · gain + bias; root-mean-square form: x / √(mean of squares + ε) · gain.</summary>
/// <param name="Gain">[1, width], f32.</param>
/// <param name="Bias">[1, width], f32, or none.</param>
/// <param name="Epsilon">Added to the variance.</param>
/// <param name="IsRms">Whether only the root mean square is divided out (Zhang and Sennrich 2019).</param>
public readonly record struct NormWeights(Tensor Gain, Tensor Bias, float Epsilon, bool IsRms = false);
