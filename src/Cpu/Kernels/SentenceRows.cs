// From a row of a ragged batch to its sentence, for kernels whose rows look at their neighbours.
using System.Runtime.CompilerServices;
using Engine.Backends;

namespace Engine.Cpu.Kernels;

/// <summary>The sentences of a batch, for rows in ascending order.</summary>
internal unsafe struct SentenceRows
{
    private readonly int* _offsets;
    private int _sentence;

    /// <summary>Stands at the sentence of a row.</summary>
    public SentenceRows(int* offsets, int sentences, int row)
    {
        _offsets = offsets;
        int low = 0, high = sentences - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            if (offsets[middle] <= row) low = middle;
            else high = middle - 1;
        }

        _sentence = low;
    }

    /// <summary>First row of the sentence.</summary>
    public readonly int Begin => _offsets[_sentence];

    /// <summary>One after its last row.</summary>
    public readonly int End => _offsets[_sentence + 1];

    /// <summary>Goes on to the sentence of a later row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MoveTo(int row)
    {
        while (row >= End) _sentence++;
    }
}

/// <summary>Taps of a filter, as kernels want them: those that are within a sentence are neighbours.</summary>
/// <param name="taps">The taps.</param>
/// <param name="sign">1: a tap's row is behind by its offset; −1: before, as gradients see it.</param>
internal readonly struct TapRange(in Taps taps, int sign)
{
    private readonly int _count = taps.Count, _before = taps.Before, _dilation = taps.Dilation, _sign = sign;

    /// <summary>Number of taps.</summary>
    public int Count => _count;

    /// <summary>From a row to the row of a tap.</summary>
    public long Offset(int tap) => ((long)tap - _before) * _dilation * _sign;

    /// <summary>Rows from that of a tap to that of the next.</summary>
    public int Step => _dilation * _sign;

    /// <summary>Which taps of a row are in a sentence: first .. end − 1.</summary>
    /// <param name="back">Rows of the sentence before the row.</param>
    /// <param name="ahead">Rows of it behind the row.</param>
    /// <param name="end">One after the last tap.</param>
    public int First(int back, int ahead, out int end)
    {
        (long before, long behind) = _sign > 0 ? (back / _dilation, ahead / _dilation) : (ahead / _dilation, back / _dilation);
        end = (int)Math.Clamp(_before + behind + 1, 0, _count);
        return (int)Math.Clamp(_before - before, 0, end);
    }
}
