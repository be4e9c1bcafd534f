// What the options forbid or make less likely at a step, gathered for all rows of the batch and done in two operators.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Decoding;

/// <summary>Places in the logits to penalise and to suppress.</summary>
/// <param name="vocabulary">Columns of the logits.</param>
internal sealed class LogitEdits(int vocabulary)
{
    private readonly int[] _seen = new int[vocabulary];
    private int[] _suppressed = new int[64];
    private int[] _penalized = new int[64];
    private float[] _penalties = new float[32];
    private int _suppressedCount;
    private int _penalizedCount;
    private int _stamp;
    private int[]? _columns;

    /// <summary>Forgets everything.</summary>
    /// <param name="columns">By token its column of the logits, −1: it has none; null: the column is the token.</param>
    public void Clear(int[]? columns = null)
    {
        _suppressedCount = _penalizedCount = 0;
        _columns = columns;
    }

    /// <summary>Gathers what the rules say of a row.</summary>
    /// <param name="row">Row of the logits.</param>
    /// <param name="rules">Rules of its sentence.</param>
    /// <param name="history">Tokens generated so far, the prefix included, the start token not.</param>
    /// <param name="minLength">While the history is shorter, the hypothesis may not end.</param>
    public void Gather(int row, DecodingRules rules, ReadOnlySpan<int> history, int minLength)
    {
        if (history.Length < minLength)
        {
            foreach (int id in rules.EndIds) Suppress(row, id);
        }

        if (rules.Options.RepetitionPenalty != 1) PenalizeRepetitions(row, rules.Options.RepetitionPenalty, history);
        if (rules.Options.NoRepeatNgramSize > 0) SuppressNgrams(row, rules.Options.NoRepeatNgramSize, history);
        foreach (int id in rules.SuppressedIds) Suppress(row, id);
        foreach (int[] sequence in rules.SuppressedSequences)
        {
            if (history.EndsWith(sequence.AsSpan(0, sequence.Length - 1))) Suppress(row, sequence[^1]);
        }
    }

    /// <summary>What is suppressed: [n, 2], row and column.</summary>
    public ReadOnlySpan<int> Suppressed => _suppressed.AsSpan(0, 2 * _suppressedCount);

    /// <summary>Changes the logits: penalties first, for they read the logits as they were.</summary>
    public void Apply(IBackend backend, in Tensor logits)
    {
        if (_penalizedCount > 0)
        {
            Tensor places = Upload(backend, _penalized, _penalizedCount);
            Tensor penalties = backend.Rent(new Shape(1, _penalizedCount), DType.Float32);
            backend.Write(penalties, _penalties.AsSpan(0, _penalizedCount));
            backend.Penalize(logits, places, penalties);
        }

        if (_suppressedCount > 0) backend.Suppress(logits, Upload(backend, _suppressed, _suppressedCount));
    }

    private static Tensor Upload(IBackend backend, int[] places, int count)
    {
        Tensor tensor = backend.Rent(new Shape(count, 2), DType.Int32);
        backend.Write(tensor, places.AsSpan(0, 2 * count));
        return tensor;
    }

    // Each token once: its penalty is taken from the logit as it was.
    private void PenalizeRepetitions(int row, float penalty, ReadOnlySpan<int> history)
    {
        _stamp++;
        foreach (int id in history)
        {
            if (_seen[id] == _stamp) continue;
            _seen[id] = _stamp;
            int column = Column(id);
            if (column < 0) continue;
            if (_penalizedCount == _penalties.Length)
            {
                Array.Resize(ref _penalties, 2 * _penalties.Length);
                Array.Resize(ref _penalized, 2 * _penalized.Length);
            }

            _penalized[2 * _penalizedCount] = row;
            _penalized[(2 * _penalizedCount) + 1] = column;
            _penalties[_penalizedCount++] = penalty;
        }
    }

    private void SuppressNgrams(int row, int size, ReadOnlySpan<int> history)
    {
        ReadOnlySpan<int> begun = history.Length >= size ? history[^(size - 1)..] : default;
        for (int start = 0; start + size <= history.Length; start++)
        {
            if (history.Slice(start, size - 1).SequenceEqual(begun)) Suppress(row, history[start + size - 1]);
        }
    }

    private int Column(int id) => _columns is null ? id : _columns[id];

    private void Suppress(int row, int id)
    {
        int column = Column(id);
        if (column < 0) return;
        if (2 * _suppressedCount == _suppressed.Length) Array.Resize(ref _suppressed, 2 * _suppressed.Length);
        _suppressed[2 * _suppressedCount] = row;
        _suppressed[(2 * _suppressedCount) + 1] = column;
        _suppressedCount++;
    }
}
