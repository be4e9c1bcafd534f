// What the libraries of CUDA are called. A value, so that a test can look for names that no machine has.
namespace Engine.Cuda.Driver;

/// <summary>cuBLAS of one CUDA major version: two files, the first of which needs the second.</summary>
/// <param name="Major">The CUDA major version; it must not exceed what the driver serves.</param>
/// <param name="Blas">cuBLAS.</param>
/// <param name="BlasLt">Its core, which lies beside it.</param>
internal sealed record CublasNames(int Major, string Blas, string BlasLt);

/// <summary>Names to look for, in order.</summary>
/// <param name="Driver">The driver's library.</param>
/// <param name="Cublas">cuBLAS, newest first.</param>
internal sealed record CudaLibraries(IReadOnlyList<string> Driver, IReadOnlyList<CublasNames> Cublas)
{
    /// <summary>The names on this operating system.</summary>
    public static CudaLibraries OfThisSystem => OperatingSystem.IsWindows() ? Windows : Linux;

    private static CudaLibraries Windows => new(
        ["nvcuda.dll"],
        [new(13, "cublas64_13.dll", "cublasLt64_13.dll"), new(12, "cublas64_12.dll", "cublasLt64_12.dll")]);

    // Never libcuda.so: development links and empty stubs carry that name. WSL has the driver in a folder of its own.
    private static CudaLibraries Linux => new(
        ["libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1"],
        [new(13, "libcublas.so.13", "libcublasLt.so.13"), new(12, "libcublas.so.12", "libcublasLt.so.12")]);
}
