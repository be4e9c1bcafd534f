// The layers that mix positions without attention: convolutions, positions taken out of a batch and put back, recurrent cells, groups;
// each of them one launch.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const uint ThreadsOfCell = 128;     // a thread has one number of the state
    private const int MostGridSentences = 65_535;

    /// <inheritdoc />
    public Tensor Unfold(in Tensor x, in Ragged batch, in Taps taps)
    {
        SequenceShapes.Unfold(x, batch, taps);
        Tensor y = Rent(new Shape(x.Rows, taps.Count * x.Columns), DType.Float32);
        if (y.Shape.Count == 0 || batch.Longest == 0) return y;
        Spread spread = Spread.OfRows(batch.Longest, y.Columns, Seam.Of(x) | Seam.Of(y) | Seam.OfColumns(x.Columns));
        Launch(
            _kernels.Unfold, spread.Across, spread.Down, GridSentences(batch), ThreadsOfWide, 0,
            Address(x), (long)x.Stride, Address(batch.Offsets), batch.Sentences, x.Rows, x.Columns, taps.Count, taps.Before,
            taps.Dilation, Address(y), (long)y.Stride, spread.IsAligned);
        return y;
    }

    /// <inheritdoc />
    public Tensor DepthwiseConvolution(in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps)
    {
        SequenceShapes.Unfold(x, batch, taps);
        SequenceShapes.Filter(filter, bias, taps, x.Columns);
        Tensor y = Rent(x.Shape, DType.Float32);
        if (y.Shape.Count == 0 || batch.Longest == 0) return y;
        Spread spread = Spread.OfRows(
            batch.Longest, y.Columns, Seam.Of(x) | Seam.Of(filter) | Seam.OfVector(bias) | Seam.Of(y));
        Launch(
            _kernels.Depthwise, spread.Across, spread.Down, GridSentences(batch), ThreadsOfWide, 0,
            Address(x), (long)x.Stride, Address(filter), (long)filter.Stride, Address(bias), Address(batch.Offsets), batch.Sentences,
            x.Rows, x.Columns, taps.Count, taps.Before, taps.Dilation, Address(y), (long)y.Stride, spread.IsAligned);
        return y;
    }

    /// <inheritdoc />
    public Tensor CachedUnfold(in KeyValueCache cache, in CacheView view, in Taps taps)
    {
        SequenceShapes.Cached(cache, view, taps);
        Tensor y = Rent(new Shape(view.Lengths.Columns, checked(taps.Count * cache.ValueColumns)), DType.Float32);
        if (y.Shape.Count == 0) return y;
        Spread spread = Spread.OfRows(y.Rows, y.Columns, Seam.Of(y) | Seam.OfColumns(cache.ValueColumns));
        Launch(
            _kernels.CachedUnfold, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(cache.Values), cache.Blocks, Address(view.Blocks), (long)view.Blocks.Stride, view.Blocks.Columns,
            Address(view.Lengths), y.Rows, cache.ValueColumns, taps.Count, taps.Before, taps.Dilation, Address(y), (long)y.Stride,
            spread.IsAligned);
        return y;
    }

    /// <inheritdoc />
    public Tensor CachedDepthwiseConvolution(
        in KeyValueCache cache, in CacheView view, in Tensor filter, in Tensor bias, in Taps taps)
    {
        SequenceShapes.Cached(cache, view, taps);
        SequenceShapes.Filter(filter, bias, taps, cache.ValueColumns);
        Tensor y = Rent(new Shape(view.Lengths.Columns, cache.ValueColumns), DType.Float32);
        if (y.Shape.Count == 0) return y;
        Spread spread = Spread.OfRows(
            y.Rows, y.Columns, Seam.Of(filter) | Seam.OfVector(bias) | Seam.Of(y) | Seam.OfColumns(cache.ValueColumns));
        Launch(
            _kernels.CachedDepthwise, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(cache.Values), cache.Blocks, Address(view.Blocks), (long)view.Blocks.Stride, view.Blocks.Columns,
            Address(view.Lengths), Address(filter), (long)filter.Stride, Address(bias), y.Rows, y.Columns, taps.Count, taps.Before,
            taps.Dilation, Address(y), (long)y.Stride, spread.IsAligned);
        return y;
    }

    /// <inheritdoc />
    public Tensor TakePosition(in Tensor x, in Ragged batch, int position)
    {
        SequenceShapes.Position(x, batch, position);
        Tensor y = Rent(new Shape(batch.Sentences, x.Columns), DType.Float32);
        if (y.Shape.Count == 0) return y;
        Spread spread = Spread.OfRows(y.Rows, y.Columns, Seam.Of(x) | Seam.Of(y));
        Launch(
            _kernels.TakePosition, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(x), (long)x.Stride, Address(batch.Offsets), batch.Sentences, x.Rows, x.Columns, position, Address(y),
            (long)y.Stride, spread.IsAligned);
        return y;
    }

    /// <inheritdoc />
    public Tensor JoinPositions(ReadOnlySpan<Tensor> positions, in Ragged batch)
    {
        SequenceShapes.Positions(positions, batch);
        Tensor y = Rent(new Shape(batch.Rows, positions[0].Columns), DType.Float32);
        if (y.Shape.Count == 0) return y;
        for (int position = 0; position < positions.Length; position++)
        {
            Tensor x = positions[position];
            Spread spread = Spread.OfRows(x.Rows, x.Columns, Seam.Of(x) | Seam.Of(y));
            Launch(
                _kernels.PutPosition, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
                Address(x), (long)x.Stride, Address(batch.Offsets), batch.Sentences, y.Rows, y.Columns, position, Address(y),
                (long)y.Stride, spread.IsAligned);
        }

        return y;
    }

    /// <inheritdoc />
    public Tensor RecurrentCell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind)
    {
        SequenceShapes.Cell(input, hidden, state, kind);
        Tensor y = Rent(state.Shape, DType.Float32);
        if (y.Shape.Count == 0) return y;
        int columns = y.Columns / kind.States();
        Launch(
            _kernels.Cell(kind), Blocks(columns, ThreadsOfCell), GridRows(y.Rows), 1, ThreadsOfCell, 0,
            Address(input), (long)input.Stride, Address(hidden), (long)hidden.Stride, Address(state), (long)state.Stride, Address(y),
            (long)y.Stride, y.Rows, columns);
        return y;
    }

    /// <inheritdoc />
    public Ragged Cut(in Ragged batch, int size)
    {
        SequenceShapes.Cut(batch, size);
        var ofSentence = (int)Blocks(batch.Longest, size);
        int groups = checked(batch.Sentences * ofSentence);
        Tensor offsets = Rent(new Shape(1, checked(groups + 1)), DType.Int32);
        Launch(
            _kernels.Cut, Blocks(offsets.Columns, ThreadsOfWide), 1, 1, ThreadsOfWide, 0,
            Address(batch.Offsets), batch.Sentences, ofSentence, size, Address(offsets));
        return new Ragged(offsets, groups, batch.Rows, Math.Min(batch.Longest, size));
    }

    private static uint GridSentences(in Ragged batch) => (uint)Math.Clamp(batch.Sentences, 1, MostGridSentences);
}
