// yₜ = b + Σⱼ Wⱼ xₜ₊ⱼ: a position learns of its k neighbours (LeCun et al. 1989), as one product with what the filter sees.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>A convolution over positions.</summary>
/// <param name="taps">Which neighbours.</param>
/// <param name="filter">W, b: [modelDim, taps · modelDim].</param>
public sealed class ConvolutionLayer(Taps taps, LinearWeights filter) : MixingLayer
{
    /// <inheritdoc />
    public override CacheColumns Cache => new(0, filter.Weight.Inputs / taps.Count, 1);

    /// <inheritdoc />
    public override Tensor Self(IBackend backend, in Tensor x, in Ragged batch) =>
        backend.Linear(backend.Unfold(x, batch, taps), filter);

    /// <inheritdoc />
    public override Tensor SelfStep(IBackend backend, in Tensor x, in KeyValueCache cache, in Tensor slots, in CacheView view)
    {
        Remember(backend, cache, x, slots);
        return backend.Linear(backend.CachedUnfold(cache, view, taps), filter);
    }
}
