// A filter for each column: the sum over its taps, in ascending order, and its gradients.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>y = bias + Σ filter[tap] ⊙ x at the tap; with the sign of gradients, dx of dy.</summary>
internal readonly unsafe struct DepthwiseRows(
    FloatRows x, FloatRows filter, float* bias, FloatRows y, int columns, int* offsets, int sentences, TapRange taps) : IRowKernel
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
                TSimd sum = bias is null ? TSimd.Zero : Lanes.LoadFirst<TSimd>(bias + column, count);
                for (int tap = from; tap < to; tap++)
                {
                    TSimd value = Lanes.LoadFirst<TSimd>(x[(int)(row + taps.Offset(tap))] + column, count);
                    TSimd.Accumulate(ref sum, value, Lanes.LoadFirst<TSimd>(filter[tap] + column, count));
                }

                Lanes.StoreFirst(sum, y[row] + column, count);
            }
        }
    }
}

/// <summary>The same of each row's newest position, for x in the cache.</summary>
internal readonly unsafe struct CachedDepthwiseRows(
    CacheBlocks cache, int* blocks, long blocksStride, int* lengths, FloatRows filter, float* bias, FloatRows y, TapRange taps)
    : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        int columns = cache.ValueColumns;
        for (int row = first; row < end; row++)
        {
            var history = new CachedHistory(cache, blocks + (row * blocksStride));
            int from = taps.First(lengths[row] - 1, 0, out int to);
            for (int column = 0; column < columns; column += Lanes.Count)
            {
                int count = Math.Min(Lanes.Count, columns - column);
                TSimd sum = bias is null ? TSimd.Zero : Lanes.LoadFirst<TSimd>(bias + column, count);
                for (int tap = from; tap < to; tap++)
                {
                    TSimd value = Lanes.LoadFirst<TSimd>(history[(int)(lengths[row] - 1 + taps.Offset(tap))] + column, count);
                    TSimd.Accumulate(ref sum, value, Lanes.LoadFirst<TSimd>(filter[tap] + column, count));
                }

                Lanes.StoreFirst(sum, y[row] + column, count);
            }
        }
    }
}

/// <summary>dfilter[tap] += Σ over all rows, ascending, of dy ⊙ x at the tap; a tap and some columns a tile.</summary>
internal readonly unsafe struct DepthwiseFilterGradient(
    FloatRows x, FloatRows dy, FloatRows gradient, int columns, int* offsets, int sentences, TapRange taps) : ITileKernel
{
    private const int ColumnsOfTile = Lanes.Count;

    /// <summary>Number of tiles.</summary>
    public int Tiles => checked(taps.Count * ColumnTiles);

    private int ColumnTiles => (columns + ColumnsOfTile - 1) / ColumnsOfTile;

    public void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        int tap = tile / ColumnTiles, column = tile % ColumnTiles * ColumnsOfTile, count = Math.Min(ColumnsOfTile, columns - column);
        long offset = taps.Offset(tap);
        TSimd sum = TSimd.Zero;
        for (int sentence = 0; sentence < sentences; sentence++)
        {
            long first = Math.Max(offsets[sentence], offsets[sentence] - offset);
            long end = Math.Min(offsets[sentence + 1], offsets[sentence + 1] - offset);
            for (long row = first; row < end; row++)
            {
                TSimd value = Lanes.LoadFirst<TSimd>(x[(int)(row + offset)] + column, count);
                TSimd.Accumulate(ref sum, Lanes.LoadFirst<TSimd>(dy[(int)row] + column, count), value);
            }
        }

        float* to = gradient[tap] + column;
        Lanes.StoreFirst(Lanes.LoadFirst<TSimd>(to, count) + sum, to, count);
    }
}
