// The sum that runs through a stack, with norms after the sub-layers, LayerNorm(x + Sublayer(x)) (Vaswani et al. 2017, 3.1), or
// before them, x + Sublayer(LayerNorm(x)) (Xiong et al. 2020). An addition waits for the norm that follows it, so that both
// are one operator.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>Carries x from sub-layer to sub-layer.</summary>
/// <param name="backend">Runs it.</param>
/// <param name="preNorm">Whether norms stand before the sub-layers.</param>
/// <param name="x">[rows, modelDim].</param>
internal ref struct ResidualStream(IBackend backend, bool preNorm, Tensor x)
{
    private Tensor _sum = x;
    private Tensor _pending;

    /// <summary>What the next sub-layer is given.</summary>
    public Tensor Enter(in NormWeights norm) => preNorm ? Normalize(norm) : _sum;

    /// <summary>Takes what the sub-layer gave.</summary>
    public void Leave(in Tensor output, in NormWeights norm)
    {
        if (preNorm) _pending = output;
        else _sum = backend.AddNorm(_sum, output, norm);
    }

    /// <summary>The end of the stack, with its final norm if it has one.</summary>
    public Tensor Finish(in NormWeights? norm)
    {
        if (norm is { } final) return Normalize(final);
        return _pending.IsNone ? _sum : backend.Add(_sum, _pending);
    }

    private Tensor Normalize(in NormWeights norm)
    {
        if (_pending.IsNone) return backend.Norm(_sum, norm);
        // A variable of its own: the argument x is a reference to _sum, which a backend may still read after it sets the sum.
        Tensor normalized = backend.AddNorm(_sum, _pending, norm, out Tensor sum);
        _sum = sum;
        _pending = Tensor.None;
        return normalized;
    }
}
