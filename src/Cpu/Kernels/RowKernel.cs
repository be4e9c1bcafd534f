// What all row-wise kernels share: rows as addresses, a kernel over a range of rows, and the job that cuts rows in tiles.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>Rows of floats: where the first begins, and how many floats from one to the next.</summary>
internal readonly unsafe struct FloatRows(float* first, int stride) : IRowSource
{
    private readonly float* _first = first;
    private readonly nint _stride = stride;

    /// <summary>Floats from a row to the next.</summary>
    public nint Stride => _stride;

    /// <summary>First element of a row.</summary>
    public float* this[int row]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _first + (row * _stride);
    }
}

/// <summary>A kernel whose rows do not depend on each other, so that any range of them may run on any thread.</summary>
internal interface IRowKernel
{
    /// <summary>Computes the rows first .. end − 1.</summary>
    /// <param name="first">First row.</param>
    /// <param name="end">One after the last row.</param>
    /// <param name="worker">0 .. threads − 1: whose scratch memory may be used.</param>
    void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>A row kernel as a job of the pool: a tile is some rows.</summary>
internal readonly struct RowJob<TKernel>(in TKernel kernel, Rung rung, int rows, int rowsPerTile) : IJob
    where TKernel : unmanaged, IRowKernel
{
    private readonly TKernel _kernel = kernel;

    /// <summary>Number of tiles; at least one row each.</summary>
    public int Tiles => (int)(((long)rows + rowsPerTile - 1) / rowsPerTile);

    public void Execute(int tile, int worker)
    {
        int first = tile * rowsPerTile;
        int end = (int)Math.Min((long)first + rowsPerTile, rows);
        Ladder.Run(rung, new Range(_kernel, first, end, worker));
    }

    private readonly struct Range(in TKernel kernel, int first, int end, int worker) : IKernel
    {
        private readonly TKernel _kernel = kernel;

        public void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd> => _kernel.Run<TSimd>(first, end, worker);
    }
}
