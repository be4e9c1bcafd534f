// What the arguments of convolutions and recurrent cells must be as far as their shapes and types say it, checked once for all backends.
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>Throws <see cref="ArgumentException"/> where shapes or types of arguments do not fit together.</summary>
public static class SequenceShapes
{
    /// <summary>Checks taps.</summary>
    public static void Taps(in Taps taps)
    {
        if (taps.Count < 1 || taps.Dilation < 1)
            throw new ArgumentException($"The taps are {taps}, expected at least one and a dilation of at least 1.", nameof(taps));
    }

    /// <summary>Checks what is unfolded, or convolved by columns.</summary>
    public static void Unfold(in Tensor x, in Ragged batch, in Taps taps)
    {
        RowChecks.Floats(x, nameof(x));
        AttentionShapes.Offsets(batch, x.Rows, nameof(batch));
        Taps(taps);
        if ((long)taps.Count * x.Columns > int.MaxValue)
            throw new ArgumentException(
                $"x is {x.Shape} and there are {taps.Count} taps, expected at most {int.MaxValue} numbers a row.", nameof(taps));
    }

    /// <summary>Checks the gradient of what was unfolded, and gives the columns that there were.</summary>
    public static int Fold(in Tensor dy, in Ragged batch, in Taps taps)
    {
        RowChecks.Floats(dy, nameof(dy));
        AttentionShapes.Offsets(batch, dy.Rows, nameof(batch));
        Taps(taps);
        if (dy.Columns % taps.Count != 0)
            throw new ArgumentException($"dy is {dy}, expected a multiple of {taps.Count} columns, the taps.", nameof(dy));
        return dy.Columns / taps.Count;
    }

    /// <summary>Checks a depthwise filter and its bias.</summary>
    public static void Filter(in Tensor filter, in Tensor bias, in Taps taps, int columns)
    {
        Taps(taps);
        RowChecks.Floats(filter, nameof(filter));
        if (filter.Shape != new Shape(taps.Count, columns))
            throw new ArgumentException($"filter is {filter}, expected {new Shape(taps.Count, columns)}.", nameof(filter));
        if (!bias.IsNone) RowChecks.Vector(bias, DType.Float32, columns, nameof(bias));
    }

    /// <summary>Checks the gradients of a depthwise convolution.</summary>
    public static void FilterGradient(
        in Tensor x, in Tensor filter, in Tensor dy, in Ragged batch, in Taps taps, in Tensor filterGradient,
        in Tensor biasGradient)
    {
        RowChecks.Pair(x, nameof(x), dy, nameof(dy));
        AttentionShapes.Offsets(batch, x.Rows, nameof(batch));
        Filter(filter, Tensor.None, taps, x.Columns);
        RowChecks.Pair(filter, nameof(filter), filterGradient, nameof(filterGradient));
        if (!biasGradient.IsNone) RowChecks.Vector(biasGradient, DType.Float32, x.Columns, nameof(biasGradient));
    }

    /// <summary>Checks a position of a batch.</summary>
    public static void Position(in Tensor x, in Ragged batch, int position)
    {
        RowChecks.Floats(x, nameof(x));
        AttentionShapes.Offsets(batch, x.Rows, nameof(batch));
        if (position < -1) throw new ArgumentException($"The position is {position}, expected at least -1.", nameof(position));
    }

    /// <summary>Checks rows that are put together.</summary>
    public static void Positions(ReadOnlySpan<Tensor> positions, in Ragged batch)
    {
        AttentionShapes.Offsets(batch, batch.Rows, nameof(batch));
        if (positions.Length != batch.Longest || positions.IsEmpty)
        {
            throw new ArgumentException(
                $"There are {positions.Length} positions, expected {batch.Longest}, the longest sentence's, and at least one.",
                nameof(positions));
        }

        foreach (Tensor position in positions)
        {
            RowChecks.Floats(position, nameof(positions));
            if (position.Shape != new Shape(batch.Sentences, positions[0].Columns))
            {
                throw new ArgumentException(
                    $"A position is {position}, expected {new Shape(batch.Sentences, positions[0].Columns)}.", nameof(positions));
            }
        }
    }

    /// <summary>Checks the arguments of a recurrent cell.</summary>
    public static void Cell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind)
    {
        RowChecks.Floats(state, nameof(state));
        if (kind is < CellKind.Tanh or > CellKind.Gru)
            throw new ArgumentException($"The cell is {kind}, which is unknown.", nameof(kind));
        if (state.Columns % kind.States() != 0)
            throw new ArgumentException($"state is {state}, expected an even number of columns.", nameof(state));
        RowChecks.Pair(input, nameof(input), hidden, nameof(hidden));
        var expected = new Shape(state.Rows, checked(state.Columns / kind.States() * kind.Gates()));
        if (input.Shape != expected) throw new ArgumentException($"input is {input}, expected {expected}.", nameof(input));
    }

    /// <summary>Checks the size of groups.</summary>
    public static void Cut(in Ragged batch, int size)
    {
        AttentionShapes.Offsets(batch, batch.Rows, nameof(batch));
        if (size < 1) throw new ArgumentException($"The size is {size}, expected at least 1.", nameof(size));
    }

    /// <summary>Checks what is read of a cache without attention.</summary>
    public static void Cached(in KeyValueCache cache, in CacheView view, in Taps taps)
    {
        Taps(taps);
        if (cache.Heads != 1) throw new ArgumentException($"The cache has {cache.Heads} heads, expected 1.", nameof(cache));
        AttentionShapes.View(view, view.Lengths.Columns);
    }
}
