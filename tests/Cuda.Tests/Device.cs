// The device that the tests run on: the stand-in that lies beside them, so that they prove the committed kernels on any machine; or,
// where ENGINE_TEST_CUDA is "real", the machine's own.
using Engine.Backends;
using Engine.Cuda;
using Engine.Cuda.Driver;
using Xunit;

namespace Cuda.Tests;

internal static class Device
{
    private static readonly Lazy<CudaInfo> Found = new(Find);

    /// <summary>What was found; it is looked for once.</summary>
    public static CudaInfo Info => Found.Value;

    /// <summary>Whether it is the machine's own.</summary>
    public static bool IsReal => Environment.GetEnvironmentVariable("ENGINE_TEST_CUDA") == "real";

    /// <summary>Where the stand-in is looked for.</summary>
    public static CudaLibraries StandInLibraries { get; } = new(
        [Beside("libcuda.so.1")], [new CublasNames(13, Beside("libcublas.so.13"), Beside("libcublasLt.so.13"))]);

    public static CudaBackend Open(bool usesOwnProducts, Arithmetic arithmetic = Arithmetic.Float32)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "The stand-in is built on Linux only.");
        return new CudaBackend(Info, 0, usesOwnProducts, arithmetic);
    }

    private static CudaInfo Find() => IsReal ? CudaInfo.Find() : CudaProbe.Find(StandInLibraries);

    private static string Beside(string library) => Path.Combine(AppContext.BaseDirectory, library);
}
