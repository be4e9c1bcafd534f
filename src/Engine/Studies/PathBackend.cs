// A backend around another that follows a signal: for each row of each result, how many times what one input row said had to pass from a
// position to another.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Studies;

/// <summary>Records which rows of a result depend on which rows of its arguments, as the shortest path from one input row.</summary>
/// <remarks>
/// A path's length is the number of operators on it that pass something from position to position: attention, a filter, a step of a
/// recurrent layer. What a row does with itself counts nothing (Vaswani et al. 2017, 4).
/// </remarks>
/// <param name="inner">Does the work, and stays its owner's.</param>
internal sealed class PathBackend(IBackend inner) : DelegatingBackend(inner)
{
    /// <summary>No path.</summary>
    public const int Never = int.MaxValue;

    private readonly Dictionary<nint, int[]> _lengths = [];

    /// <summary>A signal starts at one row of a tensor.</summary>
    public void Start(in Tensor x, int row)
    {
        _lengths.Clear();
        int[] lengths = [.. Enumerable.Repeat(Never, x.Rows)];
        lengths[row] = 0;
        _lengths.Add(x.Handle, lengths);
    }

    /// <summary>Of each row of a result the length of the shortest path from where the signal started.</summary>
    public IReadOnlyList<int> LengthsOf(in Tensor y) => Of(y);

    public override Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation) =>
        Note(base.Linear(x, weights, activation), Of(x));

    public override Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Note(base.Attention(query, key, value, queries, keys, spec), Seen(Of(query), queries, spec.Mask));

    public override Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        Note(base.AdditiveAttention(query, key, value, score, queries, keys, spec), Seen(Of(query), queries, spec.Mask));

    public override Tensor Unfold(in Tensor x, in Ragged batch, in Taps taps) =>
        Note(base.Unfold(x, batch, taps), Filtered(Of(x), batch, taps));

    public override Tensor DepthwiseConvolution(in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps) =>
        Note(base.DepthwiseConvolution(x, filter, bias, batch, taps), Filtered(Of(x), batch, taps));

    public override Tensor TakePosition(in Tensor x, in Ragged batch, int position)
    {
        int[] lengths = Of(x), offsets = Read(batch.Offsets), taken = [.. Enumerable.Repeat(Never, batch.Sentences)];
        for (int s = 0; s < batch.Sentences; s++)
            if (position >= 0 && offsets[s] + position < offsets[s + 1]) taken[s] = lengths[offsets[s] + position];
        return Note(base.TakePosition(x, batch, position), taken);
    }

    public override Tensor JoinPositions(ReadOnlySpan<Tensor> positions, in Ragged batch)
    {
        int[] offsets = Read(batch.Offsets), joined = new int[batch.Rows];
        for (int s = 0; s < batch.Sentences; s++)
            for (int row = offsets[s]; row < offsets[s + 1]; row++) joined[row] = Of(positions[row - offsets[s]])[s];
        return Note(base.JoinPositions(positions, batch), joined);
    }

    public override Tensor RecurrentCell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind)
    {
        int[] own = Of(input), before = Of(state), also = Of(hidden);
        return Note(
            base.RecurrentCell(input, hidden, state, kind),
            [.. own.Select((length, row) => Math.Min(length, After(Math.Min(before[row], also[row]))))]);
    }

    private static int After(int length) => length == Never ? Never : length + 1;

    private int[] Of(in Tensor x) => _lengths.TryGetValue(x.Handle, out int[]? lengths)
        ? lengths
        : throw new InvalidOperationException($"{x} does not depend on what the signal started in.");

    private Tensor Note(in Tensor y, int[] lengths)
    {
        _lengths[y.Handle] = lengths;
        return y;
    }

    private int[] Seen(int[] lengths, in Ragged batch, AttentionMask mask) =>
        ByRow(lengths, batch, (row, rows) => (Math.Max(0, row - (long)mask.Left), Math.Min(rows - 1, row + (long)mask.Right), 1));

    private int[] Filtered(int[] lengths, in Ragged batch, Taps taps) => ByRow(lengths, batch, (row, _) =>
        (row + taps.Offset(0), row + taps.Offset(taps.Count - 1), taps.Dilation));

    // The shortest of the rows first, first + step, ..., last of the row's sentence, and one more.
    private int[] ByRow(int[] lengths, in Ragged batch, Func<int, int, (long First, long Last, int Step)> seen)
    {
        int[] offsets = Read(batch.Offsets), found = [.. Enumerable.Repeat(Never, lengths.Length)];
        for (int s = 0; s < batch.Sentences; s++)
        {
            int rows = offsets[s + 1] - offsets[s];
            for (int row = 0; row < rows; row++)
            {
                (long first, long last, int step) = seen(row, rows);
                int least = Never;
                for (long at = first; at <= last; at += step)
                    if (at >= 0 && at < rows) least = Math.Min(least, lengths[offsets[s] + at]);
                found[offsets[s] + row] = After(least);
            }
        }

        return found;
    }

    private int[] Read(in Tensor tensor) => StudyTensors.Integers(Inner, tensor);
}
