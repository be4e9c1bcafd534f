// What the tape remembers of convolutions and recurrent layers.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Training;

public sealed partial class Tape
{
    // Where groups begin is no result, so it would not outlive its segment: it lies outside the frame until recording ends.
    private readonly Dictionary<(nint Batch, long Offset, int Size), Ragged> _groups = [];

    /// <inheritdoc />
    public Tensor Unfold(in Tensor x, in Ragged batch, in Taps taps)
    {
        if (!_isRecording) return backend.Unfold(x, batch, taps);
        (Tensor input, Ragged rows, Taps seen) = (x, batch, taps);
        Result y = Add(x.Rows, checked(taps.Count * x.Columns));
        Do(
            () => y.Value = backend.Unfold(Real(input), rows, seen),
            () =>
            {
                if (TryTake(y, out Tensor dy)) Give(input, backend.UnfoldBackward(dy, rows, seen));
            });
        return Note(y, "unfolding");
    }

    /// <inheritdoc />
    public Tensor DepthwiseConvolution(in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps)
    {
        if (!_isRecording) return backend.DepthwiseConvolution(x, filter, bias, batch, taps);
        (Tensor input, Tensor weights, Tensor start, Ragged rows, Taps seen) = (x, filter, bias, batch, taps);
        Result y = Add(x.Rows, x.Columns);
        Do(
            () => y.Value = backend.DepthwiseConvolution(Real(input), weights, start, rows, seen),
            () =>
            {
                if (!TryTake(y, out Tensor dy)) return;
                Give(input, backend.DepthwiseConvolutionBackward(
                    Real(input), weights, dy, rows, seen, parameters.GradientOf(weights), parameters.GradientOf(start)));
            });
        return Note(y, "depthwise convolution", filter);
    }

    /// <inheritdoc />
    public Tensor TakePosition(in Tensor x, in Ragged batch, int position)
    {
        if (!_isRecording) return backend.TakePosition(x, batch, position);
        (Tensor input, Ragged rows) = (x, batch);
        Result y = Add(batch.Sentences, x.Columns);
        Do(
            () => y.Value = backend.TakePosition(Real(input), rows, position),
            () =>
            {
                if (TryTake(y, out Tensor dy) && position >= 0) backend.TakePositionBackward(dy, rows, position, Into(input));
            });
        return Note(y, "position");
    }

    /// <inheritdoc />
    public Tensor JoinPositions(ReadOnlySpan<Tensor> positions, in Ragged batch)
    {
        if (!_isRecording) return backend.JoinPositions(positions, batch);
        (Tensor[] inputs, Ragged rows) = (positions.ToArray(), batch);
        Result y = Add(batch.Rows, positions[0].Columns);
        Do(
            () => y.Value = backend.JoinPositions([.. inputs.Select(input => Real(input))], rows),
            () =>
            {
                if (!TryTake(y, out Tensor dy)) return;
                for (int position = 0; position < inputs.Length; position++)
                    Give(inputs[position], backend.TakePosition(dy, rows, position));
            });
        return Note(y, "positions");
    }

    /// <inheritdoc />
    public Tensor RecurrentCell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind)
    {
        if (!_isRecording) return backend.RecurrentCell(input, hidden, state, kind);
        (Tensor ofInput, Tensor ofState, Tensor before) = (input, hidden, state);
        Result y = Add(state.Rows, state.Columns);
        Do(
            () => y.Value = backend.RecurrentCell(Real(ofInput), Real(ofState), Real(before), kind),
            () =>
            {
                if (!TryTake(y, out Tensor dy)) return;
                Tensor dInput = backend.RecurrentCellBackward(
                    Real(ofInput), Real(ofState), Real(before), dy, kind, out Tensor dHidden, out Tensor dState);
                Give(ofInput, dInput);
                Give(ofState, dHidden);
                if (kind != CellKind.Tanh) Give(before, dState);       // a tanh cell takes all of its state through the product
            });
        return Note(y, "recurrent cell");
    }

    /// <inheritdoc />
    public Ragged Cut(in Ragged batch, int size)
    {
        if (!_isRecording) return backend.Cut(batch, size);
        (nint, long, int) key = (batch.Offsets.Handle, batch.Offsets.Offset, size);
        if (_groups.TryGetValue(key, out Ragged groups)) return groups;
        groups = backend.Cut(batch, size);
        var offsets = new int[groups.Offsets.Columns];
        backend.Read(groups.Offsets, offsets);
        groups = groups with { Offsets = backend.Allocate(groups.Offsets.Shape, DType.Int32) };
        _groups.Add(key, groups);
        backend.Write(groups.Offsets, offsets);
        return groups;
    }

    /// <inheritdoc />
    public Tensor CachedUnfold(in KeyValueCache cache, in CacheView view, in Taps taps)
    {
        RefuseRecording(nameof(CachedUnfold));
        return backend.CachedUnfold(cache, view, taps);
    }

    /// <inheritdoc />
    public Tensor CachedDepthwiseConvolution(
        in KeyValueCache cache, in CacheView view, in Tensor filter, in Tensor bias, in Taps taps)
    {
        RefuseRecording(nameof(CachedDepthwiseConvolution));
        return backend.CachedDepthwiseConvolution(cache, view, filter, bias, taps);
    }
}
