// The backward of the layers that mix positions without attention. Nothing is added atomically, so results are the same bits each time.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const int ColumnsOfFilter = 32;     // of a warp

    /// <inheritdoc />
    public Tensor UnfoldBackward(in Tensor dy, in Ragged batch, in Taps taps)
    {
        int columns = SequenceShapes.Fold(dy, batch, taps);
        Tensor dx = Rent(new Shape(dy.Rows, columns), DType.Float32);
        if (dx.Shape.Count == 0 || batch.Longest == 0) return dx;
        Spread spread = Spread.OfRows(batch.Longest, columns, Seam.Of(dy) | Seam.Of(dx) | Seam.OfColumns(columns));
        Launch(
            Training.UnfoldGradient, spread.Across, spread.Down, GridSentences(batch), ThreadsOfWide, 0,
            Address(dy), (long)dy.Stride, Address(batch.Offsets), batch.Sentences, dx.Rows, columns, taps.Count, taps.Before,
            taps.Dilation, Address(dx), (long)dx.Stride, spread.IsAligned);
        return dx;
    }

    /// <inheritdoc />
    public Tensor DepthwiseConvolutionBackward(
        in Tensor x, in Tensor filter, in Tensor dy, in Ragged batch, in Taps taps, in Tensor filterGradient, in Tensor biasGradient)
    {
        SequenceShapes.FilterGradient(x, filter, dy, batch, taps, filterGradient, biasGradient);
        Tensor dx = Rent(x.Shape, DType.Float32);
        if (dx.Shape.Count == 0 || batch.Longest == 0) return dx;
        Spread spread = Spread.OfRows(batch.Longest, dx.Columns, Seam.Of(dy) | Seam.Of(filter) | Seam.Of(dx));
        Launch(
            Training.DepthwiseGradient, spread.Across, spread.Down, GridSentences(batch), ThreadsOfWide, 0,
            Address(dy), (long)dy.Stride, Address(filter), (long)filter.Stride, Address(batch.Offsets), batch.Sentences, dx.Rows,
            dx.Columns, taps.Count, taps.Before, taps.Dilation, Address(dx), (long)dx.Stride, spread.IsAligned);
        Launch(
            Training.FilterGradient, Blocks(x.Columns, ColumnsOfFilter), GridRows(taps.Count), 1, ColumnsOfFilter, 0,
            Address(x), (long)x.Stride, Address(dy), (long)dy.Stride, Address(batch.Offsets), batch.Sentences, x.Rows, x.Columns,
            taps.Count, taps.Before, taps.Dilation, Address(filterGradient), (long)filterGradient.Stride);
        if (!biasGradient.IsNone) SumColumns(Address(dy), dy.Stride, dy.Shape, Address(biasGradient));
        return dx;
    }

    /// <inheritdoc />
    public void TakePositionBackward(in Tensor dy, in Ragged batch, int position, in Tensor gradient)
    {
        SequenceShapes.Position(gradient, batch, position);
        Checks.PositionGradient(dy, batch.Sentences, gradient.Columns);
        if (dy.Shape.Count == 0 || position < 0) return;
        Spread spread = Spread.OfRows(dy.Rows, dy.Columns, Seam.Of(dy) | Seam.Of(gradient));
        Launch(
            Training.TakePositionGradient, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(dy), (long)dy.Stride, Address(batch.Offsets), batch.Sentences, gradient.Rows, gradient.Columns, position,
            Address(gradient), (long)gradient.Stride, spread.IsAligned);
    }

    /// <inheritdoc />
    public Tensor RecurrentCellBackward(
        in Tensor input, in Tensor hidden, in Tensor state, in Tensor dy, CellKind kind, out Tensor hiddenGradient,
        out Tensor stateGradient)
    {
        SequenceShapes.Cell(input, hidden, state, kind);
        RowChecks.Pair(state, nameof(state), dy, nameof(dy));
        Tensor ofInput = Rent(input.Shape, DType.Float32);      // what is given back is set last: a caller may pass a variable twice
        Tensor ofHidden = kind == CellKind.Gru ? Rent(hidden.Shape, DType.Float32) : ofInput;
        Tensor ofState = Rent(state.Shape, DType.Float32);
        if (ofState.Shape.Count > 0)
        {
            int columns = state.Columns / kind.States();
            Launch(
                Training.CellGradient(kind), Blocks(columns, ThreadsOfCell), GridRows(state.Rows), 1, ThreadsOfCell, 0,
                Address(input), (long)input.Stride, Address(hidden), (long)hidden.Stride, Address(state), (long)state.Stride,
                Address(dy), (long)dy.Stride, Address(ofInput), (long)ofInput.Stride, Address(ofHidden), (long)ofHidden.Stride,
                Address(ofState), (long)ofState.Stride, state.Rows, columns);
        }

        hiddenGradient = ofHidden;
        stateGradient = ofState;
        return ofInput;
    }

    /// <inheritdoc />
    public void Accumulate(in Tensor sum, in Tensor x)
    {
        RowChecks.Pair(sum, nameof(sum), x, nameof(x));
        RunElementwise(_kernels.Add, sum, x, sum);
    }
}
