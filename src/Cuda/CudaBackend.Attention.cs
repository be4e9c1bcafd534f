// Attention of whole sentences: a block a tile of queries of one sentence and head, in float32 or by tensor cores.
using Engine.Backends;
using Engine.Cuda.Device;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const uint ThreadsOfAttention = 128;
    private const int QueriesOfTile = 16;
    private const int WarpsOfWeights = 4;   // a warp has a query and head
    private const int Lanes = 32;
    private const float LogarithmOfE = 1.44269504f;     // to the base of two

    private FlashKernels? _flash;

    /// <inheritdoc />
    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        AttendSentences(query, key, value, Tensor.None, queries, keys, spec, Backends.Dropout.None);

    /// <inheritdoc />
    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec)
    {
        if (score.IsNone) throw new ArgumentException("score is none, expected the vector of additive attention.", nameof(score));
        return AttendSentences(query, key, value, score, queries, keys, spec, Backends.Dropout.None);
    }

    /// <inheritdoc />
    public Tensor AttentionWeights(
        in Tensor query, in Tensor key, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec)
    {
        AttentionShapes.Sentences(query, key, key, score, queries, keys, spec);
        Tensor y = Rent(new Shape(checked(query.Rows * spec.Heads), keys.Longest), DType.Float32);
        if (y.Shape.Count == 0 || queries.Longest == 0) return y;
        var tiles = (int)Blocks(queries.Longest, WarpsOfWeights);
        Launch(
            score.IsNone ? _kernels.WeightsDot : _kernels.WeightsAdditive, checked((uint)queries.Sentences * (uint)tiles),
            (uint)spec.Heads, 1, ThreadsOfAttention, 0,
            Address(query), (long)query.Stride, Address(key), (long)key.Stride, Address(score), Address(queries.Offsets),
            Address(keys.Offsets), query.Rows, key.Rows, tiles, spec.Heads, key.Columns / spec.Heads, spec.Scale, spec.Mask.Left,
            spec.Mask.Right, Address(y), (long)y.Stride, y.Columns);
        return y;
    }

    private Tensor AttendSentences(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout)
    {
        AttentionShapes.Sentences(query, key, value, score, queries, keys, spec);
        Tensor y = Rent(new Shape(query.Rows, value.Columns), DType.Float32);
        if (y.Shape.Count == 0 || queries.Longest == 0) return y;
        int headDim = key.Columns / spec.Heads, valueDim = value.Columns / spec.Heads;
        bool isForTensorCores = score.IsNone && dropout.IsNone && headDim > 0 && valueDim % 2 == 0
            && Math.Max(headDim, valueDim) <= FlashKernels.WidestHead;
        if (_arithmetic != Arithmetic.Float32 && isForTensorCores && key.Rows > 0)
        {
            AttendByTensorCores(query, key, value, queries, keys, spec, y);
            return y;
        }

        int tiles = (queries.Longest + QueriesOfTile - 1) / QueriesOfTile;
        (int columns, uint slices) = ValueSlices(valueDim);
        Kernel kernel = dropout.IsNone
            ? _kernels.Attention(!score.IsNone, columns)
            : Training.Attention(!score.IsNone, columns);

        // A kernel without dropout lacks the last five parameters, and does not look at them.
        Launch(
            kernel, checked((uint)queries.Sentences * (uint)tiles), (uint)spec.Heads, slices,
            ThreadsOfAttention, 0,
            Address(query), (long)query.Stride, Address(key), (long)key.Stride, Address(value), (long)value.Stride,
            Address(score), Address(queries.Offsets), Address(keys.Offsets), query.Rows, key.Rows, tiles, headDim, valueDim,
            spec.Scale, spec.Mask.Left, spec.Mask.Right, Address(y), (long)y.Stride,
            (uint)dropout.Key, (uint)(dropout.Key >> 32), dropout.Site, dropout.Threshold, dropout.Scale);
        return y;
    }

    // Keys and values are rounded once, to memory that is given back at once: what comes behind in the stream waits.
    private void AttendByTensorCores(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec, in Tensor y)
    {
        FlashKernels flash = _flash ??= new FlashKernels(_context, _arithmetic);
        int headDim = key.Columns / spec.Heads, valueDim = value.Columns / spec.Heads;
        int width = FlashKernels.WidthOf(Math.Max(headDim, valueDim)), tiles = (int)Blocks(queries.Longest, flash.QueriesOfTile);
        (int, long) mark = _arena.Mark();
        long bytes = (long)spec.Heads * key.Rows * width * flash.ElementBytes;
        nint packedKeys = _arena.Take(bytes), packedValues = _arena.Take(bytes);
        Launch(
            flash.Pack, Blocks(key.Rows, FlashKernels.RowsOfPackingBlock(width)), (uint)spec.Heads, 2, FlashKernels.Threads, 0,
            Address(key), (long)key.Stride, Address(value), (long)value.Stride, key.Rows, headDim, valueDim, width, packedKeys,
            packedValues);
        Launch(
            flash.Attend(width), checked((uint)queries.Sentences * (uint)tiles), (uint)spec.Heads, 1, FlashKernels.Threads,
            (uint)flash.SharedBytes(width),
            Address(query), (long)query.Stride, packedKeys, packedValues, Address(queries.Offsets), Address(keys.Offsets),
            query.Rows, key.Rows, tiles, headDim, valueDim, spec.Scale * LogarithmOfE, spec.Mask.Left, spec.Mask.Right, Address(y),
            (long)y.Stride);
        _arena.Release(mark);
    }

    // Columns of a value that a lane has, and how many blocks share a value; each of them computes the scores.
    private static (int Columns, uint Slices) ValueSlices(int valueDim)
    {
        int columns = valueDim <= Lanes ? 1 : valueDim <= 2 * Lanes ? 2 : 4;
        return (columns, Blocks(valueDim, columns * Lanes));
    }
}
