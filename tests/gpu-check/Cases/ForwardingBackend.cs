// A backend around the CUDA backend that sees every call: the frame of those that add something, and by itself what shows how long a
// step takes that is not a graph.
using Engine.Backends;
using Engine.Cuda;
using Engine.Tensors;

namespace Engine.GpuCheck.Cases;

/// <summary>A backend that passes everything on to another.</summary>
internal class ForwardingBackend(CudaBackend inner) : ITrainingBackend
{
    public string Description => Inner.Description;

    /// <summary>The other.</summary>
    protected CudaBackend Inner { get; } = inner;

    public void BeginFrame() => Inner.BeginFrame();

    // BeginFrame(repeats), PrefersEqualSteps and StepsAtOnce are not passed on: without them no step is a graph, and the host looks at each.

    public virtual void EndFrame() => Inner.EndFrame();

    public virtual Tensor Rent(Shape shape, DType type) => Passed(Before().Rent(shape, type));

    public virtual void Release(long mark, Span<Tensor> kept) => Inner.Release(mark, kept);

    public Tensor Allocate(Shape shape, DType type) => Inner.Allocate(shape, type);

    public void Free(in Tensor tensor) => Inner.Free(tensor);

    public void Write(in Tensor destination, ReadOnlySpan<float> values) => Inner.Write(destination, values);

    public void Write(in Tensor destination, ReadOnlySpan<int> values) => Inner.Write(destination, values);

    public void Read(in Tensor source, Span<float> values) => Inner.Read(source, values);

    public void Read(in Tensor source, Span<int> values) => Inner.Read(source, values);

