// Which way to the driver and to cuBLAS this build takes: our own, or that of ManagedCuda with -p:CudaBinding=ManagedCuda.
#if MANAGED_CUDA
using Engine.Cuda.Driver.Managed;
#else
using System.Runtime.InteropServices;
#endif

namespace Engine.Cuda.Driver;

/// <summary>Opens the driver and cuBLAS for work.</summary>
internal static class CudaBinding
{
    /// <summary>The driver.</summary>
    /// <param name="library">Its library, loaded.</param>
    /// <exception cref="EntryPointNotFoundException">The driver is too old.</exception>
    public static ICudaDriver OpenDriver(nint library)
    {
#if MANAGED_CUDA
        ManagedCudaLibraries.UseDriver(library);
        return new ManagedCudaDriver();
#else
        return new DriverCalls(library);
#endif
    }

    /// <summary>cuBLAS.</summary>
    /// <param name="library">Name of its library.</param>
    /// <exception cref="EntryPointNotFoundException">The library lacks a function.</exception>
    /// <exception cref="DllNotFoundException">The library is gone.</exception>
    public static IBlas OpenBlas(string library)
    {
#if MANAGED_CUDA
        ManagedCudaLibraries.UseBlas(library);
        return new ManagedCudaBlas();
#else
        return new CublasCalls(NativeLibrary.Load(library));
#endif
    }

    /// <summary>The core of cuBLAS; null: it is not there, lacks a function, or this build has no way to it.</summary>
    /// <param name="library">Name of its library; null: none was found.</param>
    public static CublasLtCalls? OpenBlasLt(string? library)
    {
#if MANAGED_CUDA
        _ = library;
        return null;
#else
        if (library is null || !NativeLibrary.TryLoad(library, out nint loaded)) return null;
        try
        {
            return new CublasLtCalls(loaded);
        }
        catch (EntryPointNotFoundException)
        {
            NativeLibrary.Free(loaded);
            return null;
        }
#endif
    }
}
