// The way to cuBLAS that ManagedCuda has, for builds with -p:CudaBinding=ManagedCuda.
using System.Runtime.CompilerServices;
using ManagedCuda.BasicTypes;
using ManagedCuda.CudaBlas;

namespace Engine.Cuda.Driver.Managed;

/// <summary>The functions of cuBLAS as ManagedCuda declares them.</summary>
internal sealed unsafe class ManagedCudaBlas : IBlas
{
    public int Create(nint* handle) => (int)CudaBlasNativeMethods.cublasCreate_v2(ref Unsafe.AsRef<CudaBlasHandle>(handle));

    public int Destroy(nint handle) => (int)CudaBlasNativeMethods.cublasDestroy_v2(As<CudaBlasHandle>(handle));

    public int SetStream(nint handle, nint stream) =>
        (int)CudaBlasNativeMethods.cublasSetStream_v2(As<CudaBlasHandle>(handle), As<CUstream>(stream));

    public int SetWorkspace(nint handle, nint workspace, nuint bytes) => (int)CudaBlasNativeMethods.cublasSetWorkspace_v2(
        As<CudaBlasHandle>(handle), As<CUdeviceptr>(workspace), Unsafe.BitCast<nuint, SizeT>(bytes));

    public int SetMathMode(nint handle, int mode) =>
        (int)CudaBlasNativeMethods.cublasSetMathMode(As<CudaBlasHandle>(handle), (ManagedCuda.CudaBlas.Math)mode);

    public int GetVersion(nint handle, int* version) =>
        (int)CudaBlasNativeMethods.cublasGetVersion_v2(As<CudaBlasHandle>(handle), ref *version);

    public string Describe(int status) => ((CublasStatus)status).ToString();

    public int GemmEx(
        nint handle, int transposeA, int transposeB, int m, int n, int k, void* alpha, nint a, int typeA, int leadingA,
        nint b, int typeB, int leadingB, void* beta, nint c, int typeC, int leadingC, int compute, int algorithm) =>
        (int)CudaBlasNativeMethods.cublasGemmEx(
            As<CudaBlasHandle>(handle), (Operation)transposeA, (Operation)transposeB, m, n, k, (IntPtr)alpha,
            As<CUdeviceptr>(a), (cudaDataType)typeA, leadingA, As<CUdeviceptr>(b), (cudaDataType)typeB, leadingB, (IntPtr)beta,
            As<CUdeviceptr>(c), (cudaDataType)typeC, leadingC, (ComputeType)compute, (GemmAlgo)algorithm);

    private static T As<T>(nint value) where T : struct => Unsafe.BitCast<nint, T>(value);
}
