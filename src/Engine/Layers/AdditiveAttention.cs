// score(q, k) = vᵀ tanh(W q + U k) (Bahdanau et al. 2015, A.1.2): stands wherever dot-product attention does.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>Additive attention, several heads side by side; W and U are the query and key projections.</summary>
/// <param name="spec">Heads, scale (1 in the paper), mask.</param>
/// <param name="headDim">Width of a head.</param>
/// <param name="input">Query, key and value projections; in cross-attention the query's.</param>
/// <param name="output">Output projection.</param>
/// <param name="score">v of every head, [1, heads · headDim].</param>
/// <param name="group">Self-attention within groups of so many positions; 0: within the sentence.</param>
public sealed class AdditiveAttention(
    AttentionSpec spec, int headDim, LinearWeights input, LinearWeights output, Tensor score, int group = 0)
    : AttentionLayer(spec, headDim, input, output, group)
{
    /// <inheritdoc />
    protected override Tensor Attend(
        IBackend backend, in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys) =>
        backend.AdditiveAttention(query, key, value, score, queries, keys, Spec);

    /// <inheritdoc />
    protected override Tensor AttendCached(IBackend backend, in Tensor query, in KeyValueCache cache, in CacheView view) =>
        backend.CachedAdditiveAttention(query, score, cache, view, Spec);

    /// <inheritdoc />
    protected override Tensor Weights(
        IBackend backend, in Tensor query, in KeyValueCache cache, in CacheView view, int firstHeads) =>
        backend.CachedAttentionWeights(query, score, cache, view, Spec, firstHeads);
}
