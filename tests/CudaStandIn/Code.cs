// The driver's numbers for what went wrong, with the names that cuGetErrorName gives.
namespace CudaStandIn;

internal static class Code
{
    public const int Success = 0;
    public const int InvalidValue = 1;
    public const int OutOfMemory = 2;
    public const int NotInitialized = 3;
    public const int NoDevice = 100;
    public const int InvalidDevice = 101;
    public const int InvalidContext = 201;
    public const int NoBinary = 209;
    public const int InvalidPtx = 218;
    public const int UnsupportedPtx = 222;
    public const int InvalidHandle = 400;
    public const int NotFound = 500;
    public const int NotReady = 600;
    public const int IllegalAddress = 700;
    public const int LaunchOutOfResources = 701;
    public const int LaunchTimeout = 702;
    public const int Misaligned = 716;
    public const int LaunchFailed = 719;
    public const int CaptureUnsupported = 900;
    public const int CaptureInvalidated = 901;
    public const int CaptureUnmatched = 903;
    public const int CaptureUnjoined = 904;
    public const int CaptureImplicit = 906;
    public const int CapturedEvent = 907;
    public const int CaptureWrongThread = 908;
    public const int GraphUpdate = 910;
    public const int Unknown = 999;

    private static readonly Dictionary<int, (string Name, string Text)> All = new()
    {
        [Success] = ("CUDA_SUCCESS", "no error"),
        [InvalidValue] = ("CUDA_ERROR_INVALID_VALUE", "invalid argument"),
        [OutOfMemory] = ("CUDA_ERROR_OUT_OF_MEMORY", "out of memory"),
        [NotInitialized] = ("CUDA_ERROR_NOT_INITIALIZED", "initialization error"),
        [4] = ("CUDA_ERROR_DEINITIALIZED", "driver shutting down"),
        [34] = ("CUDA_ERROR_STUB_LIBRARY", "CUDA driver is a stub library"),
        [46] = ("CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"),
        [NoDevice] = ("CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"),
        [InvalidDevice] = ("CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"),
        [InvalidContext] = ("CUDA_ERROR_INVALID_CONTEXT", "invalid device context"),
        [NoBinary] = ("CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"),
        [InvalidPtx] = ("CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"),
        [221] = ("CUDA_ERROR_JIT_COMPILER_NOT_FOUND", "PTX JIT compiler library not found"),
        [UnsupportedPtx] = ("CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."),
        [InvalidHandle] = ("CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"),
        [NotFound] = ("CUDA_ERROR_NOT_FOUND", "named symbol not found"),
        [NotReady] = ("CUDA_ERROR_NOT_READY", "device not ready"),
        [IllegalAddress] = ("CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"),
        [LaunchOutOfResources] = ("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"),
        [LaunchTimeout] = ("CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"),
        [715] = ("CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"),
        [Misaligned] = ("CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"),
        [LaunchFailed] = ("CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"),
        [803] = ("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"),
        [CaptureUnsupported] = ("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"),
        [CaptureInvalidated] = ("CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"),
        [CaptureUnmatched] = ("CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "operation would result in a merge of separate capture sequences"),
        [CaptureUnjoined] = ("CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capture was not ended in the same stream as it began"),
        [CaptureImplicit] = ("CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", "operation would make the legacy stream depend on a capturing blocking stream"),
        [CapturedEvent] = ("CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"),
        [CaptureWrongThread] = ("CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"),
        [GraphUpdate] = ("CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE", "the graph update was not performed because it included changes which violated constraints specific to instantiated graph update"),
        [Unknown] = ("CUDA_ERROR_UNKNOWN", "unknown error"),
    };

    public static bool IsKnown(int code) => All.ContainsKey(code);

    public static string Name(int code) => All[code].Name;

    public static string Text(int code) => All[code].Text;
}
