// What a device of compute capability 8.0 can hold, and the shape of a launch against it.
namespace PtxMachine.Execution;

internal static class Limits
{
    public const int ThreadsPerBlock = 1024;
    public const int SharedPerBlock = 48 * 1024;
    public const int SharedPerBlockOptIn = 163 * 1024;
    public const int BlockZ = 64;
    public const int RegistersPerBlock = 65_536;
    public const int RegistersPerThread = 255;
    public const int GridYZ = 65535;

    /// <summary>Throws where a driver refuses the launch.</summary>
    public static void Check(Kernel kernel, LaunchSpec spec, int parameterBytes)
    {
        long threads = (long)spec.BlockX * spec.BlockY * spec.BlockZ;
        if (spec.GridX <= 0 || spec.GridY <= 0 || spec.GridZ <= 0)
            throw Refuse(kernel, $"the grid is {spec.GridX} x {spec.GridY} x {spec.GridZ}");
        if (spec.GridY > GridYZ || spec.GridZ > GridYZ)
            throw Refuse(kernel, $"the grid is {spec.GridX} x {spec.GridY} x {spec.GridZ}, at most {GridYZ} in y and z");
        if (spec.BlockX <= 0 || spec.BlockY <= 0 || spec.BlockZ <= 0 || threads > ThreadsPerBlock || spec.BlockZ > BlockZ)
            throw Refuse(kernel, $"the block is {spec.BlockX} x {spec.BlockY} x {spec.BlockZ}, at most {ThreadsPerBlock} threads");
        if (kernel.MaxThreads > 0 && threads > kernel.MaxThreads)
            throw Refuse(kernel, $"the block has {threads} threads, the kernel was compiled for at most {kernel.MaxThreads}");
        if (kernel.Source.ThreadsRequired && threads != kernel.MaxThreads)
            throw Refuse(kernel, $"the block has {threads} threads, the kernel requires {kernel.MaxThreads}");
        CheckRegisters(kernel, threads);
        if (spec.SharedBytes < 0 || spec.SharedBytes + kernel.StaticSharedBytes > SharedPerBlockOptIn)
            throw Refuse(kernel, $"{spec.SharedBytes + kernel.StaticSharedBytes:N0} bytes of shared memory, at most {SharedPerBlockOptIn:N0}");
        if (spec.SharedBytes + kernel.StaticSharedBytes > Math.Max(SharedPerBlock, spec.SharedLimit + kernel.StaticSharedBytes))
            throw Refuse(kernel, $"{spec.SharedBytes:N0} bytes of dynamic shared memory, {spec.SharedLimit:N0} are allowed by its attribute");
        if (parameterBytes != kernel.ParameterBytes)
            throw Refuse(kernel, $"{parameterBytes} bytes of parameters are given, {kernel.ParameterBytes} are declared");
    }

    // How many registers a thread gets is the driver's compiler's choice, up to 255. Where .maxntid or .reqntid names the threads of a
    // block, it must choose so few that such a block fits, so nothing can be wrong. Where nothing is named, it may take what it likes:
    // then only a block of 256 threads fits for certain. Of a larger one this says no where the text alone, in its order, keeps more
    // alive than there is; that it says nothing of others does not mean that a driver takes them.
    private static void CheckRegisters(Kernel kernel, long threads)
    {
        if (kernel.MaxThreads > 0 || threads * RegistersPerThread <= RegistersPerBlock) return;
        int live = Math.Min(kernel.LiveRegisters, RegistersPerThread);
        if (live * threads <= RegistersPerBlock) return;
        throw new PtxFaultException(FaultKind.Resources, $"the launch of {kernel.Name} is refused: {threads} threads with {live} registers "
            + $"alive are {live * threads:N0}, a block has {RegistersPerBlock:N0}, and no .maxntid makes the compiler spare them.");
    }

    private static PtxFaultException Refuse(Kernel kernel, string message) =>
        new(FaultKind.Launch, $"the launch of {kernel.Name} is refused: {message}.");
}
