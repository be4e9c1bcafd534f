// What every row adds to a bias, a gain or a score: sums down the columns, in ascending order of the rows, so that threads, which
// take columns, change no bit.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>sums[column] += Σ x[row][column]: first the chain of the rows, then what was there.</summary>
internal readonly unsafe struct ColumnSums(FloatRows x, int rows, int columns, float* sums) : ITileKernel
{
    // Four chains that do not wait for each other; a row of them is four cache lines.
    private const int ColumnsOfTile = 4 * Lanes.Count;

    /// <summary>Number of tiles.</summary>
    public int Tiles => (columns + ColumnsOfTile - 1) / ColumnsOfTile;

    public void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        int column = tile * ColumnsOfTile, left = columns - column;
        if (left >= ColumnsOfTile)
        {
            AddFour<TSimd>(column);
            return;
        }

        for (; left > 0; left -= Lanes.Count, column += Lanes.Count) AddOne<TSimd>(column, Math.Min(left, Lanes.Count));
    }

    private void AddFour<TSimd>(int column) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd a = TSimd.Zero, b = TSimd.Zero, c = TSimd.Zero, d = TSimd.Zero;
        for (int row = 0; row < rows; row++)
        {
            float* from = x[row] + column;
            a += TSimd.Load(from);
            b += TSimd.Load(from + Lanes.Count);
            c += TSimd.Load(from + (2 * Lanes.Count));
            d += TSimd.Load(from + (3 * Lanes.Count));
        }

        float* to = sums + column;
        TSimd.Store(TSimd.Load(to) + a, to);
        TSimd.Store(TSimd.Load(to + Lanes.Count) + b, to + Lanes.Count);
        TSimd.Store(TSimd.Load(to + (2 * Lanes.Count)) + c, to + (2 * Lanes.Count));
        TSimd.Store(TSimd.Load(to + (3 * Lanes.Count)) + d, to + (3 * Lanes.Count));
    }

    private void AddOne<TSimd>(int column, int count) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd sum = TSimd.Zero;
        for (int row = 0; row < rows; row++) sum += Lanes.LoadFirst<TSimd>(x[row] + column, count);
        float* to = sums + column;
        Lanes.StoreFirst(Lanes.LoadFirst<TSimd>(to, count) + sum, to, count);
    }
}
