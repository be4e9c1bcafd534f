// The entry points of cuBLAS that the engine calls, and the numbers that they take.
using System.Runtime.InteropServices;

namespace Engine.Cuda.Driver;

/// <summary>Calls of cuBLAS; each returns a status, 0: success.</summary>
internal sealed unsafe class CublasCalls
{
    /// <summary>Element types (cudaDataType).</summary>
    public const int Float32 = 0, Float16 = 2, Int8 = 3, Int32 = 10, BFloat16 = 14;

    /// <summary>Arithmetic (cublasComputeType): float32, by TF32, in 32-bit integers.</summary>
    public const int ComputeFloat32 = 68, ComputeTf32 = 77, ComputeInt32 = 72;

    /// <summary>As stored, or transposed (cublasOperation).</summary>
    public const int AsStored = 0, Transposed = 1;

    /// <summary>The library chooses the algorithm.</summary>
    public const int DefaultAlgorithm = -1;

    /// <summary>Sums of 16-bit products are never kept in 16 bits (a bit of the math mode).</summary>
    public const int NoReducedPrecisionReduction = 16;

    public readonly delegate* unmanaged<nint*, int> Create;
    public readonly delegate* unmanaged<nint, int> Destroy;
    public readonly delegate* unmanaged<nint, nint, int> SetStream;
    public readonly delegate* unmanaged<nint, nint, nuint, int> SetWorkspace;
    public readonly delegate* unmanaged<nint, int, int> SetMathMode;
    public readonly delegate* unmanaged<nint, int*, int> GetVersion;
    public readonly delegate* unmanaged<int, byte*> GetStatusString;

    // handle, transposed a, b, m, n, k, alpha, a, type, ld, b, type, ld, beta, c, type, ld, arithmetic, algorithm
    public readonly delegate* unmanaged<
        nint, int, int, int, int, int, void*, nint, int, int, nint, int, int, void*, nint, int, int, int, int, int> GemmEx;

    /// <summary>Looks the entry points up.</summary>
    /// <exception cref="EntryPointNotFoundException">The library lacks one.</exception>
    public CublasCalls(nint library)
    {
        Create = (delegate* unmanaged<nint*, int>)Find("cublasCreate_v2");
        Destroy = (delegate* unmanaged<nint, int>)Find("cublasDestroy_v2");
        SetStream = (delegate* unmanaged<nint, nint, int>)Find("cublasSetStream_v2");
        SetWorkspace = (delegate* unmanaged<nint, nint, nuint, int>)Find("cublasSetWorkspace_v2");
        SetMathMode = (delegate* unmanaged<nint, int, int>)Find("cublasSetMathMode");
        GetVersion = (delegate* unmanaged<nint, int*, int>)Find("cublasGetVersion_v2");
        GetStatusString = (delegate* unmanaged<int, byte*>)Find("cublasGetStatusString");
        GemmEx = (delegate* unmanaged<
            nint, int, int, int, int, int, void*, nint, int, int, nint, int, int, void*, nint, int, int, int, int, int>)
            Find("cublasGemmEx");

        nint Find(string name) => NativeLibrary.GetExport(library, name);
    }
}
