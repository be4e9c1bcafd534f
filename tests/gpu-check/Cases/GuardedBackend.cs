// Guards around what operators write. In a frame every tensor begins at a multiple of 256 bytes: the bytes from its end to the next are
// nobody's, and behind what a test puts there lies a guard of its own. Before each operator the memory that it will take is filled with
// a pattern that nothing computes; guards are looked at when the frame ends. A kernel that writes beyond its tensor, or before it, is
// found out.
using Engine.Backends;
using Engine.Cuda;
using Engine.Tensors;
using Xunit;

namespace Engine.GpuCheck.Cases;

/// <summary>A backend whose frames are guarded.</summary>
internal sealed class GuardedBackend(CudaBackend inner) : ITrainingBackend
{
    private const int Alignment = 256;
    private const int FilledBytes = 256 << 10;  // results of most of the cases are smaller; the others have no guard
    private const int GuardFloats = 64;
    private const int Pattern = 0x7FC5A5A5;     // not a number, and none that arithmetic makes

    private static readonly int[] Filling = [.. Enumerable.Repeat(Pattern, FilledBytes / sizeof(int))];

    private readonly List<Tensor> _guards = [];
    private nint _first;

    public string Description => inner.Description;

    public void BeginFrame() => inner.BeginFrame();

    public void EndFrame()
    {
        try
        {
            Check();
        }
        finally
        {
            inner.EndFrame();
        }
    }

    public Tensor Rent(Shape shape, DType type)
    {
        Tensor tensor = Guard(Prepare().Rent(shape, type));
        Tensor guard = inner.Rent(new Shape(1, GuardFloats), DType.Int32);
        if (IsFilled(guard)) _guards.Add(guard);
        return tensor;
    }

    public void Release(long mark, Span<Tensor> kept)
    {
        Check();
        inner.Release(mark, kept);
    }

    public Tensor Allocate(Shape shape, DType type) => inner.Allocate(shape, type);

    public void Free(in Tensor tensor) => inner.Free(tensor);

    public void Write(in Tensor destination, ReadOnlySpan<float> values) => inner.Write(destination, values);

    public void Write(in Tensor destination, ReadOnlySpan<int> values) => inner.Write(destination, values);

    public void Read(in Tensor source, Span<float> values) => inner.Read(source, values);

