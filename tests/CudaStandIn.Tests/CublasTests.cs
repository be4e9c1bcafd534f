// Products through the exports against plain loops, and what the library refuses.
using System.Runtime.InteropServices;
using Xunit;

namespace CudaStandIn.Tests;

public sealed unsafe class CublasTests : DeviceTests
{
    private static readonly nint Gemm = NativeLibrary.GetExport(Driver.Library, "cublasGemmEx");

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    public void Products_of_f32(int transA, int transB)
    {
        const int M = 5, N = 3, K = 11;
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), handle = Driver.Made("cublasCreate_v2");
        Driver.Good("cublasSetStream_v2", handle, stream);
        float[] a = Values(M * K, 1), b = Values(K * N, 2), c = Values(M * N, 3);
        nint pa = Driver.Upload(a, stream), pb = Driver.Upload(b, stream), pc = Driver.Upload(c, stream);
        float alpha = 0.5f, beta = 2f;
        int lda = transA == 0 ? M : K, ldb = transB == 0 ? K : N;
        Assert.Equal(0, Run(handle, transA, transB, M, N, K, &alpha, pa, 0, lda, pb, 0, ldb, &beta, pc, 0, M, 68));
        float[] found = Driver.Download(pc, M * N, stream);
        for (int i = 0; i < M; i++)
        {
            for (int j = 0; j < N; j++)
            {
                double sum = 0, size = 0;
                for (int k = 0; k < K; k++)
                {
                    double term = (double)(transA == 0 ? a[(k * lda) + i] : a[(i * lda) + k]) * (transB == 0 ? b[(j * ldb) + k] : b[(k * ldb) + j]);
                    sum += term;
                    size += Math.Abs(term);
                }

                double expected = (alpha * sum) + (beta * c[(j * M) + i]);
                double bound = (K + 3) * (size + Math.Abs(expected) + 2) / (1 << 24);   // a rounding of 2^-24 a step
                Assert.InRange(found[(j * M) + i] - expected, -bound, bound);
            }
        }
    }

    [Fact]
    public void What_is_refused()
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), handle = Driver.Made("cublasCreate_v2"), p = Driver.Upload(Values(64, 1), stream);
        Driver.Good("cublasSetStream_v2", handle, stream);
        float one = 1, zero = 0;
        int integerOne = 1, integerZero = 0;
        Assert.Equal(7, Run(handle, 0, 0, 8, 8, 8, &one, p, 0, 7, p, 0, 8, &zero, p, 0, 8, 68));
        Assert.Equal(15, Run(handle, 0, 0, 8, 8, 8, &one, p, 2, 8, p, 2, 8, &zero, p, 2, 8, 64));
        Assert.Equal(15, Run(handle, 0, 0, 8, 8, 8, &integerOne, p, 3, 8, p, 3, 8, &integerZero, p, 10, 8, 72));
        Assert.Equal(15, Run(handle, 1, 0, 7, 7, 7, &integerOne, p, 3, 7, p, 3, 7, &integerZero, p, 10, 7, 72));
        Assert.Equal(7, Run(handle, 0, 0, 8, 8, 9, &one, p, 0, 8, p, 0, 9, &zero, p, 0, 8, 68));
        Assert.Contains("matrix A: 288 bytes from offset 0 of allocation 1 of 256 bytes", Driver.Report());
        nint fresh = Driver.Made("cuMemAlloc_v2", 256);
        Assert.Equal(0, Run(handle, 0, 0, 8, 8, 8, &one, fresh, 0, 8, p, 0, 8, &zero, p, 0, 8, 68));
        Assert.Equal(719, Driver.Call("cuStreamSynchronize", stream));
        Assert.Contains("matrix A: read of memory that was never written", Driver.Report());
    }

    [Fact]
    public void A_capture_needs_a_workspace()
    {
        Driver.Start();
        nint stream = Driver.Made("cuStreamCreate", 1), handle = Driver.Made("cublasCreate_v2"), p = Driver.Upload(Values(64, 1), stream);
        nint workspace = Driver.Made("cuMemAlloc_v2", 4096), graph = 0;
        float one = 1, zero = 0;
        Driver.Good("cublasSetStream_v2", handle, stream);
        Driver.Good("cuStreamBeginCapture_v2", stream, 1);
        Assert.Equal(14, Run(handle, 0, 0, 8, 8, 8, &one, p, 0, 8, p, 0, 8, &zero, p, 0, 8, 68));
        Assert.Equal(901, Driver.Call("cuStreamEndCapture", stream, (nint)(&graph)));
        Driver.Good("cublasSetWorkspace_v2", handle, workspace, 4096);
        Driver.Good("cuStreamBeginCapture_v2", stream, 1);
        Assert.Equal(0, Run(handle, 0, 0, 8, 8, 8, &one, p, 0, 8, p, 0, 8, &zero, p, 0, 8, 68));
        Driver.Good("cuStreamEndCapture", stream, (nint)(&graph));
        Assert.Contains("without a workspace of the caller", Driver.Report());
    }

    private static int Run(nint handle, int transA, int transB, int m, int n, int k, void* alpha, nint a, int typeA, int lda,
        nint b, int typeB, int ldb, void* beta, nint c, int typeC, int ldc, int compute) =>
        ((delegate* unmanaged[Cdecl]<nint, int, int, int, int, int, void*, nint, int, int, nint, int, int, void*, nint, int, int, int, int, int>)Gemm)(
            handle, transA, transB, m, n, k, alpha, a, typeA, lda, b, typeB, ldb, beta, c, typeC, ldc, compute, -1);

    private static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }
}
