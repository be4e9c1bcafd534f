// Convolutions and recurrent cells of the reference backend: arguments checked, then the functions that define them.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc />
    public Tensor Unfold(in Tensor x, in Ragged batch, in Taps taps)
    {
        SequenceShapes.Unfold(x, batch, taps);
        return Result(
            new Shape(x.Rows, taps.Count * x.Columns),
            SequenceReference.Unfold(Numbers(x), x.Columns, SequenceReference.Seen(Sentences(batch), taps)));
    }

    /// <inheritdoc />
    public Tensor UnfoldBackward(in Tensor dy, in Ragged batch, in Taps taps)
    {
        int columns = SequenceShapes.Fold(dy, batch, taps);
        return Result(
            new Shape(dy.Rows, columns),
            SequenceReference.Fold(Numbers(dy), dy.Rows, columns, SequenceReference.Seen(Sentences(batch), taps)));
    }

    /// <inheritdoc />
    public Tensor DepthwiseConvolution(in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps)
    {
        SequenceShapes.Unfold(x, batch, taps);
        SequenceShapes.Filter(filter, bias, taps, x.Columns);
        int[] seen = SequenceReference.Seen(Sentences(batch), taps);
        return Result(x.Shape, SequenceReference.Depthwise(Numbers(x), Numbers(filter), Numbers(bias), x.Columns, seen));
    }

    /// <inheritdoc />
    public Tensor DepthwiseConvolutionBackward(
        in Tensor x, in Tensor filter, in Tensor dy, in Ragged batch, in Taps taps, in Tensor filterGradient,
        in Tensor biasGradient)
    {
        SequenceShapes.FilterGradient(x, filter, dy, batch, taps, filterGradient, biasGradient);
        double[] d = Numbers(dy);
        var (ofX, ofFilter) = SequenceReference.DepthwiseGradients(
            Numbers(x), Numbers(filter), d, x.Columns, SequenceReference.Seen(Sentences(batch), taps));
        AddTo(filterGradient, ofFilter);
        if (!biasGradient.IsNone) AddTo(biasGradient, LinearGradientReference.Bias(d, dy.Columns));
        return Result(x.Shape, ofX);
    }

    /// <inheritdoc />
    public Tensor TakePosition(in Tensor x, in Ragged batch, int position)
    {
        SequenceShapes.Position(x, batch, position);
        (double[] values, int[] offsets) = (Numbers(x), Sentences(batch));
        var y = new double[batch.Sentences * x.Columns];
        for (int s = 0; s < batch.Sentences; s++)
        {
            if (position >= 0 && offsets[s] + position < offsets[s + 1])
                Array.Copy(values, (offsets[s] + position) * x.Columns, y, s * x.Columns, x.Columns);
        }

        return Result(new Shape(batch.Sentences, x.Columns), y);
    }

    /// <inheritdoc />
    public void TakePositionBackward(in Tensor dy, in Ragged batch, int position, in Tensor gradient)
    {
        SequenceShapes.Position(gradient, batch, position);
        CheckShape(dy, new Shape(batch.Sentences, gradient.Columns), "dy");
        (double[] d, int[] offsets) = (Numbers(dy), Sentences(batch));
        var sum = new double[gradient.Shape.Count];
        for (int s = 0; s < batch.Sentences; s++)
        {
            if (position >= 0 && offsets[s] + position < offsets[s + 1])
                Array.Copy(d, s * gradient.Columns, sum, (offsets[s] + position) * gradient.Columns, gradient.Columns);
        }

        AddTo(gradient, sum);
    }

    /// <inheritdoc />
    public Tensor JoinPositions(ReadOnlySpan<Tensor> positions, in Ragged batch)
    {
        SequenceShapes.Positions(positions, batch);
        int[] offsets = Sentences(batch);
        int columns = positions[0].Columns;
        var y = new double[batch.Rows * columns];
        for (int position = 0; position < positions.Length; position++)
        {
            double[] rows = ReadDoubles(positions[position]);
            for (int s = 0; s < batch.Sentences; s++)
            {
                if (offsets[s] + position < offsets[s + 1])
                    Array.Copy(rows, s * columns, y, (offsets[s] + position) * columns, columns);
            }
        }

        return Result(new Shape(batch.Rows, columns), y);
    }

    /// <inheritdoc />
    public Tensor RecurrentCell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind)
    {
        SequenceShapes.Cell(input, hidden, state, kind);
        (double[] a, double[] b, double[] before) = (Numbers(input), Numbers(hidden), Numbers(state));
        int columns = state.Columns / kind.States();
        var next = new double[state.Shape.Count];
        for (int row = 0; row < state.Rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                Exact[] y = SequenceReference.Cell<Exact>(
                    kind, Column(a, row, column, columns, kind.Gates()), Column(b, row, column, columns, kind.Gates()),
                    Column(before, row, column, columns, kind.States()));
                Spread(y, next, row, column, columns);
            }
        }

        return Result(state.Shape, next);
    }

    /// <inheritdoc />
    public Tensor RecurrentCellBackward(
        in Tensor input, in Tensor hidden, in Tensor state, in Tensor dy, CellKind kind, out Tensor hiddenGradient,
        out Tensor stateGradient)
    {
        SequenceShapes.Cell(input, hidden, state, kind);
        CheckShape(dy, state.Shape, "dy");
        (double[] a, double[] b, double[] before, double[] d) = (Numbers(input), Numbers(hidden), Numbers(state), Numbers(dy));
        int columns = state.Columns / kind.States();
        double[] ofInput = new double[a.Length], ofHidden = new double[a.Length], ofState = new double[before.Length];
        for (int row = 0; row < state.Rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                (Exact[] gates, Exact[] others, Exact[] states) = SequenceReference.CellGradients<Exact>(
                    kind, Column(a, row, column, columns, kind.Gates()), Column(b, row, column, columns, kind.Gates()),
                    Column(before, row, column, columns, kind.States()), Column(d, row, column, columns, kind.States()));
                Spread(gates, ofInput, row, column, columns);
                Spread(others, ofHidden, row, column, columns);
                Spread(states, ofState, row, column, columns);
            }
        }

        hiddenGradient = Result(input.Shape, ofHidden);
        stateGradient = Result(state.Shape, ofState);
        return Result(input.Shape, ofInput);
    }

    /// <inheritdoc />
    public Ragged Cut(in Ragged batch, int size)
    {
        SequenceShapes.Cut(batch, size);
        int[] offsets = Sentences(batch);
        int groups = (batch.Longest + size - 1) / size;
        var cut = new List<int>();
        for (int s = 0; s < batch.Sentences; s++)
            for (int group = 0; group < groups; group++) cut.Add(Math.Min(offsets[s] + (group * size), offsets[s + 1]));
        cut.Add(batch.Rows);
        Tensor table = Rent(new Shape(1, cut.Count), DType.Int32);
        Store(table, cut.ToArray());
        return new Ragged(table, cut.Count - 1, batch.Rows, Math.Min(size, batch.Longest));
    }

    /// <inheritdoc />
    public Tensor CachedUnfold(in KeyValueCache cache, in CacheView view, in Taps taps)
    {
        SequenceShapes.Cached(cache, view, taps);
        int rows = view.Lengths.Columns, columns = cache.ValueColumns;
        var y = new double[rows * taps.Count * columns];
        for (int row = 0; row < rows; row++)
        {
            double[] history = History(cache.Values, view, row);
            int last = (history.Length / Math.Max(columns, 1)) - 1;
            for (int tap = 0; tap < taps.Count && columns > 0; tap++)
            {
                long at = last + taps.Offset(tap);
                if (at >= 0 && at <= last) Array.Copy(history, at * columns, y, ((row * taps.Count) + tap) * columns, columns);
            }
        }

        return Result(new Shape(rows, taps.Count * columns), y);
    }

    /// <inheritdoc />
    public Tensor CachedDepthwiseConvolution(
        in KeyValueCache cache, in CacheView view, in Tensor filter, in Tensor bias, in Taps taps)
    {
        SequenceShapes.Filter(filter, bias, taps, cache.ValueColumns);
        double[] seen = Numbers(CachedUnfold(cache, view, taps)), weights = Numbers(filter), start = Numbers(bias);
        int rows = view.Lengths.Columns, columns = cache.ValueColumns;
        var y = new double[rows * columns];
        for (int i = 0; i < y.Length; i++)
        {
            (int row, int column) = (i / columns, i % columns);
            y[i] = start.Length == 0 ? 0 : start[column];
            for (int tap = 0; tap < taps.Count; tap++)
                y[i] += weights[(tap * columns) + column] * seen[(((row * taps.Count) + tap) * columns) + column];
        }

        return Result(new Shape(rows, columns), y);
    }

    /// <inheritdoc />
    public void Accumulate(in Tensor sum, in Tensor x)
    {
        CheckShape(x, sum.Shape, "x");
        AddTo(sum, Numbers(x));
    }

    private int[] Sentences(in Ragged batch)
    {
        int[] offsets = Integers(batch.Offsets);
        Require(
            offsets[0] == 0 && offsets[^1] == batch.Rows,
            $"The sentences are the rows {offsets[0]} to {offsets[^1]}, expected 0 to {batch.Rows}.");
        return offsets;
    }

    // One column of parts that stand side by side.
    private static Exact[] Column(double[] table, int row, int column, int columns, int parts) =>
        [.. Enumerable.Range(0, parts).Select(part => new Exact(table[(((row * parts) + part) * columns) + column]))];

    private static void Spread(Exact[] parts, double[] table, int row, int column, int columns)
    {
        for (int part = 0; part < parts.Length; part++)
            table[(((row * parts.Length) + part) * columns) + column] = parts[part].Value;
    }
}
