// What is asked of cuBLAS. An interface, because there are two ways to it: the one of our own (CublasCalls) and, where a build asks for
// it, ManagedCuda.
namespace Engine.Cuda.Driver;

/// <summary>Calls of cuBLAS; each returns a status, 0: success.</summary>
internal unsafe interface IBlas
{
    /// <summary>Makes a handle in the current context.</summary>
    int Create(nint* handle);

    /// <summary>Destroys a handle.</summary>
    int Destroy(nint handle);

    /// <summary>The stream that products are put in; the workspace is the library's again.</summary>
    int SetStream(nint handle, nint stream);

    /// <summary>The memory that products may use, aligned to 256 bytes.</summary>
    int SetWorkspace(nint handle, nint workspace, nuint bytes);

    /// <summary>What arithmetic may be used.</summary>
    int SetMathMode(nint handle, int mode);

    /// <summary>10,000 · major + 100 · minor + patch.</summary>
    int GetVersion(nint handle, int* version);

    /// <summary>A status in words.</summary>
    string Describe(int status);

    /// <summary>C = α op(A) op(B) + β C, column by column; α and β are of the arithmetic's type.</summary>
    int GemmEx(
        nint handle, int transposeA, int transposeB, int m, int n, int k, void* alpha, nint a, int typeA, int leadingA,
        nint b, int typeB, int leadingB, void* beta, nint c, int typeC, int leadingC, int compute, int algorithm);
}