    public void Read(in Tensor floats, Span<float> values, in Tensor integers, Span<int> numbers) =>
        Inner.Read(floats, values, integers, numbers);

    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding) => Inner.Pack(parts, rounding);

    public Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs) => Inner.SelectOutputs(weight, outputs);

    public Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds) =>
        Passed(Before().Embed(ids, table, scale, positions, positionIds));

    public Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation) => Passed(Before().Linear(x, weights, activation));

    public Tensor Norm(in Tensor x, in NormWeights weights) => Passed(Before().Norm(x, weights));

    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights) => Passed(Before().AddNorm(x, residual, weights));

    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum)
    {
        Tensor y = Before().AddNorm(x, residual, weights, out sum);
        Passed(sum);
        return Passed(y);
    }

    public Tensor Add(in Tensor x, in Tensor y) => Passed(Before().Add(x, y));

    public Tensor Multiply(in Tensor x, in Tensor y) => Passed(Before().Multiply(x, y));

    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Passed(Before().Attention(query, key, value, queries, keys, spec));

    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Passed(Before().AdditiveAttention(query, key, value, score, queries, keys, spec));

    public Tensor AttentionWeights(
        in Tensor query, in Tensor key, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Passed(Before().AttentionWeights(query, key, score, queries, keys, spec));

    public Tensor Unfold(in Tensor x, in Ragged batch, in Taps taps) => Passed(Before().Unfold(x, batch, taps));

    public Tensor DepthwiseConvolution(in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps) =>
        Passed(Before().DepthwiseConvolution(x, filter, bias, batch, taps));

    public Tensor TakePosition(in Tensor x, in Ragged batch, int position) => Passed(Before().TakePosition(x, batch, position));

    public Tensor JoinPositions(ReadOnlySpan<Tensor> positions, in Ragged batch) => Passed(Before().JoinPositions(positions, batch));

    public Tensor RecurrentCell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind) =>
        Passed(Before().RecurrentCell(input, hidden, state, kind));

    public Ragged Cut(in Ragged batch, int size)
    {
        Ragged groups = Before().Cut(batch, size);
        Passed(groups.Offsets);
        return groups;
    }

    public Tensor CachedUnfold(in KeyValueCache cache, in CacheView view, in Taps taps) =>
        Passed(Before().CachedUnfold(cache, view, taps));

    public Tensor CachedDepthwiseConvolution(
        in KeyValueCache cache, in CacheView view, in Tensor filter, in Tensor bias, in Taps taps) =>
        Passed(Before().CachedDepthwiseConvolution(cache, view, filter, bias, taps));

    public KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads) =>
        Inner.AllocateCache(blocks, keyColumns, valueColumns, heads);

    public void FreeCache(in KeyValueCache cache) => Inner.FreeCache(cache);

    public KeyValueCache GrowCache(in KeyValueCache cache, int blocks) => Inner.GrowCache(cache, blocks);

    public void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots) =>
        Inner.Append(cache, keys, values, slots);

    public void CopyBlocks(in KeyValueCache cache, in Tensor pairs) => Inner.CopyBlocks(cache, pairs);

    public void CopyBlocks(ReadOnlySpan<KeyValueCache> caches, in Tensor pairs) => Inner.CopyBlocks(caches, pairs);

    public Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        Passed(Before().CachedAttention(query, cache, view, spec));

    public Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        Passed(Before().CachedAdditiveAttention(query, score, cache, view, spec));

    public Tensor AppendAndAttend(
        in Tensor query, in Tensor keys, in Tensor values, in Tensor slots, in KeyValueCache cache, in CacheView view,
        in AttentionSpec spec) =>
        Passed(Before().AppendAndAttend(query, keys, values, slots, cache, view, spec));

    public Tensor CachedAttentionWeights(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int firstHeads) =>
        Passed(Before().CachedAttentionWeights(query, score, cache, view, spec, firstHeads));

    public void Suppress(in Tensor logits, in Tensor places) => Inner.Suppress(logits, places);

    public void Penalize(in Tensor logits, in Tensor places, in Tensor penalties) => Inner.Penalize(logits, places, penalties);

    public Tensor SelectColumns(in Tensor x, in Tensor columns) => Passed(Before().SelectColumns(x, columns));

    public Tensor LogSoftmax(in Tensor logits) => Passed(Before().LogSoftmax(logits));

    public Tensor TopK(in Tensor logits, int k, out Tensor tokens)
    {
        Tensor best = Before().TopK(logits, k, out tokens);
        Passed(tokens);
        return Passed(best);
    }

    public Tensor LogProbability(in Tensor logits, in Tensor tokens) => Passed(Before().LogProbability(logits, tokens));

    public Tensor Sample(in Tensor logits, in Tensor draws, float temperature, out Tensor tokens)
    {
        Tensor scores = Before().Sample(logits, draws, temperature, out tokens);
        Passed(tokens);
        return Passed(scores);
    }

    public void AdvanceBeams(in Tensor scores, in Tensor tokens, in BeamState state) => Inner.AdvanceBeams(scores, tokens, state);

    public Weight AllocateWeight(int outputs, int inputs, DType type) => Inner.AllocateWeight(outputs, inputs, type);

    public void Refresh(Weight weight, in Tensor values, bool transposed) => Inner.Refresh(weight, values, transposed);

    public long Mark() => Inner.Mark();

    public void Clear(in Tensor tensor) => Inner.Clear(tensor);

    public Tensor Activate(in Tensor x, Activation activation) => Passed(Before().Activate(x, activation));

    public Tensor ActivationBackward(in Tensor x, in Tensor dy, Activation activation) =>
        Passed(Before().ActivationBackward(x, dy, activation));

    public Tensor Dropout(in Tensor x, in Dropout dropout) => Passed(Before().Dropout(x, dropout));

    public void EmbedBackward(
        in Tensor ids, in Tensor dy, float scale, in Tensor tableGradient, in Tensor positionIds, in Tensor positionGradient) =>
        Inner.EmbedBackward(ids, dy, scale, tableGradient, positionIds, positionGradient);

    public void LinearBackward(in Tensor x, in Tensor dy, in Tensor weightGradient, in Tensor biasGradient, DType type) =>
        Inner.LinearBackward(x, dy, weightGradient, biasGradient, type);

    public Tensor NormBackward(
        in Tensor x, in NormWeights weights, in Tensor dy, in Tensor passed, in Tensor gainGradient, in Tensor biasGradient) =>
        Passed(Before().NormBackward(x, weights, dy, passed, gainGradient, biasGradient));

    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec, in Dropout dropout) =>
        Passed(Before().Attention(query, key, value, queries, keys, spec, dropout));

    public void AttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor dy, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient) =>
        Inner.AttentionBackward(
            query, key, value, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient);

    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout) =>
        Passed(Before().AdditiveAttention(query, key, value, score, queries, keys, spec, dropout));

    public void AdditiveAttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Tensor dy, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient,
        in Tensor scoreGradient) =>
        Inner.AdditiveAttentionBackward(
            query, key, value, score, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient, scoreGradient);

    public Tensor UnfoldBackward(in Tensor dy, in Ragged batch, in Taps taps) => Passed(Before().UnfoldBackward(dy, batch, taps));

    public Tensor DepthwiseConvolutionBackward(
        in Tensor x, in Tensor filter, in Tensor dy, in Ragged batch, in Taps taps, in Tensor filterGradient, in Tensor biasGradient) =>
        Passed(Before().DepthwiseConvolutionBackward(x, filter, dy, batch, taps, filterGradient, biasGradient));

    public void TakePositionBackward(in Tensor dy, in Ragged batch, int position, in Tensor gradient) =>
        Inner.TakePositionBackward(dy, batch, position, gradient);

    public Tensor RecurrentCellBackward(
        in Tensor input, in Tensor hidden, in Tensor state, in Tensor dy, CellKind kind, out Tensor hiddenGradient,
        out Tensor stateGradient)
    {
        Tensor ofInput = Before().RecurrentCellBackward(
            input, hidden, state, dy, kind, out hiddenGradient, out stateGradient);
        Passed(hiddenGradient);
        Passed(stateGradient);
        return Passed(ofInput);
    }

    public void Accumulate(in Tensor sum, in Tensor x) => Inner.Accumulate(sum, x);

    public Tensor CrossEntropy(in Tensor logits, in Tensor targets, float smoothing, float scale) =>
        Passed(Before().CrossEntropy(logits, targets, smoothing, scale));

    public double SumOfSquares(in Tensor x) => Inner.SumOfSquares(x);

    public void AdamStep(
        in Tensor values, in Tensor gradients, in Tensor firstMoment, in Tensor secondMoment, in AdamStep rates) =>
        Inner.AdamStep(values, gradients, firstMoment, secondMoment, rates);

    public void Dispose() => Inner.Dispose();

    /// <summary>Called before an operator that gives a tensor.</summary>
    protected virtual CudaBackend Before() => Inner;

    /// <summary>Called with each tensor that an operator gives.</summary>
    protected virtual Tensor Passed(in Tensor tensor) => tensor;
}
