// A backend with little memory: it passes everything on, counts what is held, and refuses what would be too much, or one chosen
// request. So tests see what becomes of a batch for which there is no room.
using System.Diagnostics.CodeAnalysis;
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Tests.Decoding;

/// <summary>Counts memory of a backend. Results of operators count when they are there, and are given up when they are too much.</summary>
internal sealed class ScarceBackend(IBackend inner) : IBackend
{
    private readonly Dictionary<nint, long> _held = [];
    private readonly IBackend _inner = inner;
    private long _ofFrame;
    private long _ofHeld;

    /// <summary>Bytes that may be held at once.</summary>
    public long Capacity { get; set; } = long.MaxValue;

    /// <summary>The most that were held at once.</summary>
    public long Peak { get; private set; }

    /// <summary>Bytes that are held beyond the frame.</summary>
    public long Held => _ofHeld;

    /// <summary>How often memory was asked for.</summary>
    public int Requests { get; private set; }

    /// <summary>The number of the request, from 1, that is refused whatever there is; 0: none.</summary>
    public int RefusedRequest { get; set; }

    /// <summary>Requests that were refused.</summary>
    public int Refused { get; private set; }

    /// <summary>What is thrown where memory is asked for; null: nothing, so far there is room.</summary>
    public Exception? Fault { get; set; }

    public string Description => _inner.Description;

    public bool PrefersEqualSteps { get; init; }

    public int StepsAtOnce { get; init; } = 1;

    public void Restart() => (Peak, Requests, Refused) = (_ofHeld, 0, 0);

    public Tensor Allocate(Shape shape, DType type)
    {
        Ask(shape.Count * type.Bytes());
        return Hold(_inner.Allocate(shape, type));
    }

    public void Free(in Tensor tensor)
    {
        _inner.Free(tensor);
        if (_held.Remove(tensor.Handle, out long bytes)) _ofHeld -= bytes;
    }

    public void BeginFrame() => _inner.BeginFrame();

    public void EndFrame()
    {
        _inner.EndFrame();
        _ofFrame = 0;
    }

    public Tensor Rent(Shape shape, DType type)
    {
        Ask(shape.Count * type.Bytes());
        Tensor tensor = _inner.Rent(shape, type);
        _ofFrame += shape.Count * type.Bytes();
        return tensor;
    }

    public void Write(in Tensor destination, ReadOnlySpan<float> values) => _inner.Write(destination, values);

    public void Write(in Tensor destination, ReadOnlySpan<int> values) => _inner.Write(destination, values);

    public void Read(in Tensor source, Span<float> values) => _inner.Read(source, values);

