// Attention: over whole sentences, and step by step to a cache. Both are one arithmetic, that of Kernels/KeyBlock.cs.
using Engine.Backends;
using Engine.Cpu.Kernels;
using Engine.Cpu.Memory;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;
using Engine.Tensors;

namespace Engine.Cpu;

public sealed unsafe partial class CpuBackend
{
    // Keys and values of a head that stay in the second cache beside a tile: 240 keys of 64 + 64 elements.
    private const long ShortBytes = 128 * 1024;

    // Fewer pieces than this for each thread would leave threads without work at the end.
    private const int PairsOfThread = 4;

    /// <inheritdoc />
    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        AttendSentences<DotProductScore>(query, key, value, Tensor.None, queries, keys, spec, Backends.Dropout.None);

    /// <inheritdoc />
    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec)
    {
        if (score.IsNone) throw new ArgumentException("score is none, expected the vector of additive attention.", nameof(score));
        return AttendSentences<AdditiveScore>(query, key, value, score, queries, keys, spec, Backends.Dropout.None);
    }

    /// <inheritdoc />
    public Tensor AttentionWeights(
        in Tensor query, in Tensor key, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec)
    {
        AttentionChecks.Sentences(query, key, key, score, queries, keys, spec);
        Tensor result = Rent(new Shape(checked(query.Rows * spec.Heads), keys.Longest), DType.Float32);
        if (result.Shape.Count == 0) return result;
        AttentionArguments arguments = Arguments(query, key, key, score, queries, keys, spec, Backends.Dropout.None);
        arguments.Output = Row<float>(result, 0);
        arguments.OutputStride = result.Stride;
        return score.IsNone
            ? WeighSentences<DotProductScore>(arguments, result)
            : WeighSentences<AdditiveScore>(arguments, result);
    }

    /// <inheritdoc />
    public KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads)
    {
        AttentionShapes.Cache(blocks, keyColumns, valueColumns, heads);
        return new KeyValueCache(
            AllocateBlocks(blocks, keyColumns), AllocateBlocks(blocks, valueColumns), blocks, keyColumns, valueColumns,
            heads);
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
            throw new ArgumentException($"The cache would have {blocks} blocks, expected at least {cache.Blocks}.", nameof(blocks));
        KeyValueCache larger = AllocateCache(blocks, cache.KeyColumns, cache.ValueColumns, cache.Heads);
        CacheBlocks from = new(cache), to = new(larger);
        long keys = from.KeySize * cache.Blocks * sizeof(float), values = from.ValueSize * cache.Blocks * sizeof(float);
        Buffer.MemoryCopy(from.Keys, to.Keys, keys, keys);
        Buffer.MemoryCopy(from.Values, to.Values, values, values);
        FreeCache(cache);
        return larger;
    }

    /// <inheritdoc />
    public void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots)
    {
        AttentionChecks.Append(cache, keys, values, slots);
        long operations = (long)keys.Rows * (cache.KeyColumns + cache.ValueColumns) * 16;    // an element is a line of the cache
        int rowsOfTile = TileKernel.PiecesOfTile(keys.Rows, operations, _pool.Threads);
        if (rowsOfTile > KeyValueCache.BlockPositions) rowsOfTile = Lanes.RoundUp(rowsOfTile);
        var kernel = new AppendRows(
            new CacheBlocks(cache), Row<float>(keys, 0), keys.Stride, Row<float>(values, 0), values.Stride,
            AttentionChecks.First(slots), keys.Rows, rowsOfTile);
        TileKernel.Run(_pool, _rung, kernel, kernel.Tiles);
    }

    /// <inheritdoc />
    public void CopyBlocks(in KeyValueCache cache, in Tensor pairs)
    {
        AttentionChecks.Pairs(cache, pairs);
        var kernel = new CopyCacheBlocks(new CacheBlocks(cache), AttentionChecks.First(pairs), pairs.Stride);
        TileKernel.Run(_pool, _rung, kernel, pairs.Rows);
    }

    /// <inheritdoc />
    public Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        AttendCache<DotProductScore>(query, Tensor.None, cache, view, spec);

    /// <inheritdoc />
    public Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        if (score.IsNone) throw new ArgumentException("score is none, expected the vector of additive attention.", nameof(score));
        return AttendCache<AdditiveScore>(query, score, cache, view, spec);
    }

    /// <inheritdoc />
    public Tensor CachedAttentionWeights(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int firstHeads)
    {
        AttentionChecks.Cached(query, score, cache, view, spec);
        if (firstHeads < 1 || firstHeads > spec.Heads)
            throw new ArgumentException($"firstHeads is {firstHeads}, expected 1 to {spec.Heads}.", nameof(firstHeads));
        Tensor result = Rent(new Shape(query.Rows, view.Longest), DType.Float32);
        CachedArguments arguments = Cached(query, score, cache, view, spec, result);
        return score.IsNone
            ? WeighCache<DotProductScore>(arguments, result, firstHeads)
            : WeighCache<AdditiveScore>(arguments, result, firstHeads);
    }

    private Tensor AttendSentences<TScore>(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout) where TScore : unmanaged, IScore
    {
        AttentionChecks.Sentences(query, key, value, score, queries, keys, spec);
        Tensor result = Rent(new Shape(query.Rows, value.Columns), DType.Float32);
        if (query.Rows == 0) return result;
        AttentionArguments arguments = Arguments(query, key, value, score, queries, keys, spec, dropout);
        arguments.Output = Row<float>(result, 0);
        arguments.OutputStride = result.Stride;
        (int Chunk, long Used) mark = _arena.Mark();
        long seen = Math.Min(keys.Longest, (long)spec.Mask.Left + spec.Mask.Right + 1);
        long operations = query.Rows * seen * ((TScore.Operations * (long)key.Columns) + (2L * value.Columns));
        long pairs = (long)queries.Sentences * spec.Heads;
        long bytesOfPair = (long)keys.Longest * (arguments.HeadDim + arguments.ValueWidth) * sizeof(float);
        if (bytesOfPair <= ShortBytes && (pairs >= (long)_pool.Threads * PairsOfThread || _pool.Threads == 1))
        {
            int longest = Lanes.RoundUp(keys.Longest);
            float* scratch = Scratch(AttentionScratch.Floats(arguments.HeadDim, arguments.ValueWidth, longest));
            var kernel = new ShortAttention<TScore>(
                arguments, scratch, longest, TileKernel.PiecesOfTile(pairs, operations, _pool.Threads));
            TileKernel.Run(_pool, _rung, kernel, kernel.Tiles);
        }
        else
        {
            AttendLong<TScore>(arguments, operations);
        }

        _arena.Release(mark);
        return result;
    }

    private static AttentionArguments Arguments(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout) => new()
        {
            Query = Row<float>(query, 0),
            QueryStride = query.Stride,
            Key = Row<float>(key, 0),
            KeyStride = key.Stride,
            Value = Row<float>(value, 0),
            ValueStride = value.Stride,
            ScoreWeights = score.IsNone ? null : Row<float>(score, 0),
            QueryOffsets = AttentionChecks.First(queries.Offsets),
            KeyOffsets = AttentionChecks.First(keys.Offsets),
            Sentences = queries.Sentences,
            Heads = spec.Heads,
            HeadDim = key.Columns / spec.Heads,
            ValueDim = value.Columns / spec.Heads,
            Scale = spec.Scale,
            Left = spec.Mask.Left,
            Right = spec.Mask.Right,
            Dropout = new DropoutFactors(dropout),
        };

    private void AttendLong<TScore>(in AttentionArguments arguments, long operations) where TScore : unmanaged, IScore
    {
        var panels = new RaggedTiles(arguments.KeyOffsets, arguments.Sentences, Lanes.Count);
        long floats = (long)panels.Count * arguments.Heads * Lanes.Count;
        var keys = (float*)_arena.Take(floats * arguments.HeadDim * sizeof(float));
        var values = (float*)_arena.Take(floats * arguments.ValueWidth * sizeof(float));
        long moved = floats * (arguments.HeadDim + arguments.ValueWidth);
        int panelsOfTile = TileKernel.PiecesOfTile((long)panels.Count * arguments.Heads, 8 * moved, _pool.Threads);
        var packing = new PackHeads(arguments, keys, values, panelsOfTile);
        TileKernel.Run(_pool, _rung, packing, packing.Tiles);

        float* scratch = Scratch(AttentionScratch.Floats(arguments.HeadDim, arguments.ValueWidth, 0));
        var queries = new RaggedTiles(arguments.QueryOffsets, arguments.Sentences, QueryTile.Rows);
        int queriesOfTile = TileKernel.PiecesOfTile((long)queries.Count * arguments.Heads, operations, _pool.Threads);
        var kernel = new FlashAttention<TScore>(arguments, packing, scratch, queriesOfTile);
        TileKernel.Run(_pool, _rung, kernel, kernel.Tiles);
    }

    private Tensor AttendCache<TScore>(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
        where TScore : unmanaged, IScore
    {
        AttentionChecks.Cached(query, score, cache, view, spec);
        Tensor result = Rent(new Shape(query.Rows, cache.ValueColumns), DType.Float32);
        CachedArguments arguments = Cached(query, score, cache, view, spec, result);
        (int Chunk, long Used) mark = _arena.Mark();
        float* scratch = Scratch(CachedAttention<TScore>.ScratchFloats(arguments));
        long seen = Math.Min(view.Longest, spec.Mask.Left + 1L);
        long operations = query.Rows * seen * ((TScore.Operations * (long)cache.KeyColumns) + (2L * cache.ValueColumns));
        int pieces = CachedAttention<TScore>.Pieces(arguments);
        var kernel = new CachedAttention<TScore>(
            arguments, scratch, TileKernel.PiecesOfTile(pieces, operations, _pool.Threads));
        TileKernel.Run(_pool, _rung, kernel, kernel.Tiles);
        _arena.Release(mark);
        return result;
    }

    private Tensor WeighSentences<TScore>(in AttentionArguments arguments, in Tensor result) where TScore : unmanaged, IScore
    {
        (int Chunk, long Used) mark = _arena.Mark();
        float* scratch = Scratch(SentenceWeights<TScore>.ScratchFloats(arguments.HeadDim, result.Columns));
        var kernel = new SentenceWeights<TScore>(arguments, scratch, result.Columns);
        TileKernel.Run(_pool, _rung, kernel, kernel.Tiles);
        _arena.Release(mark);
        return result;
    }

    private Tensor WeighCache<TScore>(in CachedArguments arguments, in Tensor result, int firstHeads)
        where TScore : unmanaged, IScore
    {
        (int Chunk, long Used) mark = _arena.Mark();
        float* scratch = Scratch(AttentionWeights<TScore>.ScratchFloats(result.Columns));
        var kernel = new AttentionWeights<TScore>(arguments, scratch, firstHeads, result.Columns);
        TileKernel.Run(_pool, _rung, kernel, result.Rows);
        _arena.Release(mark);
        return result;
    }

    private static CachedArguments Cached(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec,
        in Tensor result) => new()
        {
            Cache = new CacheBlocks(cache),
            Query = Row<float>(query, 0),
            QueryStride = query.Stride,
            Output = Row<float>(result, 0),
            OutputStride = result.Stride,
            ScoreWeights = score.IsNone ? null : Row<float>(score, 0),
            Blocks = AttentionChecks.First(view.Blocks),
            BlocksStride = view.Blocks.Stride,
            Lengths = AttentionChecks.First(view.Lengths),
            Rows = query.Rows,
            Heads = spec.Heads,
            HeadDim = cache.KeyColumns / spec.Heads,
            ValueDim = cache.ValueColumns / cache.Heads,
            Left = spec.Mask.Left,
            Scale = spec.Scale,
        };

    // A vector more than there are elements: the last values of a head are read as a whole vector.
    private Tensor AllocateBlocks(int blocks, int columns)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var shape = new Shape(blocks, columns * KeyValueCache.BlockPositions);
        long bytes = (shape.Count + Lanes.Count) * sizeof(float);
        void* memory = NativeBuffer.Allocate(bytes, zeroed: true);
        _allocations.Add((nint)memory, bytes);
        return new Tensor((nint)memory, 0, shape, shape.Columns, DType.Float32);
    }

    private float* Scratch(long floatsOfWorker) => (float*)_arena.Take(floatsOfWorker * _pool.Threads * sizeof(float));
}
