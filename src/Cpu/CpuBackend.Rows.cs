// The operators of this group.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Cpu;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc />
    public Tensor Norm(in Tensor x, in NormWeights weights) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor Add(in Tensor x, in Tensor y) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor Multiply(in Tensor x, in Tensor y) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public void Suppress(in Tensor logits, in Tensor places) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public void Penalize(in Tensor logits, in Tensor places, in Tensor penalties) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor LogSoftmax(in Tensor logits) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor TopK(in Tensor logits, int k, out Tensor tokens) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor LogProbability(in Tensor logits, in Tensor tokens) =>
        throw new NotSupportedException();
}
