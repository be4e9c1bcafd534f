// What a filter sees of each position, side by side, and the way back.
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>y[row] = for each tap the row of x there, or zeros.</summary>
internal readonly unsafe struct UnfoldRows(FloatRows x, FloatRows y, int columns, int* offsets, int sentences, TapRange taps)
    : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        var place = new SentenceRows(offsets, sentences, first);
        for (int row = first; row < end; row++)
        {
            place.MoveTo(row);
            int from = taps.First(row - place.Begin, place.End - 1 - row, out int to);
            TapRows.Lay(x, row, columns, taps, from, to, y[row]);
        }
    }
}

/// <summary>dx[row] = Σ over taps, ascending, of dy's part of that tap at the row that saw this one.</summary>
/// <param name="dy">[rows, taps · columns].</param>
/// <param name="dx">[rows, columns].</param>
/// <param name="columns">Columns of dx.</param>
/// <param name="offsets">Where sentences begin.</param>
/// <param name="sentences">Number of sentences.</param>
/// <param name="taps">With the sign of gradients.</param>
internal readonly unsafe struct FoldRows(FloatRows dy, FloatRows dx, int columns, int* offsets, int sentences, TapRange taps)
    : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        var place = new SentenceRows(offsets, sentences, first);
        for (int row = first; row < end; row++)
        {
            place.MoveTo(row);
            int from = taps.First(row - place.Begin, place.End - 1 - row, out int to);
            for (int column = 0; column < columns; column += Lanes.Count)
            {
                int count = Math.Min(Lanes.Count, columns - column);
                TSimd sum = TSimd.Zero;
                for (int tap = from; tap < to; tap++)
                {
                    float* part = dy[(int)(row + taps.Offset(tap))] + ((nint)tap * columns) + column;
                    sum += Lanes.LoadFirst<TSimd>(part, count);
                }

                Lanes.StoreFirst(sum, dx[row] + column, count);
            }
        }
    }
}

/// <summary>Of each row's newest position what a filter sees in the cache.</summary>
internal readonly unsafe struct CachedUnfoldRows(
    CacheBlocks cache, int* blocks, long blocksStride, int* lengths, FloatRows y, TapRange taps) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        int columns = cache.ValueColumns;
        for (int row = first; row < end; row++)
        {
            var history = new CachedHistory(cache, blocks + (row * blocksStride));
            int from = taps.First(lengths[row] - 1, 0, out int to);
            TapRows.Lay(history, lengths[row] - 1, columns, taps, from, to, y[row]);
        }
    }
}
