// One operator as the stand-in counted it.
using Engine.Cuda;

namespace Engine.Perf.Cuda;

internal sealed record OperatorLine(
    string Operator, string Shape, long FloorBytes, long FloorOperations, IReadOnlyList<KernelCounts> Kernels)
{
    private const int SectorBytes = 32, LanesOfWarp = 32;

    /// <summary>Kernels launched; products of cuBLAS are not among them.</summary>
    public long Launches => Kernels.Sum(static kernel => kernel.Launches);

    /// <summary>Instructions of warps.</summary>
    public long Instructions => Kernels.Sum(static kernel => kernel.Instructions);

    /// <summary>Instructions of warps if each did 32 of the multiply-adds; 0: bytes are the floor.</summary>
    public long FloorInstructions => FloorOperations / LanesOfWarp;

    /// <summary>Bytes of the sectors that were touched, each access by itself: what caches hold is not known here.</summary>
    public long BytesMoved => Kernels.Sum(static kernel => kernel.Sectors) * SectorBytes;

    /// <summary>Of the sectors touched, how many the bytes asked for would fill.</summary>
    public double Coalescing => Share(Kernels.Sum(static kernel => kernel.IdealSectors), Kernels.Sum(static kernel => kernel.Sectors));

    /// <summary>Wavefronts of shared memory beyond the needed, by accesses.</summary>
    public double Conflicts => Kernels.Sum(static kernel => kernel.SharedAccesses) is var accesses and > 0
        ? (double)Kernels.Sum(static kernel => kernel.BankConflicts) / accesses
        : 0;

    public static OperatorLine Measure(CudaInfo info, OperatorCase work)
    {
        using var backend = new CudaBackend(info, 0, arithmetic: work.Arithmetic);
        backend.BeginFrame();
        Action call = work.Prepare(backend);
        backend.Context.Stream.Wait();
        StandInCounts.Arm("clear_profile", 0);
        call();
        backend.Context.Stream.Wait();
        var line = new OperatorLine(work.Operator, work.Shape, work.Bytes, work.Operations, StandInCounts.Profile());
        backend.EndFrame();
        return line;
    }

    private static double Share(long part, long whole) => whole == 0 ? 1 : (double)part / whole;
}
