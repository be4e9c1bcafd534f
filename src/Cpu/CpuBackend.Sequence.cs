// Layers other than attention that mix positions: convolutions and recurrent cells, forward and backward, over sentences and a cache.
using Engine.Backends;
using Engine.Cpu.Kernels;
using Engine.Cpu.Threading;
using Engine.Tensors;

namespace Engine.Cpu;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc />
    public Tensor Unfold(in Tensor x, in Ragged batch, in Taps taps)
    {
        SequenceShapes.Unfold(x, batch, taps);
        AttentionChecks.Offsets(batch, x.Rows, nameof(batch));
        Tensor y = Rent(new Shape(x.Rows, taps.Count * x.Columns), DType.Float32);
        var kernel = new UnfoldRows(
            Rows(x), Rows(y), x.Columns, AttentionChecks.First(batch.Offsets), batch.Sentences, new TapRange(taps, 1));
        RunRows(kernel, y.Shape, ElementsOfArithmetic);
        return y;
    }

    /// <inheritdoc />
    public Tensor UnfoldBackward(in Tensor dy, in Ragged batch, in Taps taps)
    {
        int columns = SequenceShapes.Fold(dy, batch, taps);
        AttentionChecks.Offsets(batch, dy.Rows, nameof(batch));
        Tensor dx = Rent(new Shape(dy.Rows, columns), DType.Float32);
        var kernel = new FoldRows(
            Rows(dy), Rows(dx), columns, AttentionChecks.First(batch.Offsets), batch.Sentences, new TapRange(taps, -1));
        RunRows(kernel, dx.Shape, Math.Max(ElementsOfArithmetic / taps.Count, 1));
        return dx;
    }

    /// <inheritdoc />
    public Tensor DepthwiseConvolution(in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps)
    {
        SequenceShapes.Unfold(x, batch, taps);
        SequenceShapes.Filter(filter, bias, taps, x.Columns);
        AttentionChecks.Offsets(batch, x.Rows, nameof(batch));
        return ConvolveColumns(x, filter, bias, batch, taps, 1);
    }

    /// <inheritdoc />
    public Tensor DepthwiseConvolutionBackward(
        in Tensor x, in Tensor filter, in Tensor dy, in Ragged batch, in Taps taps, in Tensor filterGradient,
        in Tensor biasGradient)
    {
        SequenceShapes.FilterGradient(x, filter, dy, batch, taps, filterGradient, biasGradient);
        AttentionChecks.Offsets(batch, x.Rows, nameof(batch));
        if (x.Shape.Count > 0)
        {
            if (!biasGradient.IsNone) SumColumns(Rows(dy), dy.Shape, Row<float>(biasGradient, 0));
            var kernel = new DepthwiseFilterGradient(
                Rows(x), Rows(dy), Rows(filterGradient), x.Columns, AttentionChecks.First(batch.Offsets), batch.Sentences,
                new TapRange(taps, 1));
            TileKernel.Run(_pool, _rung, kernel, kernel.Tiles);
        }

        return ConvolveColumns(dy, filter, Tensor.None, batch, taps, -1);
    }

    /// <inheritdoc />
    public Tensor TakePosition(in Tensor x, in Ragged batch, int position)
    {
        SequenceShapes.Position(x, batch, position);
        AttentionChecks.Offsets(batch, x.Rows, nameof(batch));
        Tensor y = Rent(new Shape(batch.Sentences, x.Columns), DType.Float32);
        RunRows(new TakenRows(Rows(x), Rows(y), x.Columns, AttentionChecks.First(batch.Offsets), position), y.Shape, ElementsOfArithmetic);
        return y;
    }

    /// <inheritdoc />
    public void TakePositionBackward(in Tensor dy, in Ragged batch, int position, in Tensor gradient)
    {
        SequenceShapes.Position(gradient, batch, position);
        AttentionChecks.Offsets(batch, gradient.Rows, nameof(batch));
        RowChecks.Floats(dy, nameof(dy));
        var expected = new Shape(batch.Sentences, gradient.Columns);
        if (dy.Shape != expected) throw new ArgumentException($"dy is {dy}, expected {expected}.", nameof(dy));
        PutPosition(dy, batch, position, gradient, adds: true);
    }

    /// <inheritdoc />
    public Tensor JoinPositions(ReadOnlySpan<Tensor> positions, in Ragged batch)
    {
        SequenceShapes.Positions(positions, batch);
        AttentionChecks.Offsets(batch, batch.Rows, nameof(batch));
        Tensor y = Rent(new Shape(batch.Rows, positions[0].Columns), DType.Float32);
        for (int position = 0; position < positions.Length; position++) PutPosition(positions[position], batch, position, y, adds: false);
        return y;
    }

    /// <inheritdoc />
    public Tensor RecurrentCell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind)
    {
        SequenceShapes.Cell(input, hidden, state, kind);
        Tensor next = Rent(state.Shape, DType.Float32);
        switch (kind)
        {
            case CellKind.Tanh: RunCell<TanhCell>(input, hidden, state, next, kind); break;
            case CellKind.Lstm: RunCell<LstmCell>(input, hidden, state, next, kind); break;
            default: RunCell<GruCell>(input, hidden, state, next, kind); break;
        }

        return next;
    }

    /// <inheritdoc />
    public Tensor RecurrentCellBackward(
        in Tensor input, in Tensor hidden, in Tensor state, in Tensor dy, CellKind kind, out Tensor hiddenGradient,
        out Tensor stateGradient)
    {
        SequenceShapes.Cell(input, hidden, state, kind);
        RowChecks.Pair(state, nameof(state), dy, nameof(dy));
        Tensor ofInput = Rent(input.Shape, DType.Float32);
        Tensor ofHidden = kind == CellKind.Gru ? Rent(input.Shape, DType.Float32) : ofInput;
        var gradients = (ofInput, ofHidden, OfState: Rent(state.Shape, DType.Float32));
        switch (kind)
        {
            case CellKind.Tanh: RunCellGradient<TanhCell>(input, hidden, state, dy, gradients, kind); break;
            case CellKind.Lstm: RunCellGradient<LstmCell>(input, hidden, state, dy, gradients, kind); break;
            default: RunCellGradient<GruCell>(input, hidden, state, dy, gradients, kind); break;
        }

        (hiddenGradient, stateGradient) = (ofHidden, gradients.OfState);      // last: a caller may pass one variable as both
        return ofInput;
    }

    /// <inheritdoc />
    public Ragged Cut(in Ragged batch, int size)
    {
        SequenceShapes.Cut(batch, size);
        AttentionChecks.Offsets(batch, batch.Rows, nameof(batch));
        int groups = (int)(((long)batch.Longest + size - 1) / size), sentences = checked(batch.Sentences * groups);
        Tensor offsets = Rent(new Shape(1, sentences + 1), DType.Int32);
        int* to = Row<int>(offsets, 0), from = AttentionChecks.First(batch.Offsets);
        for (int s = 0; s < batch.Sentences; s++)
            for (int g = 0; g < groups; g++) *to++ = (int)Math.Min(from[s] + ((long)g * size), from[s + 1]);
        *to = batch.Rows;
        return new Ragged(offsets, sentences, batch.Rows, Math.Min(size, batch.Longest));
    }

    /// <inheritdoc />
    public Tensor CachedUnfold(in KeyValueCache cache, in CacheView view, in Taps taps)
    {
        SequenceShapes.Cached(cache, view, taps);
        AttentionChecks.View(cache, view);
        Tensor y = Rent(new Shape(view.Lengths.Columns, checked(taps.Count * cache.ValueColumns)), DType.Float32);
        var kernel = new CachedUnfoldRows(
            new CacheBlocks(cache), AttentionChecks.First(view.Blocks), view.Blocks.Stride, AttentionChecks.First(view.Lengths), Rows(y),
            new TapRange(taps, 1));
        RunRows(kernel, y.Shape, ElementsOfArithmetic);
        return y;
    }

    /// <inheritdoc />
    public Tensor CachedDepthwiseConvolution(
        in KeyValueCache cache, in CacheView view, in Tensor filter, in Tensor bias, in Taps taps)
    {
        SequenceShapes.Cached(cache, view, taps);
        SequenceShapes.Filter(filter, bias, taps, cache.ValueColumns);
        AttentionChecks.View(cache, view);
        Tensor y = Rent(new Shape(view.Lengths.Columns, cache.ValueColumns), DType.Float32);
        var kernel = new CachedDepthwiseRows(
            new CacheBlocks(cache), AttentionChecks.First(view.Blocks), view.Blocks.Stride, AttentionChecks.First(view.Lengths),
            Rows(filter), bias.IsNone ? null : Row<float>(bias, 0), Rows(y), new TapRange(taps, 1));
        RunRows(kernel, y.Shape, Math.Max(ElementsOfArithmetic / taps.Count, 1));
        return y;
    }

    /// <inheritdoc />
    public void Accumulate(in Tensor sum, in Tensor x)
    {
        RowChecks.Pair(sum, nameof(sum), x, nameof(x));
        RunRows(new Elementwise<Addition>(Rows(sum), Rows(x), Rows(sum), sum.Columns), sum.Shape, ElementsOfArithmetic);
    }

    private Tensor ConvolveColumns(in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps, int sign)
    {
        Tensor y = Rent(x.Shape, DType.Float32);
        var kernel = new DepthwiseRows(
            Rows(x), Rows(filter), bias.IsNone ? null : Row<float>(bias, 0), Rows(y), x.Columns, AttentionChecks.First(batch.Offsets),
            batch.Sentences, new TapRange(taps, sign));
        RunRows(kernel, y.Shape, Math.Max(ElementsOfArithmetic / taps.Count, 1));
        return y;
    }

    private void PutPosition(in Tensor y, in Ragged batch, int position, in Tensor x, bool adds)
    {
        var kernel = new PutRows(Rows(y), Rows(x), y.Columns, AttentionChecks.First(batch.Offsets), position, adds);
        RunRows(kernel, y.Shape, ElementsOfArithmetic);
    }

    private void RunCell<TCell>(in Tensor input, in Tensor hidden, in Tensor state, in Tensor next, CellKind kind)
        where TCell : unmanaged, ICell
    {
        int width = state.Columns / kind.States();
        RunRows(new CellRows<TCell>(Rows(input), Rows(hidden), Rows(state), Rows(next), width), input.Shape, ElementsOfSoftmax);
    }

    private void RunCellGradient<TCell>(
        in Tensor input, in Tensor hidden, in Tensor state, in Tensor dy, (Tensor Input, Tensor Hidden, Tensor State) gradients,
        CellKind kind) where TCell : unmanaged, ICell
    {
        var kernel = new CellGradientRows<TCell>(
            Rows(input), Rows(hidden), Rows(state), Rows(dy), Rows(gradients.Input), Rows(gradients.Hidden), Rows(gradients.State),
            state.Columns / kind.States());
        RunRows(kernel, input.Shape, ElementsOfSoftmax);
    }
}
