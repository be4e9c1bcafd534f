// A kernel that is cut in tiles: the pool hands out the tiles, the ladder picks the code for them.
using Engine.Cpu.Simd;

namespace Engine.Cpu.Threading;

/// <summary>A kernel whose tiles may run in any order, on any thread.</summary>
internal interface ITileKernel
{
    /// <summary>Computes one tile.</summary>
    /// <param name="tile">0 .. tiles − 1.</param>
    /// <param name="worker">0 .. threads − 1: whose scratch memory may be used.</param>
    void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>Runs tile kernels.</summary>
internal static class TileKernel
{
    // A worker that spins takes a tile in well under a microsecond; this many operations are a few.
    private const long OperationsOfTile = 200_000;

    // Enough that sentences of different lengths even out.
    internal const int TilesOfThread = 16;

    /// <summary>Runs all tiles on a pool.</summary>
    public static void Run<TKernel>(WorkerPool pool, Rung rung, in TKernel kernel, int tiles)
        where TKernel : unmanaged, ITileKernel => pool.Run(new TileJob<TKernel>(rung, kernel), tiles);

    /// <summary>How many small pieces of work should be one tile.</summary>
    /// <param name="pieces">Number of pieces.</param>
    /// <param name="operations">Operations of all of them, about.</param>
    /// <param name="threads">Threads of the pool.</param>
    public static int PiecesOfTile(long pieces, long operations, int threads)
    {
        long tiles = threads == 1 ? 1 : Math.Clamp(operations / OperationsOfTile, 1, (long)threads * TilesOfThread);
        return (int)Math.Max((pieces + tiles - 1) / tiles, 1);
    }
}

/// <summary>A <see cref="ITileKernel"/> on a rung, as the pool wants it.</summary>
internal readonly struct TileJob<TKernel>(Rung rung, TKernel kernel) : IJob where TKernel : unmanaged, ITileKernel
{
    private readonly Rung _rung = rung;
    private readonly TKernel _kernel = kernel;

    public void Execute(int tile, int worker)
    {
        switch (_rung)
        {
            case Rung.Avx512: _kernel.Run<Simd512>(tile, worker); break;
            case Rung.Avx2: _kernel.Run<Simd256>(tile, worker); break;
            default: _kernel.Run<Simd128>(tile, worker); break;
        }
    }
}
