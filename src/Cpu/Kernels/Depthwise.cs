// A filter for each column: the sum over its taps, in ascending order, and its gradients.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>y = bias + Σ filter[tap] ⊙ x at the tap; with the sign of gradients, dx of dy.</summary>
/// <remarks>
/// Four neighbouring rows share what is loaded of the filter, and are four chains that do not wait for each other: of a tap that all of
/// them see. Taps before and behind those, at the ends of a sentence, are added row by row.
/// </remarks>
internal readonly unsafe struct DepthwiseRows(
    FloatRows x, FloatRows filter, float* bias, FloatRows y, int columns, int* offsets, int sentences, TapRange taps) : IRowKernel
{
    private const int RowsOfTile = 4;

    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        var place = new SentenceRows(offsets, sentences, first);
        for (int row = first; row < end;)
        {
            place.MoveTo(row);
            bool isTile = row + RowsOfTile <= Math.Min(end, place.End);
            if (isTile) RunFour<TSimd>(row, place);
            else RunOne<TSimd>(row, place);
            row += isTile ? RowsOfTile : 1;
        }
    }

    private void RunOne<TSimd>(int row, in SentenceRows place) where TSimd : unmanaged, ISimd<TSimd>
    {
        int from = taps.First(row - place.Begin, place.End - 1 - row, out int to);
        Start(y[row]);
        AddTaps<TSimd>(row, from, to);
    }

    private void RunFour<TSimd>(int row, in SentenceRows place) where TSimd : unmanaged, ISimd<TSimd>
    {
        int from = 0, to = taps.Count;
        for (int i = 0; i < RowsOfTile; i++)
        {
            from = Math.Max(from, taps.First(row + i - place.Begin, place.End - 1 - row - i, out int end));
            to = Math.Min(to, end);
        }

        if (from >= to)
        {
            for (int i = 0; i < RowsOfTile; i++) RunOne<TSimd>(row + i, place);
            return;
        }

        for (int i = 0; i < RowsOfTile; i++)
        {
            Start(y[row + i]);
            AddTaps<TSimd>(row + i, taps.First(row + i - place.Begin, place.End - 1 - row - i, out _), from);
        }

        AddCommon<TSimd>(row, from, to);
        for (int i = 0; i < RowsOfTile; i++)
        {
            taps.First(row + i - place.Begin, place.End - 1 - row - i, out int end);
            AddTaps<TSimd>(row + i, to, end);
        }
    }

    private void Start(float* row) => TapRows.Start(bias, columns, row);

    // y[row] += the taps from .. to − 1.
    private void AddTaps<TSimd>(int row, int from, int to, int column = 0) where TSimd : unmanaged, ISimd<TSimd> =>
        TapRows.Add<TSimd, FloatRows>(x, row, filter, column, columns, taps, from, to, y[row]);

    // Taps that four rows see.
    private void AddCommon<TSimd>(int row, int from, int to) where TSimd : unmanaged, ISimd<TSimd>
    {
        nint next = x.Stride, step = taps.Step * next, nextSum = y.Stride, nextWeight = filter.Stride;
        float* first = x[(int)(row + taps.Offset(from))], sums = y[row], weights = filter[from];
        int column = 0;
        for (; column <= columns - Lanes.Count; column += Lanes.Count)
        {
            float* seen = first + column, weight = weights + column, sum = sums + column;
            TSimd s0 = TSimd.Load(sum), s1 = TSimd.Load(sum + nextSum);
            TSimd s2 = TSimd.Load(sum + (2 * nextSum)), s3 = TSimd.Load(sum + (3 * nextSum));
            for (int tap = from; tap < to; tap++, seen += step, weight += nextWeight)
            {
                TSimd w = TSimd.Load(weight);
                TSimd.Accumulate(ref s0, TSimd.Load(seen), w);
                TSimd.Accumulate(ref s1, TSimd.Load(seen + next), w);
                TSimd.Accumulate(ref s2, TSimd.Load(seen + (2 * next)), w);
                TSimd.Accumulate(ref s3, TSimd.Load(seen + (3 * next)), w);
            }

            TSimd.Store(s0, sum);
            TSimd.Store(s1, sum + nextSum);
            TSimd.Store(s2, sum + (2 * nextSum));
            TSimd.Store(s3, sum + (3 * nextSum));
        }

        for (int i = 0; i < RowsOfTile; i++) AddTaps<TSimd>(row + i, from, to, column);
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
            TapRows.Start(bias, columns, y[row]);
            TapRows.Add<TSimd, CachedHistory>(history, lengths[row] - 1, filter, 0, columns, taps, from, to, y[row]);
        }
    }
}

