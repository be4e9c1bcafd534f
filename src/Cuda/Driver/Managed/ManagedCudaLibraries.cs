// ManagedCuda asks for libraries by names of its own, which machines may not have; where they lack, it is given those that were found.
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace Engine.Cuda.Driver.Managed;

/// <summary>Answers for the names of ManagedCuda.</summary>
internal static class ManagedCudaLibraries
{
    private static nint s_driver;
    private static nint s_blas;

    static ManagedCudaLibraries() => AssemblyLoadContext.Default.ResolvingUnmanagedDll += (_, name) => name switch
    {
        "nvcuda" => s_driver,
        "cublas64_12" => s_blas,
        _ => 0,
    };

    /// <summary>The driver, loaded.</summary>
    public static void UseDriver(nint library) => s_driver = library;

    /// <summary>cuBLAS by its name.</summary>
    public static void UseBlas(string library) => s_blas = NativeLibrary.Load(library);
}