    public void Read(in Tensor source, Span<int> values) => _inner.Read(source, values);

    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding = ActivationRounding.Nearest) =>
        _inner.Pack(parts, rounding);

    public bool SharesWeightsWith(IBackend other) => other is ScarceBackend scarce && _inner.SharesWeightsWith(scarce._inner);

    public Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs)
    {
        Ask((long)outputs.Length * weight.Inputs * weight.Type.Bytes());
        return _inner.SelectOutputs(weight, outputs);
    }

    public Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds) =>
        Count(_inner.Embed(ids, table, scale, positions, positionIds));

    public Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation = Activation.None) =>
        Count(_inner.Linear(x, weights, activation));

    public Tensor Norm(in Tensor x, in NormWeights weights) => Count(_inner.Norm(x, weights));

    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights) => Count(_inner.AddNorm(x, residual, weights));

    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum)
    {
        Tensor y = _inner.AddNorm(x, residual, weights, out sum);
        Count(sum);
        return Count(y);
    }

    public Tensor Add(in Tensor x, in Tensor y) => Count(_inner.Add(x, y));

    public Tensor Multiply(in Tensor x, in Tensor y) => Count(_inner.Multiply(x, y));

    public Tensor Unfold(in Tensor x, in Ragged batch, in Taps taps) => Count(_inner.Unfold(x, batch, taps));

    public Tensor DepthwiseConvolution(in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps) =>
        Count(_inner.DepthwiseConvolution(x, filter, bias, batch, taps));

    public Tensor TakePosition(in Tensor x, in Ragged batch, int position) => Count(_inner.TakePosition(x, batch, position));

    public Tensor JoinPositions(ReadOnlySpan<Tensor> positions, in Ragged batch) => Count(_inner.JoinPositions(positions, batch));

    public Tensor RecurrentCell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind) =>
        Count(_inner.RecurrentCell(input, hidden, state, kind));

    public Ragged Cut(in Ragged batch, int size)
    {
        Ragged groups = _inner.Cut(batch, size);
        Count(groups.Offsets);
        return groups;
    }

    public Tensor CachedUnfold(in KeyValueCache cache, in CacheView view, in Taps taps) =>
        Count(_inner.CachedUnfold(cache, view, taps));

    public Tensor CachedDepthwiseConvolution(
        in KeyValueCache cache, in CacheView view, in Tensor filter, in Tensor bias, in Taps taps) =>
        Count(_inner.CachedDepthwiseConvolution(cache, view, filter, bias, taps));

    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Count(_inner.Attention(query, key, value, queries, keys, spec));

    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec) =>
        Count(_inner.AdditiveAttention(query, key, value, score, queries, keys, spec));

    public KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads)
    {
        Ask(BytesOf(blocks, keyColumns, valueColumns));
        return Hold(_inner.AllocateCache(blocks, keyColumns, valueColumns, heads));
    }

    public void FreeCache(in KeyValueCache cache)
    {
        _inner.FreeCache(cache);
        Forget(cache);
    }

    // Both are held while the one is copied to the other.
    public KeyValueCache GrowCache(in KeyValueCache cache, int blocks)
    {
        Ask(BytesOf(blocks, cache.KeyColumns, cache.ValueColumns));
        KeyValueCache larger = Hold(_inner.GrowCache(cache, blocks));
        Forget(cache);
        return larger;
    }

    public void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots) =>
        _inner.Append(cache, keys, values, slots);

    public void CopyBlocks(in KeyValueCache cache, in Tensor pairs) => _inner.CopyBlocks(cache, pairs);

    public void CopyBlocks(ReadOnlySpan<KeyValueCache> caches, in Tensor pairs)
    {
        foreach (KeyValueCache cache in caches)
        {
            if (cache.Blocks != caches[0].Blocks)
                throw new ArgumentException("The caches differ in blocks, expected equal ones.", nameof(caches));
        }

        _inner.CopyBlocks(caches, pairs);
    }

    public Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        Count(_inner.CachedAttention(query, cache, view, spec));

    public Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        Count(_inner.CachedAdditiveAttention(query, score, cache, view, spec));

    public Tensor AttentionWeights(
        in Tensor query, in Tensor key, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Count(_inner.AttentionWeights(query, key, score, queries, keys, spec));

    public Tensor CachedAttentionWeights(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int firstHeads) =>
        Count(_inner.CachedAttentionWeights(query, score, cache, view, spec, firstHeads));

    public void Suppress(in Tensor logits, in Tensor places) => _inner.Suppress(logits, places);

    public void Penalize(in Tensor logits, in Tensor places, in Tensor penalties) => _inner.Penalize(logits, places, penalties);

    public Tensor SelectColumns(in Tensor x, in Tensor columns) => Count(_inner.SelectColumns(x, columns));

    public Tensor LogSoftmax(in Tensor logits) => Count(_inner.LogSoftmax(logits));

    public Tensor TopK(in Tensor logits, int k, out Tensor tokens)
    {
        Tensor scores = _inner.TopK(logits, k, out tokens);
        Count(tokens);
        return Count(scores);
    }

    public Tensor LogProbability(in Tensor logits, in Tensor tokens) => Count(_inner.LogProbability(logits, tokens));

    public Tensor Sample(in Tensor logits, in Tensor draws, float temperature, out Tensor tokens)
    {
        Tensor scores = _inner.Sample(logits, draws, temperature, out tokens);
        Count(tokens);
        return Count(scores);
    }

    public void AdvanceBeams(in Tensor scores, in Tensor tokens, in BeamState state) => _inner.AdvanceBeams(scores, tokens, state);

    public void Dispose() => _inner.Dispose();

    private static long BytesOf(int blocks, int keyColumns, int valueColumns) =>
        (long)blocks * (keyColumns + valueColumns) * KeyValueCache.BlockPositions * sizeof(float);

    private static long BytesOf(in KeyValueCache cache) => BytesOf(cache.Blocks, cache.KeyColumns, cache.ValueColumns);

    [SuppressMessage("Usage", "CA2201", Justification = "It is what IBackend promises.")]
    private void Ask(long bytes)
    {
        Requests++;
        if (Fault is not null) throw Fault;
        long total = _ofHeld + _ofFrame + bytes;
        if (total > Capacity || Requests == RefusedRequest)
        {
            Refused++;
            throw new OutOfMemoryException($"{bytes:N0} bytes were asked for; {Capacity - _ofHeld - _ofFrame:N0} are free.");
        }

        Peak = Math.Max(Peak, total);
    }

    private Tensor Count(Tensor result)
    {
        Ask(result.Shape.Count * result.Type.Bytes());
        _ofFrame += result.Shape.Count * result.Type.Bytes();
        return result;
    }

    private Tensor Hold(Tensor tensor)
    {
        Hold(tensor.Handle, tensor.Shape.Count * tensor.Type.Bytes());
        return tensor;
    }

    private KeyValueCache Hold(KeyValueCache cache)
    {
        Hold(cache.Keys.Handle, BytesOf(cache));
        return cache;
    }

    private void Hold(nint handle, long bytes)
    {
        _held.Add(handle, bytes);
        _ofHeld += bytes;
    }

    private void Forget(in KeyValueCache cache)
    {
        _held.Remove(cache.Keys.Handle, out long bytes);
        _ofHeld -= bytes;
    }
}
