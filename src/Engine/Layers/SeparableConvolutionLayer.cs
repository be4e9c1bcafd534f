// A filter for each column, then one product for all of them (Chollet 2017): k · d + d · d weights instead of k · d · d.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>A separable convolution over positions.</summary>
/// <param name="taps">Which neighbours.</param>
/// <param name="depthwise">The filter of each column, [taps, modelDim].</param>
/// <param name="bias">Its bias, [1, modelDim], or none.</param>
/// <param name="pointwise">W, b: [modelDim, modelDim].</param>
public sealed class SeparableConvolutionLayer(Taps taps, Tensor depthwise, Tensor bias, LinearWeights pointwise) : MixingLayer
{
    /// <inheritdoc />
    public override CacheColumns Cache => new(0, depthwise.Columns, 1);

    /// <inheritdoc />
    public override Tensor Self(IBackend backend, in Tensor x, in Ragged batch) =>
        backend.Linear(backend.DepthwiseConvolution(x, depthwise, bias, batch, taps), pointwise);

    /// <inheritdoc />
    public override Tensor SelfStep(IBackend backend, in Tensor x, in KeyValueCache cache, in Tensor slots, in CacheView view)
    {
        Remember(backend, cache, x, slots);
        return backend.Linear(backend.CachedDepthwiseConvolution(cache, view, depthwise, bias, taps), pointwise);
    }
}
