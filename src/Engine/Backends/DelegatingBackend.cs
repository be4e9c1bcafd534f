// A backend around another that changes nothing: the base of those that look at what passes, or change one thing.
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>Passes every call on to another backend.</summary>
/// <param name="inner">Does the work, and stays its owner's.</param>
public abstract class DelegatingBackend(IBackend inner) : IBackend
{
    /// <summary>The backend that does the work.</summary>
    protected IBackend Inner { get; } = inner;

    /// <inheritdoc />
    public virtual string Description => Inner.Description;

    /// <inheritdoc />
    public virtual bool PrefersEqualSteps => Inner.PrefersEqualSteps;

    /// <inheritdoc />
    public virtual int StepsAtOnce => Inner.StepsAtOnce;

    /// <inheritdoc />
    public virtual int TranslatorsAtOnce => Inner.TranslatorsAtOnce;

    /// <inheritdoc />
    public virtual Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Inner.Attention(query, key, value, queries, keys, spec);

    /// <inheritdoc />
    public virtual Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec) =>
        Inner.AdditiveAttention(query, key, value, score, queries, keys, spec);

    /// <inheritdoc />
    public virtual Tensor AttentionWeights(
        in Tensor query, in Tensor key, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Inner.AttentionWeights(query, key, score, queries, keys, spec);

    /// <inheritdoc />
    public virtual Tensor Allocate(Shape shape, DType type) => Inner.Allocate(shape, type);

    /// <inheritdoc />
    public virtual void Free(in Tensor tensor) => Inner.Free(tensor);

    /// <inheritdoc />
    public virtual void BeginFrame() => Inner.BeginFrame();

    /// <inheritdoc />
    public virtual void BeginFrame(bool repeats) => Inner.BeginFrame(repeats);

    /// <inheritdoc />
    public virtual void EndFrame() => Inner.EndFrame();

    /// <inheritdoc />
    public virtual Tensor Rent(Shape shape, DType type) => Inner.Rent(shape, type);

    /// <inheritdoc />
    public virtual void Write(in Tensor destination, ReadOnlySpan<float> values) => Inner.Write(destination, values);

    /// <inheritdoc />
    public virtual void Write(in Tensor destination, ReadOnlySpan<int> values) => Inner.Write(destination, values);

    /// <inheritdoc />
    public virtual void Read(in Tensor source, Span<float> values) => Inner.Read(source, values);

    /// <inheritdoc />
    public virtual void Read(in Tensor source, Span<int> values) => Inner.Read(source, values);

    /// <inheritdoc />
    public virtual void Read(in Tensor floats, Span<float> values, in Tensor integers, Span<int> numbers) =>
        Inner.Read(floats, values, integers, numbers);

    /// <inheritdoc />
    public virtual Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding) => Inner.Pack(parts, rounding);

    /// <inheritdoc />
    public virtual bool SharesWeightsWith(IBackend other) => Inner.SharesWeightsWith(other);

    /// <inheritdoc />
    public virtual Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs) => Inner.SelectOutputs(weight, outputs);

    /// <inheritdoc />
    public virtual Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds) =>
        Inner.Embed(ids, table, scale, positions, positionIds);

    /// <inheritdoc />
    public virtual Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation) => Inner.Linear(x, weights, activation);

    /// <inheritdoc />
    public virtual Tensor Norm(in Tensor x, in NormWeights weights) => Inner.Norm(x, weights);

    /// <inheritdoc />
    public virtual Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights) => Inner.AddNorm(x, residual, weights);

    /// <inheritdoc />
    public virtual Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum) =>
        Inner.AddNorm(x, residual, weights, out sum);

    /// <inheritdoc />
    public virtual Tensor Add(in Tensor x, in Tensor y) => Inner.Add(x, y);

    /// <inheritdoc />
    public virtual Tensor Multiply(in Tensor x, in Tensor y) => Inner.Multiply(x, y);

    /// <inheritdoc />
    public virtual Tensor Unfold(in Tensor x, in Ragged batch, in Taps taps) => Inner.Unfold(x, batch, taps);

    /// <inheritdoc />
    public virtual Tensor DepthwiseConvolution(
        in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps) =>
        Inner.DepthwiseConvolution(x, filter, bias, batch, taps);

    /// <inheritdoc />
    public virtual Tensor TakePosition(in Tensor x, in Ragged batch, int position) => Inner.TakePosition(x, batch, position);

    /// <inheritdoc />
    public virtual Tensor JoinPositions(ReadOnlySpan<Tensor> positions, in Ragged batch) => Inner.JoinPositions(positions, batch);

    /// <inheritdoc />
    public virtual Tensor RecurrentCell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind) =>
        Inner.RecurrentCell(input, hidden, state, kind);

    /// <inheritdoc />
    public virtual Ragged Cut(in Ragged batch, int size) => Inner.Cut(batch, size);

    /// <inheritdoc />
    public virtual Tensor CachedUnfold(in KeyValueCache cache, in CacheView view, in Taps taps) =>
        Inner.CachedUnfold(cache, view, taps);

    /// <inheritdoc />
    public virtual Tensor CachedDepthwiseConvolution(
        in KeyValueCache cache, in CacheView view, in Tensor filter, in Tensor bias, in Taps taps) =>
        Inner.CachedDepthwiseConvolution(cache, view, filter, bias, taps);

    /// <inheritdoc />
    public virtual KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads) =>
        Inner.AllocateCache(blocks, keyColumns, valueColumns, heads);

    /// <inheritdoc />
    public virtual void FreeCache(in KeyValueCache cache) => Inner.FreeCache(cache);

    /// <inheritdoc />
    public virtual KeyValueCache GrowCache(in KeyValueCache cache, int blocks) => Inner.GrowCache(cache, blocks);

    /// <inheritdoc />
    public virtual void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots) =>
        Inner.Append(cache, keys, values, slots);

    /// <inheritdoc />
    public virtual void CopyBlocks(in KeyValueCache cache, in Tensor pairs) => Inner.CopyBlocks(cache, pairs);

    /// <inheritdoc />
    public virtual void CopyBlocks(ReadOnlySpan<KeyValueCache> caches, in Tensor pairs) => Inner.CopyBlocks(caches, pairs);

    /// <inheritdoc />
    public virtual Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        Inner.CachedAttention(query, cache, view, spec);

    /// <inheritdoc />
    public virtual Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        Inner.CachedAdditiveAttention(query, score, cache, view, spec);

    /// <inheritdoc />
    public virtual Tensor CachedAttentionWeights(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int firstHeads) =>
        Inner.CachedAttentionWeights(query, score, cache, view, spec, firstHeads);

    /// <inheritdoc />
    public virtual void Suppress(in Tensor logits, in Tensor places) => Inner.Suppress(logits, places);

    /// <inheritdoc />
    public virtual void Penalize(in Tensor logits, in Tensor places, in Tensor penalties) => Inner.Penalize(logits, places, penalties);

    /// <inheritdoc />
    public virtual Tensor SelectColumns(in Tensor x, in Tensor columns) => Inner.SelectColumns(x, columns);

    /// <inheritdoc />
    public virtual Tensor LogSoftmax(in Tensor logits) => Inner.LogSoftmax(logits);

    /// <inheritdoc />
    public virtual Tensor TopK(in Tensor logits, int k, out Tensor tokens) => Inner.TopK(logits, k, out tokens);

    /// <inheritdoc />
    public virtual Tensor LogProbability(in Tensor logits, in Tensor tokens) => Inner.LogProbability(logits, tokens);

    /// <inheritdoc />
    public virtual Tensor Sample(in Tensor logits, in Tensor draws, float temperature, out Tensor tokens) =>
        Inner.Sample(logits, draws, temperature, out tokens);

    /// <inheritdoc />
    public virtual void AdvanceBeams(in Tensor scores, in Tensor tokens, in BeamState state) =>
        Inner.AdvanceBeams(scores, tokens, state);

    /// <summary>Nothing: the backend that computes is its maker's.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what a subclass has.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}
