// A backend around another that asks it for the weights of each attention, so that neither the graph nor the fast path knows of it.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Explaining;

/// <summary>Passes everything on, and keeps the weights of attention of whole sentences, one call after the other.</summary>
/// <param name="inner">Does the work, and stays its owner's.</param>
internal sealed class AttentionRecorder(IBackend inner) : IBackend
{
    private readonly List<float[]> _calls = [];

    /// <summary>Of each call so far [queryRows · heads, longest keys].</summary>
    public IReadOnlyList<float[]> Calls => _calls;

    public string Description => inner.Description;

    public bool PrefersEqualSteps => inner.PrefersEqualSteps;

    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec)
    {
        Keep(inner.AttentionWeights(query, key, Tensor.None, queries, keys, spec));
        return inner.Attention(query, key, value, queries, keys, spec);
    }

    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec)
    {
        Keep(inner.AttentionWeights(query, key, score, queries, keys, spec));
        return inner.AdditiveAttention(query, key, value, score, queries, keys, spec);
    }

    public Tensor AttentionWeights(
        in Tensor query, in Tensor key, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        inner.AttentionWeights(query, key, score, queries, keys, spec);

    public Tensor Allocate(Shape shape, DType type) => inner.Allocate(shape, type);

    public void Free(in Tensor tensor) => inner.Free(tensor);

    public void BeginFrame() => inner.BeginFrame();

    public void BeginFrame(bool repeats) => inner.BeginFrame(repeats);

    public void EndFrame() => inner.EndFrame();

    public Tensor Rent(Shape shape, DType type) => inner.Rent(shape, type);

    public void Write(in Tensor destination, ReadOnlySpan<float> values) => inner.Write(destination, values);

    public void Write(in Tensor destination, ReadOnlySpan<int> values) => inner.Write(destination, values);

    public void Read(in Tensor source, Span<float> values) => inner.Read(source, values);

    public void Read(in Tensor source, Span<int> values) => inner.Read(source, values);

    public void Read(in Tensor floats, Span<float> values, in Tensor integers, Span<int> numbers) =>
        inner.Read(floats, values, integers, numbers);

    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding) => inner.Pack(parts, rounding);

    public bool SharesWeightsWith(IBackend other) => inner.SharesWeightsWith(other);

    public Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs) => inner.SelectOutputs(weight, outputs);

    public Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds) =>
        inner.Embed(ids, table, scale, positions, positionIds);

    public Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation) => inner.Linear(x, weights, activation);

    public Tensor Norm(in Tensor x, in NormWeights weights) => inner.Norm(x, weights);

    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights) => inner.AddNorm(x, residual, weights);

    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum) =>
        inner.AddNorm(x, residual, weights, out sum);

    public Tensor Add(in Tensor x, in Tensor y) => inner.Add(x, y);

    public Tensor Multiply(in Tensor x, in Tensor y) => inner.Multiply(x, y);

    public KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads) =>
        inner.AllocateCache(blocks, keyColumns, valueColumns, heads);

    public void FreeCache(in KeyValueCache cache) => inner.FreeCache(cache);

    public KeyValueCache GrowCache(in KeyValueCache cache, int blocks) => inner.GrowCache(cache, blocks);

    public void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots) =>
        inner.Append(cache, keys, values, slots);

    public void CopyBlocks(in KeyValueCache cache, in Tensor pairs) => inner.CopyBlocks(cache, pairs);

    public void CopyBlocks(ReadOnlySpan<KeyValueCache> caches, in Tensor pairs) => inner.CopyBlocks(caches, pairs);

    public Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        inner.CachedAttention(query, cache, view, spec);

    public Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        inner.CachedAdditiveAttention(query, score, cache, view, spec);

    public Tensor CachedAttentionWeights(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int firstHeads) =>
        inner.CachedAttentionWeights(query, score, cache, view, spec, firstHeads);

    public void Suppress(in Tensor logits, in Tensor places) => inner.Suppress(logits, places);

    public void Penalize(in Tensor logits, in Tensor places, in Tensor penalties) => inner.Penalize(logits, places, penalties);

    public Tensor SelectColumns(in Tensor x, in Tensor columns) => inner.SelectColumns(x, columns);

    public Tensor LogSoftmax(in Tensor logits) => inner.LogSoftmax(logits);

    public Tensor TopK(in Tensor logits, int k, out Tensor tokens) => inner.TopK(logits, k, out tokens);

    public Tensor LogProbability(in Tensor logits, in Tensor tokens) => inner.LogProbability(logits, tokens);

    public Tensor Sample(in Tensor logits, in Tensor draws, float temperature, out Tensor tokens) =>
        inner.Sample(logits, draws, temperature, out tokens);

    /// <summary>Nothing: the backend that computes is its maker's.</summary>
    public void Dispose()
    {
    }

    private void Keep(in Tensor weights)
    {
        var values = new float[weights.Shape.Count];
        inner.Read(weights, values);
        _calls.Add(values);
    }
}
