// cuBLASLt, the core of cuBLAS: products that add a bias and cut off below zero before they write a result. Its entry points, looked up
// by their names, and the numbers that they take. There is no interface, since ManagedCuda has no such way.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Engine.Cuda.Driver;

/// <summary>The functions of cuBLASLt by their addresses; statuses are those of cuBLAS.</summary>
internal sealed unsafe class CublasLtCalls
{
    /// <summary>What a description is told (cublasLtMatmulDescAttributes): int, int, uint, an address.</summary>
    public const int TransposeA = 3, TransposeB = 4, Epilogue = 7, BiasPointer = 8;

    /// <summary>What follows the sums (cublasLtEpilogue); the last two may be together.</summary>
    public const uint NoEpilogue = 1, CutOff = 2, AddBias = 4;

    /// <summary>What a preference is told (cublasLtMatmulPreferenceAttributes): a size, a mask, bytes.</summary>
    public const int MostWorkspaceBytes = 1, Reductions = 3, AlignmentA = 5, AlignmentB = 6, AlignmentC = 7, AlignmentD = 8;

    /// <summary>Partial sums are added in place or in the arithmetic's type (cublasLtReductionScheme): never in 16 bits.</summary>
    public const uint InPlace = 1, InComputeType = 2;

    /// <summary>The status that says that there is no such product.</summary>
    public const int NotSupported = 15;

    private readonly delegate* unmanaged<nint*, int> _create;
    private readonly delegate* unmanaged<nint, int> _destroy;
    private readonly delegate* unmanaged<nint*, int, int, int> _descriptionCreate;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> _descriptionSet;
    private readonly delegate* unmanaged<nint, int> _descriptionDestroy;
    private readonly delegate* unmanaged<nint*, int, ulong, ulong, long, int> _layoutCreate;
    private readonly delegate* unmanaged<nint, int> _layoutDestroy;
    private readonly delegate* unmanaged<nint*, int> _preferenceCreate;
    private readonly delegate* unmanaged<nint, int, void*, nuint, int> _preferenceSet;
    private readonly delegate* unmanaged<nint, int> _preferenceDestroy;

    // handle, description, layouts of a, b, c, d, preference, how many, results, how many were found
    private readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, BlasLtChoice*, int*, int> _getHeuristic;

    // handle, description, alpha, a, layout, b, layout, beta, c, layout, d, layout, algorithm, workspace, bytes, stream
    private readonly delegate* unmanaged<
        nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, BlasLtAlgorithm*, nint, nuint, nint, int> _matmul;

    /// <summary>Looks the entry points up.</summary>
    /// <param name="library">The library, loaded.</param>
    /// <exception cref="EntryPointNotFoundException">The library lacks one.</exception>
    public CublasLtCalls(nint library)
    {
        _create = (delegate* unmanaged<nint*, int>)Find("cublasLtCreate");
        _destroy = (delegate* unmanaged<nint, int>)Find("cublasLtDestroy");
        _descriptionCreate = (delegate* unmanaged<nint*, int, int, int>)Find("cublasLtMatmulDescCreate");
        _descriptionSet = (delegate* unmanaged<nint, int, void*, nuint, int>)Find("cublasLtMatmulDescSetAttribute");
        _descriptionDestroy = (delegate* unmanaged<nint, int>)Find("cublasLtMatmulDescDestroy");
        _layoutCreate = (delegate* unmanaged<nint*, int, ulong, ulong, long, int>)Find("cublasLtMatrixLayoutCreate");
        _layoutDestroy = (delegate* unmanaged<nint, int>)Find("cublasLtMatrixLayoutDestroy");
        _preferenceCreate = (delegate* unmanaged<nint*, int>)Find("cublasLtMatmulPreferenceCreate");
        _preferenceSet = (delegate* unmanaged<nint, int, void*, nuint, int>)Find("cublasLtMatmulPreferenceSetAttribute");
        _preferenceDestroy = (delegate* unmanaged<nint, int>)Find("cublasLtMatmulPreferenceDestroy");
        _getHeuristic = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, BlasLtChoice*, int*, int>)
            Find("cublasLtMatmulAlgoGetHeuristic");
        _matmul = (delegate* unmanaged<
            nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, BlasLtAlgorithm*, nint, nuint, nint, int>)
            Find("cublasLtMatmul");