/// <summary>dfilter[tap] += Σ over all rows, ascending, of dy ⊙ x at the tap; a tap and some columns a tile.</summary>
internal readonly unsafe struct DepthwiseFilterGradient(
    FloatRows x, FloatRows dy, FloatRows gradient, int columns, int* offsets, int sentences, TapRange taps) : ITileKernel
{
    private const int ColumnsOfTile = 4 * Lanes.Count;    // four chains that do not wait for each other

    /// <summary>Number of tiles.</summary>
    public int Tiles => checked(taps.Count * ColumnTiles);

    private int ColumnTiles => (columns + ColumnsOfTile - 1) / ColumnsOfTile;

    public void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        int tap = tile / ColumnTiles, column = tile % ColumnTiles * ColumnsOfTile, left = columns - column;
        if (left >= ColumnsOfTile)
        {
            AddFour<TSimd>(tap, column);
            return;
        }

        for (; left > 0; left -= Lanes.Count, column += Lanes.Count) AddOne<TSimd>(tap, column, Math.Min(left, Lanes.Count));
    }

    private void AddFour<TSimd>(int tap, int column) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd a = TSimd.Zero, b = TSimd.Zero, c = TSimd.Zero, d = TSimd.Zero;
        for (int sentence = 0; sentence < sentences; sentence++)
        {
            (int first, int end) = Rows(sentence, tap, out int offset);
            for (int row = first; row < end; row++)
            {
                float* seen = x[row + offset] + column, slope = dy[row] + column;
                TSimd.Accumulate(ref a, TSimd.Load(slope), TSimd.Load(seen));
                TSimd.Accumulate(ref b, TSimd.Load(slope + Lanes.Count), TSimd.Load(seen + Lanes.Count));
                TSimd.Accumulate(ref c, TSimd.Load(slope + (2 * Lanes.Count)), TSimd.Load(seen + (2 * Lanes.Count)));
                TSimd.Accumulate(ref d, TSimd.Load(slope + (3 * Lanes.Count)), TSimd.Load(seen + (3 * Lanes.Count)));
            }
        }

        float* to = gradient[tap] + column;
        TSimd.Store(TSimd.Load(to) + a, to);
        TSimd.Store(TSimd.Load(to + Lanes.Count) + b, to + Lanes.Count);
        TSimd.Store(TSimd.Load(to + (2 * Lanes.Count)) + c, to + (2 * Lanes.Count));
        TSimd.Store(TSimd.Load(to + (3 * Lanes.Count)) + d, to + (3 * Lanes.Count));
    }

    private void AddOne<TSimd>(int tap, int column, int count) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd sum = TSimd.Zero;
        for (int sentence = 0; sentence < sentences; sentence++)
        {
            (int first, int end) = Rows(sentence, tap, out int offset);
            for (int row = first; row < end; row++)
            {
                TSimd seen = Lanes.LoadFirst<TSimd>(x[row + offset] + column, count);
                TSimd.Accumulate(ref sum, Lanes.LoadFirst<TSimd>(dy[row] + column, count), seen);
            }
        }

        float* to = gradient[tap] + column;
        Lanes.StoreFirst(Lanes.LoadFirst<TSimd>(to, count) + sum, to, count);
    }

    // The rows of a sentence that have the tap, and how far it is away; no rows where it is beyond all of them.
    private (int First, int End) Rows(int sentence, int tap, out int offset)
    {
        (long begin, long end, long away) = (offsets[sentence], offsets[sentence + 1], taps.Offset(tap));
        (long first, long last) = (Math.Max(begin, begin - away), Math.Min(end, end - away));
        offset = first < last ? (int)away : 0;
        return first < last ? ((int)first, (int)last) : (0, 0);
    }
}
