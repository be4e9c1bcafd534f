// Which way to the driver and to cuBLAS this build takes: our own, or ManagedCuda with -p:CudaBinding=ManagedCuda.
using System.Runtime.InteropServices;

namespace Engine.Cuda.Driver;

/// <summary>Opens the driver and cuBLAS for work.</summary>
internal static class CudaBinding
{
#if MANAGED_CUDA
    /// <summary>The package of the binding; null: our own.</summary>
    public const string? Package = "ManagedCuda";

    /// <summary>The driver.</summary>
    public static ICudaDriver OpenDriver(nint library)
    {
        ManagedCudaLibraries.UseDriver(library);
        return new ManagedCudaDriver();
    }

    /// <summary>cuBLAS.</summary>
    public static IBlas OpenBlas(string library)
    {
        ManagedCudaLibraries.UseBlas(NativeLibrary.Load(library));
        return new ManagedCudaBlas();
    }
#else
    /// <summary>The package of the binding; null: our own.</summary>
    public const string? Package = null;

    /// <summary>The driver.</summary>
    /// <param name="library">Its library, loaded.</param>
    /// <exception cref="EntryPointNotFoundException">The driver is too old.</exception>
    public static ICudaDriver OpenDriver(nint library) => new DriverCalls(library);

    /// <summary>cuBLAS.</summary>
    /// <param name="library">Name of its library.</param>
    /// <exception cref="EntryPointNotFoundException">The library lacks a function.</exception>
    /// <exception cref="DllNotFoundException">The library is gone.</exception>
    public static IBlas OpenBlas(string library) => new CublasCalls(NativeLibrary.Load(library));
#endif
}
