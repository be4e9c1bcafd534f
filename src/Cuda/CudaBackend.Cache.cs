// The cache of keys and values, and attention to it. Inside a block the layout is the kernels': keys [heads * headDim][16], values
// [heads][16][valueDim].
using System.Numerics;
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const int WarpsOfCached = 4;    // a warp has a row and head, or, for the weights, a row

    // A history is cut in parts where it is long and there are fewer warps than a device needs to be busy.
    private const int KeysOfBlock = 64, FewestKeysOfPart = 2 * KeysOfBlock, FewestKeysToCut = 2 * FewestKeysOfPart;
    private const int WarpsOfMultiprocessor = 16, MostParts = 32;
    private const int NumbersOfPart = 2;    // beside its sum of values

    private const int MostCaches = 256;     // more are copied in one by one

    private CachedWork _lastCached;
    private long[] _cacheAddresses = [];
    private nint _cacheTable;

    /// <inheritdoc />
    public KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads)
    {
        AttentionShapes.Cache(blocks, keyColumns, valueColumns, heads);
        Tensor keys = Allocate(new Shape(blocks, keyColumns * KeyValueCache.BlockPositions), DType.Float32);
        try
        {
            Tensor values = Allocate(new Shape(blocks, valueColumns * KeyValueCache.BlockPositions), DType.Float32);
            return new KeyValueCache(keys, values, blocks, keyColumns, valueColumns, heads);
        }
        catch
        {
            Free(keys);
            throw;
        }
    }

    /// <inheritdoc />
    public void FreeCache(in KeyValueCache cache)
    {
        Free(cache.Keys);
        Free(cache.Values);
    }

    /// <inheritdoc />
    public KeyValueCache GrowCache(in KeyValueCache cache, int blocks)
    {
        if (blocks < cache.Blocks)
        {
            throw new ArgumentException(
                $"The cache would have {blocks} blocks, expected at least {cache.Blocks}.", nameof(blocks));
        }

        KeyValueCache larger = AllocateCache(blocks, cache.KeyColumns, cache.ValueColumns, cache.Heads);
        _context.Stream.Copy(Address(larger.Keys), Address(cache.Keys), cache.Keys.Shape.Count * sizeof(float));
        _context.Stream.Copy(Address(larger.Values), Address(cache.Values), cache.Values.Shape.Count * sizeof(float));
        FreeCache(cache);
        return larger;
    }

    /// <inheritdoc />
    public void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots)
    {
        AttentionShapes.Append(cache, keys, values, slots);
        if (keys.Rows == 0) return;
        Launch(
            _kernels.Append, (uint)keys.Rows, 1, 1, ThreadsOfRow, 0,
            Address(keys), (long)keys.Stride, Address(values), (long)values.Stride, Address(slots), Address(cache.Keys),
            Address(cache.Values), cache.Blocks, cache.KeyColumns, cache.ValueColumns, cache.ValueColumns / cache.Heads);
    }

    /// <inheritdoc />
    public void CopyBlocks(in KeyValueCache cache, in Tensor pairs)
    {
        AttentionShapes.Pairs(pairs);
        if (pairs.Rows == 0) return;
        Launch(
            _kernels.CopyBlocks, (uint)pairs.Rows, 1, 1, ThreadsOfRow, 0,
            Address(cache.Keys), Address(cache.Values), cache.Blocks, cache.KeyColumns, cache.ValueColumns, Address(pairs),
            (long)pairs.Stride);
    }

    /// <inheritdoc />
    public void CopyBlocks(ReadOnlySpan<KeyValueCache> caches, in Tensor pairs)
    {
        if (caches.IsEmpty) return;
        if (caches.Length > MostCaches)
        {
            foreach (KeyValueCache cache in caches) CopyBlocks(cache, pairs);
            return;
        }

        KeyValueCache first = caches[0];
        foreach (KeyValueCache cache in caches)
        {
            if ((cache.Blocks, cache.KeyColumns, cache.ValueColumns) == (first.Blocks, first.KeyColumns, first.ValueColumns)) continue;
            throw new ArgumentException("The caches differ in blocks or columns, expected equal ones.", nameof(caches));
        }

        AttentionShapes.Pairs(pairs);
        if (pairs.Rows == 0) return;
        Launch(
            _kernels.CopyBlocksOfLayers, (uint)pairs.Rows, (uint)caches.Length, 1, ThreadsOfRow, 0,
            AddressesOf(caches), first.Blocks, first.KeyColumns, first.ValueColumns, Address(pairs), (long)pairs.Stride);
    }

    /// <inheritdoc />
    public Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        AttendCache(query, Tensor.None, cache, view, spec);

    /// <inheritdoc />
    public Tensor AppendAndAttend(
        in Tensor query, in Tensor keys, in Tensor values, in Tensor slots, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        AttentionShapes.Append(cache, keys, values, slots);
        if (keys.Rows != query.Rows)
            throw new ArgumentException($"keys is {keys.Shape}, expected {query.Rows} rows, as the query has.", nameof(keys));
        return AttendCache(query, Tensor.None, cache, view, spec, new Appended(keys, values, slots));
    }

    /// <inheritdoc />
    public Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        if (score.IsNone) throw new ArgumentException("score is none, expected the vector of additive attention.", nameof(score));
        return AttendCache(query, score, cache, view, spec);
    }

    /// <inheritdoc />
    public Tensor CachedAttentionWeights(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int firstHeads)
    {
        AttentionShapes.Cached(query, score, cache, view, spec);
        if (firstHeads < 1 || firstHeads > spec.Heads)
            throw new ArgumentException($"firstHeads is {firstHeads}, expected 1 to {spec.Heads}.", nameof(firstHeads));
        Tensor y = Rent(new Shape(query.Rows, view.Longest), DType.Float32);
        if (y.Shape.Count == 0) return y;
        Launch(
            score.IsNone ? _kernels.CachedWeightsDot : _kernels.CachedWeightsAdditive, Blocks(query.Rows, WarpsOfCached), 1, 1,
            ThreadsOfAttention, 0,
            Address(query), (long)query.Stride, Address(score), Address(cache.Keys), cache.Blocks, Address(view.Blocks),
            (long)view.Blocks.Stride, view.Blocks.Columns, Address(view.Lengths), query.Rows, spec.Heads,
            cache.KeyColumns / spec.Heads, spec.Scale, spec.Mask.Left, firstHeads, Address(y), (long)y.Stride, y.Columns);
        return y;
    }

    // The table of the caches' addresses on the device. It is written when they change, so a step like the one before writes nothing.
    private nint AddressesOf(ReadOnlySpan<KeyValueCache> caches)
    {
        Span<long> addresses = stackalloc long[2 * MostCaches];
        addresses = addresses[..(2 * caches.Length)];
        for (int i = 0; i < caches.Length; i++)
        {
            addresses[2 * i] = Address(caches[i].Keys);
            addresses[(2 * i) + 1] = Address(caches[i].Values);
        }

        if (_cacheTable == 0) _cacheTable = _context.Allocate(2 * MostCaches * sizeof(long));
        if (!addresses.SequenceEqual(_cacheAddresses))
        {
            _staging.Write<long>(_cacheTable, addresses);
            _cacheAddresses = addresses.ToArray();
        }

        return _cacheTable;
    }

    private Tensor AttendCache(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, Appended appended = default)
    {
        AttentionShapes.Cached(query, score, cache, view, spec);
        Tensor y = Rent(new Shape(query.Rows, cache.ValueColumns), DType.Float32);
        if (y.Shape.Count == 0) return y;
        (_, uint slices) = ValueSlices(cache.ValueColumns / spec.Heads);
        int parts = score.IsNone ? PartsOfHistory((long)query.Rows * spec.Heads * slices, view.Longest, spec.Mask.Left) : 1;
        if (!appended.Keys.IsNone && (slices > 1 || parts > 1))
        {
            // Warps that share a row and head would have to wait for the one that appends.
            Append(cache, appended.Keys, appended.Values, appended.Slots);
            appended = default;
        }

        if (parts > 1)
        {
            AttendParts(query, cache, view, spec, parts, y);
            return y;
        }

        _lastCached = new CachedWork(_context.Stream.Next, query, score, cache, view, spec, appended, y);
        LaunchCached(_lastCached, 0, isFloat16: false);
        return y;
    }

    // rounded: where y is wanted in 16 bits too, rows behind each other; 0: nowhere.
    private void LaunchCached(in CachedWork work, nint rounded, bool isFloat16)
    {
        (long _, Tensor query, Tensor score, KeyValueCache cache, CacheView view, AttentionSpec spec, Appended appended, Tensor y) = work;
        int valueDim = cache.ValueColumns / spec.Heads;
        (int columns, uint slices) = ValueSlices(valueDim);
        Launch(
            _kernels.Cached(!score.IsNone, columns), Blocks((long)query.Rows * spec.Heads, WarpsOfCached), slices, 1,
            ThreadsOfAttention, 0,
            Address(query), (long)query.Stride, Address(score), Address(cache.Keys), Address(cache.Values), cache.Blocks,
            Address(view.Blocks), (long)view.Blocks.Stride, view.Blocks.Columns, Address(view.Lengths), query.Rows, spec.Heads,
            cache.KeyColumns / spec.Heads, valueDim, spec.Scale, spec.Mask.Left, Address(y), (long)y.Stride, Address(appended.Keys),
            (long)appended.Keys.Stride, Address(appended.Values), (long)appended.Values.Stride, Address(appended.Slots), rounded,
            isFloat16 ? 1 : 0);
    }

    /// <summary>In how many parts a history is attended to: a power of two, so that one that grows changes it seldom.</summary>
    /// <param name="warps">That there would be without.</param>
    /// <param name="longest">Positions of the longest history.</param>
    /// <param name="left">How many of them are seen.</param>
    internal int PartsOfHistory(long warps, int longest, int left)
    {
        if (_usesOwnProducts || Math.Min(longest - 1, left) < FewestKeysToCut - 1) return 1;
        long wanted = (long)_context.Multiprocessors * WarpsOfMultiprocessor / warps;
        long most = Math.Min(Math.Min(wanted, longest / FewestKeysOfPart), MostParts);
        return most < 2 ? 1 : 1 << BitOperations.Log2((ulong)most);
    }

    // Each part by a warp of its own, then all parts of a row and head joined in their order.
    private void AttendParts(
        in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int parts, in Tensor y)
    {
        int valueDim = cache.ValueColumns / spec.Heads;
        long pieces = (long)query.Rows * spec.Heads;
        int keysOfPart = (int)Blocks(Blocks(view.Longest, KeysOfBlock), parts) * KeysOfBlock;
        (int columns, uint slices) = ValueSlices(valueDim);
        (int, long) mark = _arena.Mark();
        nint results = _arena.Take(pieces * parts * (NumbersOfPart + valueDim) * sizeof(float));
        Launch(
            _kernels.CachedPart(columns), Blocks(pieces, WarpsOfCached), slices, (uint)parts, ThreadsOfAttention, 0,
            Address(query), (long)query.Stride, Address(cache.Keys), Address(cache.Values), cache.Blocks, Address(view.Blocks),
            (long)view.Blocks.Stride, view.Blocks.Columns, Address(view.Lengths), query.Rows, spec.Heads,
            cache.KeyColumns / spec.Heads, valueDim, spec.Scale, spec.Mask.Left, results, parts, keysOfPart);
        Launch(
            _kernels.JoinParts, Blocks(pieces, WarpsOfCached), 1, 1, ThreadsOfAttention, 0,
            results, parts, query.Rows, spec.Heads, valueDim, Address(y), (long)y.Stride);
        _arena.Release(mark);
    }

    // What each row writes to the cache before it attends to it; none: nothing.
    private readonly record struct Appended(Tensor Keys, Tensor Values, Tensor Slots);

    // Attention to a cache as it was launched, and the number under which it was written down.
    private readonly record struct CachedWork(
        long Number, Tensor Query, Tensor Score, KeyValueCache Cache, CacheView View, AttentionSpec Spec, Appended Appended, Tensor Y);
}