    public void Read(in Tensor source, Span<int> values) => inner.Read(source, values);

    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding) => inner.Pack(parts, rounding);

    public Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs) => inner.SelectOutputs(weight, outputs);

    public Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds) =>
        Guard(Prepare().Embed(ids, table, scale, positions, positionIds));

    public Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation) => Guard(Prepare().Linear(x, weights, activation));

    public Tensor Norm(in Tensor x, in NormWeights weights) => Guard(Prepare().Norm(x, weights));

    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights) => Guard(Prepare().AddNorm(x, residual, weights));

    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum)
    {
        Tensor y = Prepare().AddNorm(x, residual, weights, out sum);
        Guard(sum);
        return Guard(y);
    }

    public Tensor Add(in Tensor x, in Tensor y) => Guard(Prepare().Add(x, y));

    public Tensor Multiply(in Tensor x, in Tensor y) => Guard(Prepare().Multiply(x, y));

    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Guard(Prepare().Attention(query, key, value, queries, keys, spec));

    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Guard(Prepare().AdditiveAttention(query, key, value, score, queries, keys, spec));

    public KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads) =>
        inner.AllocateCache(blocks, keyColumns, valueColumns, heads);

    public void FreeCache(in KeyValueCache cache) => inner.FreeCache(cache);

    public KeyValueCache GrowCache(in KeyValueCache cache, int blocks) => inner.GrowCache(cache, blocks);

    public void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots) =>
        inner.Append(cache, keys, values, slots);

    public void CopyBlocks(in KeyValueCache cache, in Tensor pairs) => inner.CopyBlocks(cache, pairs);

    public Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        Guard(Prepare().CachedAttention(query, cache, view, spec));

    public Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        Guard(Prepare().CachedAdditiveAttention(query, score, cache, view, spec));

    public Tensor CachedAttentionWeights(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int firstHeads) =>
        Guard(Prepare().CachedAttentionWeights(query, score, cache, view, spec, firstHeads));

    public void Suppress(in Tensor logits, in Tensor places) => inner.Suppress(logits, places);

    public void Penalize(in Tensor logits, in Tensor places, in Tensor penalties) => inner.Penalize(logits, places, penalties);

    public Tensor SelectColumns(in Tensor x, in Tensor columns) => Guard(Prepare().SelectColumns(x, columns));

    public Tensor LogSoftmax(in Tensor logits) => Guard(Prepare().LogSoftmax(logits));

    public Tensor TopK(in Tensor logits, int k, out Tensor tokens)
    {
        Tensor best = Prepare().TopK(logits, k, out tokens);
        Guard(tokens);
        return Guard(best);
    }

    public Tensor LogProbability(in Tensor logits, in Tensor tokens) => Guard(Prepare().LogProbability(logits, tokens));

    public Weight AllocateWeight(int outputs, int inputs, DType type) => inner.AllocateWeight(outputs, inputs, type);

    public void Refresh(Weight weight, in Tensor values, bool transposed) => inner.Refresh(weight, values, transposed);

    public long Mark() => inner.Mark();

    public void Clear(in Tensor tensor) => inner.Clear(tensor);

    public Tensor Activate(in Tensor x, Activation activation) => Guard(Prepare().Activate(x, activation));

    public Tensor ActivationBackward(in Tensor x, in Tensor dy, Activation activation) =>
        Guard(Prepare().ActivationBackward(x, dy, activation));

    public Tensor Dropout(in Tensor x, in Dropout dropout) => Guard(Prepare().Dropout(x, dropout));

    public void EmbedBackward(
        in Tensor ids, in Tensor dy, float scale, in Tensor tableGradient, in Tensor positionIds, in Tensor positionGradient) =>
        inner.EmbedBackward(ids, dy, scale, tableGradient, positionIds, positionGradient);

    public void LinearBackward(in Tensor x, in Tensor dy, in Tensor weightGradient, in Tensor biasGradient, DType type) =>
        inner.LinearBackward(x, dy, weightGradient, biasGradient, type);

    public Tensor NormBackward(
        in Tensor x, in NormWeights weights, in Tensor dy, in Tensor passed, in Tensor gainGradient, in Tensor biasGradient) =>
        Guard(Prepare().NormBackward(x, weights, dy, passed, gainGradient, biasGradient));

    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec, in Dropout dropout) =>
        Guard(Prepare().Attention(query, key, value, queries, keys, spec, dropout));

    public void AttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor dy, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient) =>
        inner.AttentionBackward(
            query, key, value, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient);

    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout) =>
        Guard(Prepare().AdditiveAttention(query, key, value, score, queries, keys, spec, dropout));

    public void AdditiveAttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Tensor dy, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient,
        in Tensor scoreGradient) =>
        inner.AdditiveAttentionBackward(
            query, key, value, score, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient, scoreGradient);

    public Tensor CrossEntropy(in Tensor logits, in Tensor targets, float smoothing, float scale) =>
        Guard(Prepare().CrossEntropy(logits, targets, smoothing, scale));

    public double SumOfSquares(in Tensor x) => inner.SumOfSquares(x);

    public void AdamStep(
        in Tensor values, in Tensor gradients, in Tensor firstMoment, in Tensor secondMoment, in AdamStep rates) =>
        inner.AdamStep(values, gradients, firstMoment, secondMoment, rates);

    public void Dispose() => inner.Dispose();

    // What the frame gives next is filled, and given back.
    private CudaBackend Prepare()
    {
        long mark = inner.Mark();
        Tensor area = inner.Rent(new Shape(1, Filling.Length), DType.Int32);
        inner.Write(area, Filling);
        _first = area.Handle;
        inner.Release(mark, []);
        return inner;
    }

    private Tensor Guard(in Tensor tensor)
    {
        long bytes = tensor.Shape.Count * tensor.Type.Bytes();
        int rest = (int)(bytes % Alignment);
        if (rest == 0) return tensor;   // an empty one too
        var guard = new Tensor(
            tensor.Handle + (nint)bytes, 0, new Shape(1, (Alignment - rest) / sizeof(int)), (Alignment - rest) / sizeof(int), DType.Int32);
        if (IsFilled(guard)) _guards.Add(guard);
        return tensor;
    }

    private bool IsFilled(in Tensor guard) =>
        guard.Handle >= _first && guard.Handle + (nint)(guard.Shape.Count * sizeof(int)) <= _first + FilledBytes;

    private void Check()
    {
        foreach (Tensor guard in _guards)
        {
            var found = new int[guard.Columns];
            inner.Read(guard, found);
            int changed = Array.FindIndex(found, static value => value != Pattern);
            Assert.True(changed < 0, $"a guard of {4 * found.Length} bytes was written to at byte {4 * changed}");
        }

        _guards.Clear();
    }
}
