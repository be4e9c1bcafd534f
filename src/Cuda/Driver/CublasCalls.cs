// The way of our own to cuBLAS: its entry points, looked up by their names, and the numbers that they take.
using System.Runtime.InteropServices;

namespace Engine.Cuda.Driver;

/// <summary>The functions of cuBLAS by their addresses.</summary>
internal sealed unsafe class CublasCalls : IBlas
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

    private readonly delegate* unmanaged<nint*, int> _create;
    private readonly delegate* unmanaged<nint, int> _destroy;
    private readonly delegate* unmanaged<nint, nint, int> _setStream;
    private readonly delegate* unmanaged<nint, nint, nuint, int> _setWorkspace;
    private readonly delegate* unmanaged<nint, int, int> _setMathMode;
    private readonly delegate* unmanaged<nint, int*, int> _getVersion;
    private readonly delegate* unmanaged<int, byte*> _getStatusString;

    // handle, transposed a, b, m, n, k, alpha, a, type, ld, b, type, ld, beta, c, type, ld, arithmetic, algorithm
    private readonly delegate* unmanaged<
        nint, int, int, int, int, int, void*, nint, int, int, nint, int, int, void*, nint, int, int, int, int, int> _gemmEx;

    /// <summary>Looks the entry points up.</summary>
    /// <param name="library">The library, loaded.</param>
    /// <exception cref="EntryPointNotFoundException">The library lacks one.</exception>
    public CublasCalls(nint library)
    {
        _create = (delegate* unmanaged<nint*, int>)Find("cublasCreate_v2");
        _destroy = (delegate* unmanaged<nint, int>)Find("cublasDestroy_v2");
        _setStream = (delegate* unmanaged<nint, nint, int>)Find("cublasSetStream_v2");
        _setWorkspace = (delegate* unmanaged<nint, nint, nuint, int>)Find("cublasSetWorkspace_v2");
        _setMathMode = (delegate* unmanaged<nint, int, int>)Find("cublasSetMathMode");
        _getVersion = (delegate* unmanaged<nint, int*, int>)Find("cublasGetVersion_v2");
        _getStatusString = (delegate* unmanaged<int, byte*>)Find("cublasGetStatusString");
        _gemmEx = (delegate* unmanaged<
            nint, int, int, int, int, int, void*, nint, int, int, nint, int, int, void*, nint, int, int, int, int, int>)
            Find("cublasGemmEx");

        nint Find(string name) => NativeLibrary.GetExport(library, name);
    }

    public int Create(nint* handle) => _create(handle);

    public int Destroy(nint handle) => _destroy(handle);

    public int SetStream(nint handle, nint stream) => _setStream(handle, stream);

    public int SetWorkspace(nint handle, nint workspace, nuint bytes) => _setWorkspace(handle, workspace, bytes);

    public int SetMathMode(nint handle, int mode) => _setMathMode(handle, mode);

    public int GetVersion(nint handle, int* version) => _getVersion(handle, version);

    public string Describe(int status)
    {
        byte* text = _getStatusString(status);
        return text == null ? "a status without a name" : Marshal.PtrToStringUTF8((nint)text)!;
    }

    public int GemmEx(
        nint handle, int transposeA, int transposeB, int m, int n, int k, void* alpha, nint a, int typeA, int leadingA,
        nint b, int typeB, int leadingB, void* beta, nint c, int typeC, int leadingC, int compute, int algorithm) =>
        _gemmEx(
            handle, transposeA, transposeB, m, n, k, alpha, a, typeA, leadingA, b, typeB, leadingB, beta, c, typeC, leadingC,
            compute, algorithm);
}
