// cuBLAS: handles, their stream and workspace, and the two products. The same object under another name, so one heap.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CudaStandIn;

internal sealed class CublasHandle
{
    public Stream Stream { get; set; } = DriverStreams.Null;

    public nint StreamHandle { get; set; }

    public int MathMode { get; set; }

    /// <summary>Whether the caller gave a workspace since the stream was set.</summary>
    public bool HasWorkspace { get; set; }
}

internal static unsafe class Cublas
{
    private const int NotInitialized = 1;
    private const int AllocationFailed = 3;
    private const int InvalidValue = 7;
    private const int ExecutionFailed = 13;
    private const int InternalError = 14;
    private const int NotSupported = 15;
    private static readonly Dictionary<int, nint> Texts = [];

    [UnmanagedCallersOnly(EntryPoint = "cublasCreate_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int Create(nint* handle) => Call("cublasCreate_v2", () =>
    {
        if (Machine.Settings.CublasMissing) return NotInitialized;
        if (handle == null) return InvalidValue;
        DriverGraphs.Unsafe("cublasCreate_v2");
        if (Machine.Settings.FailsAllocation())
        {
            Machine.Note("cublasCreate_v2: this allocation was told to fail");
            return AllocationFailed;
        }

        *handle = Machine.Handles.Add(new CublasHandle());
        return 0;
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasDestroy_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int Destroy(nint handle) => Call("cublasDestroy_v2", () =>
    {
        DriverGraphs.Unsafe("cublasDestroy_v2");
        Machine.Handles.Get<CublasHandle>(handle);
        Machine.Scheduler.FinishAll();
        Machine.Handles.Remove(handle);
        return 0;
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasSetStream_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int SetStream(nint handle, nint stream) => Call("cublasSetStream_v2", () =>
    {
        CublasHandle found = Machine.Handles.Get<CublasHandle>(handle);
        found.Stream = DriverStreams.Get(stream, "cublasSetStream_v2");
        found.StreamHandle = stream;
        found.HasWorkspace = false;   // the library's own again
        return 0;
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasSetWorkspace_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int SetWorkspace(nint handle, ulong workspace, nuint bytes) => Call("cublasSetWorkspace_v2", () =>
    {
        CublasHandle found = Machine.Handles.Get<CublasHandle>(handle);
        if ((workspace & 255) != 0) throw new StandInException(InvalidValue, "the workspace is not aligned to 256 bytes");
        if (bytes > 0) DriverMemory.Range(workspace, bytes);
        found.HasWorkspace = true;
        return 0;
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasSetMathMode", CallConvs = [typeof(CallConvCdecl)])]
    public static int SetMathMode(nint handle, int mode) => Call("cublasSetMathMode", () =>
    {
        if ((mode & ~16) is not (0 or 1 or 2 or 3)) return InvalidValue;
        Machine.Handles.Get<CublasHandle>(handle).MathMode = mode;
        return 0;
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasGetProperty", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetProperty(int property, int* value)
    {
        if (value == null || property is < 0 or > 2) return InvalidValue;
        *value = property == 0 ? 13 : 0;
        return 0;
    }

    [UnmanagedCallersOnly(EntryPoint = "cublasGetVersion_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetVersion(nint handle, int* version) => Call("cublasGetVersion_v2", () =>
    {
        Machine.Handles.Get<CublasHandle>(handle);
        *version = 130000;
        return 0;
    });

    [UnmanagedCallersOnly(EntryPoint = "cublasGetStatusString", CallConvs = [typeof(CallConvCdecl)])]
    public static nint GetStatusString(int status)
    {
        lock (Machine.Gate)
        {
            if (Texts.TryGetValue(status, out nint text)) return text;
            return Texts[status] = Marshal.StringToCoTaskMemUTF8(status switch
            {
                0 => "success",
                1 => "the library was not initialized",
                3 => "the resource allocation failed",
                7 => "an unsupported value or parameter was passed to the function",
                8 => "the function requires a feature absent from the device architecture",
                13 => "the GPU program failed to execute",
                14 => "an internal operation failed",
                15 => "the functionality requested is not supported",
                _ => "unknown status",
            });
        }
    }

    [UnmanagedCallersOnly(EntryPoint = "cublasGemmEx", CallConvs = [typeof(CallConvCdecl)])]
    public static int GemmEx(
        nint handle, int transA, int transB, int m, int n, int k, void* alpha, ulong a, int typeA, int lda,
        ulong b, int typeB, int ldb, void* beta, ulong c, int typeC, int ldc, int compute, int algorithm) =>
        Call("cublasGemmEx", () => Product(handle, new Gemm
        {
            TransA = transA, TransB = transB, M = m, N = n, K = k, A = a, TypeA = typeA, LdA = lda, B = b, TypeB = typeB, LdB = ldb,
            C = c, TypeC = typeC, LdC = ldc, Compute = compute, Batches = 1,
        }, alpha, beta));

    [UnmanagedCallersOnly(EntryPoint = "cublasGemmStridedBatchedEx", CallConvs = [typeof(CallConvCdecl)])]
    public static int GemmStridedBatchedEx(
        nint handle, int transA, int transB, int m, int n, int k, void* alpha, ulong a, int typeA, int lda, long strideA,
        ulong b, int typeB, int ldb, long strideB, void* beta, ulong c, int typeC, int ldc, long strideC, int batches,
        int compute, int algorithm) =>
        Call("cublasGemmStridedBatchedEx", () => Product(handle, new Gemm
        {
            TransA = transA, TransB = transB, M = m, N = n, K = k, A = a, TypeA = typeA, LdA = lda, StrideA = strideA,
            B = b, TypeB = typeB, LdB = ldb, StrideB = strideB, C = c, TypeC = typeC, LdC = ldc, StrideC = strideC,
            Compute = compute, Batches = batches,
        }, alpha, beta));

    private static int Product(nint handle, Gemm gemm, void* alpha, void* beta)
    {
        CublasHandle found = Machine.Handles.Get<CublasHandle>(handle);
        if (found.StreamHandle != 0) Machine.Handles.Get<Stream>(found.StreamHandle);
        else DriverStreams.Get(0, "cublasGemmEx");
        if (alpha == null || beta == null) return InvalidValue;
        if (gemm.Compute == 72) (gemm.Alpha, gemm.Beta) = (*(int*)alpha, *(int*)beta);
        else (gemm.Alpha, gemm.Beta) = (*(float*)alpha, *(float*)beta);
        gemm.TF32 = gemm.Compute == 77 || (gemm.Compute == 68 && (found.MathMode & 15) == 3 && gemm.TypeA == 0);
        if (gemm.Problem() is { } invalid) throw new StandInException(InvalidValue, invalid);
        if (gemm.Unsupported() is { } unsupported) throw new StandInException(NotSupported, unsupported);
        if (gemm.M == 0 || gemm.N == 0 || gemm.Batches == 0) return 0;
        gemm.CheckRanges();
        Machine.Counters.Products++;
        if (found.Stream.Capture != null && !found.HasWorkspace)
        {
            throw DriverGraphs.Void(found.Stream.Capture, InternalError,
                "a product is captured without a workspace of the caller: the library would allocate");
        }

        DriverStreams.Enqueue(found.Stream, new Work("gemm", "cublasGemmEx", gemm.Run));
        return 0;
    }

    // cuBLAS has numbers of its own; an error of the driver inside it is a failed execution.
    internal static int Call(string name, Func<int> body, bool needsContext = true)
    {
        int status = 0;
        Func<string, Func<int>, int> enter = needsContext ? Machine.InContext : Machine.Call;
        int code = enter(name, () =>
        {
            try
            {
                status = body();
            }
            catch (StandInException exception) when (exception.Code is InvalidValue or AllocationFailed or InternalError or NotSupported)
            {
                status = exception.Code;
                Machine.Note($"{name}: {exception.Message}");
            }
            catch (StandInException exception)
            {
                status = exception.Code is Code.InvalidHandle ? NotInitialized : InvalidValue;
                Machine.Note($"{name}: {exception.Message}");
            }

            return 0;
        });
        return code == 0 ? status : code is Code.InvalidContext or Code.NotInitialized ? NotInitialized : ExecutionFailed;
    }
}
