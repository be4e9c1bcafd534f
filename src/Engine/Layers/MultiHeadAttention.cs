// MultiHead(Q, K, V) = Concat(head₁, ..., headₕ) Wᴼ (Vaswani et al. 2017, 3.2.2), headᵢ by scaled dot products.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>Multi-head attention: a query is scored against a key by their dot product times the scale.</summary>
/// <param name="spec">Heads, scale (1/√headDim, or 1 when scaling is switched off), mask.</param>
/// <param name="headDim">Width of a head.</param>
/// <param name="input">Query, key and value projections; in cross-attention the query's.</param>
/// <param name="output">Wᴼ.</param>
/// <param name="group">Self-attention within groups of so many positions; 0: within the sentence.</param>
public sealed class MultiHeadAttention(
    AttentionSpec spec, int headDim, LinearWeights input, LinearWeights output, int group = 0)
    : AttentionLayer(spec, headDim, input, output, group)
{
    /// <inheritdoc />
    protected override Tensor Attend(
        IBackend backend, in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys) =>
        backend.Attention(query, key, value, queries, keys, Spec);

    /// <inheritdoc />
    protected override Tensor AttendCached(IBackend backend, in Tensor query, in KeyValueCache cache, in CacheView view) =>
        backend.CachedAttention(query, cache, view, Spec);

    /// <inheritdoc />
    protected override Tensor AppendAndAttend(
        IBackend backend, in Tensor query, in Tensor key, in Tensor value, in Tensor slots, in KeyValueCache cache, in CacheView view) =>
        backend.AppendAndAttend(query, key, value, slots, cache, view, Spec);

    /// <inheritdoc />
    protected override Tensor Weights(
        IBackend backend, in Tensor query, in KeyValueCache cache, in CacheView view, int firstHeads) =>
        backend.CachedAttentionWeights(query, Tensor.None, cache, view, Spec, firstHeads);
}