        nint Find(string name) => NativeLibrary.GetExport(library, name);
    }

    /// <summary>Makes a handle in the current context.</summary>
    public int Create(nint* handle) => _create(handle);

    /// <summary>Destroys a handle.</summary>
    public int Destroy(nint handle) => _destroy(handle);

    /// <summary>Makes a description of a product.</summary>
    /// <param name="description">It.</param>
    /// <param name="compute">The arithmetic (cublasComputeType).</param>
    /// <param name="scale">The type of α and β (cudaDataType).</param>
    public int CreateDescription(nint* description, int compute, int scale) => _descriptionCreate(description, compute, scale);

    /// <summary>Tells a description something.</summary>
    public int SetDescription(nint description, int attribute, void* value, int bytes) =>
        _descriptionSet(description, attribute, value, (nuint)bytes);

    /// <summary>Destroys a description.</summary>
    public int DestroyDescription(nint description) => _descriptionDestroy(description);

    /// <summary>Makes a layout of a matrix, column by column.</summary>
    public int CreateLayout(nint* layout, int type, int rows, int columns, int leading) =>
        _layoutCreate(layout, type, (ulong)rows, (ulong)columns, leading);

    /// <summary>Destroys a layout.</summary>
    public int DestroyLayout(nint layout) => _layoutDestroy(layout);

    /// <summary>Makes a preference, which restricts what is chosen.</summary>
    public int CreatePreference(nint* preference) => _preferenceCreate(preference);

    /// <summary>Tells a preference something.</summary>
    public int SetPreference(nint preference, int attribute, void* value, int bytes) =>
        _preferenceSet(preference, attribute, value, (nuint)bytes);

    /// <summary>Destroys a preference.</summary>
    public int DestroyPreference(nint preference) => _preferenceDestroy(preference);

    /// <summary>Algorithms for a product, the one that is thought fastest first. Reads no matrix.</summary>
    /// <param name="handle">The handle.</param>
    /// <param name="description">The product.</param>
    /// <param name="a">Layout of A.</param>
    /// <param name="b">Layout of B.</param>
    /// <param name="c">Layout of C, and of the result.</param>
    /// <param name="preference">What is to be kept.</param>
    /// <param name="asked">How many at most.</param>
    /// <param name="choices">Room for these.</param>
    /// <param name="found">How many there are.</param>
    public int GetHeuristic(
        nint handle, nint description, nint a, nint b, nint c, nint preference, int asked, BlasLtChoice* choices, int* found) =>
        _getHeuristic(handle, description, a, b, c, c, preference, asked, choices, found);

    /// <summary>C = α op(A) op(B) + β C and what the description says to follow.</summary>
    public int Multiply(
        nint handle, nint description, void* alpha, nint a, nint layoutA, nint b, nint layoutB, void* beta, nint c, nint layoutC,
        BlasLtAlgorithm* algorithm, nint workspace, nuint workspaceBytes, nint stream) =>
        _matmul(
            handle, description, alpha, a, layoutA, b, layoutB, beta, c, layoutC, c, layoutC, algorithm, workspace, workspaceBytes,
            stream);
}

/// <summary>How a product is computed (cublasLtMatmulAlgo): the library's own words.</summary>
[InlineArray(8)]
internal struct BlasLtAlgorithm
{
    private ulong _first;
}

/// <summary>An algorithm that may be taken (cublasLtMatmulHeuristicResult).</summary>
[StructLayout(LayoutKind.Sequential, Size = 96)]
internal struct BlasLtChoice
{
    /// <summary>The algorithm.</summary>
    public BlasLtAlgorithm Algorithm;

    /// <summary>Bytes of workspace that it needs.</summary>
    public nuint WorkspaceBytes;

    /// <summary>A status; what else is said holds only if it is 0.</summary>
    public int State;
}
