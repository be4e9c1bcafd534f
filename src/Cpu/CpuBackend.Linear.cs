// The operators of this group.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Cpu;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc />
    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding = ActivationRounding.Nearest) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds) =>
        throw new NotSupportedException();

    /// <inheritdoc />
    public Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation = Activation.None) =>
        throw new NotSupportedException();
}
