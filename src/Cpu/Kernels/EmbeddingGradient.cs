// The backward of Embedding.cs: rows are added to the rows of the table that they came from. Threads take columns, so each place is
// added to in ascending order of the rows.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>table[id] += dy · scale, fused; some columns a tile.</summary>
internal readonly unsafe struct EmbeddingGradient(
    int* ids, FloatRows dy, int rows, int columns, float scale, FloatRows table) : ITileKernel
{
    private const int ColumnsOfTile = 4 * Lanes.Count;

    /// <summary>Number of tiles.</summary>
    public int Tiles => (columns + ColumnsOfTile - 1) / ColumnsOfTile;

    public void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd factor = TSimd.Broadcast(scale);
        int first = tile * ColumnsOfTile, end = Math.Min(first + ColumnsOfTile, columns);
        for (int row = 0; row < rows; row++)
        {
            if (ids[row] < 0) continue;
            float* from = dy[row], to = table[ids[row]];
            for (int column = first; column < end; column += Lanes.Count)
            {
                int count = Math.Min(Lanes.Count, end - column);
                TSimd sum = Lanes.LoadFirst<TSimd>(to + column, count);
                Lanes.StoreFirst(TSimd.Fma(Lanes.LoadFirst<TSimd>(from + column, count), factor, sum), to + column, count);
            }
        }
    }
}
