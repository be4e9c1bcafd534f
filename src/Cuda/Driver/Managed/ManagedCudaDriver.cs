// The way to the driver that ManagedCuda has, for builds with -p:CudaBinding=ManagedCuda. Its structures hold one handle each, so ours
// are passed as they are.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ManagedCuda.BasicTypes;
using static ManagedCuda.DriverAPINativeMethods;

namespace Engine.Cuda.Driver.Managed;

/// <summary>The driver's functions as ManagedCuda declares them.</summary>
internal sealed unsafe class ManagedCudaDriver : ICudaDriver
{
    // An array of the length that a launch wants, so that none is made for each.
    [ThreadStatic]
    private static IntPtr[]?[]? t_parameters;

    public int Init(uint flags) => (int)cuInit((CUInitializationFlags)flags);

    public int DeviceGet(int* device, int number) =>
        (int)DeviceManagement.cuDeviceGet(ref Unsafe.AsRef<CUdevice>(device), number);

    public int DeviceGetAttribute(int* value, int attribute, int device) =>
        (int)DeviceManagement.cuDeviceGetAttribute(ref *value, (CUDeviceAttribute)attribute, Device(device));

    public int DevicePrimaryCtxRetain(nint* context, int device) =>
        (int)ContextManagement.cuDevicePrimaryCtxRetain(ref Unsafe.AsRef<CUcontext>(context), Device(device));

    public int DevicePrimaryCtxRelease(int device) => (int)ContextManagement.cuDevicePrimaryCtxRelease(Device(device));

    public int CtxSetCurrent(nint context) => (int)ContextManagement.cuCtxSetCurrent(As<CUcontext>(context));

    public int ModuleLoadDataEx(nint* module, void* image, uint count, int* options, void** values)
    {
        int length = MemoryMarshal.CreateReadOnlySpanFromNullTerminated((byte*)image).Length + 1;
        byte[] text = new ReadOnlySpan<byte>(image, length).ToArray();
        var words = new CUJITOption[count];
        var places = new IntPtr[count];
        for (int i = 0; i < words.Length; i++) (words[i], places[i]) = ((CUJITOption)options[i], (IntPtr)values[i]);
        int error = (int)ModuleManagement.cuModuleLoadDataEx(ref Unsafe.AsRef<CUmodule>(module), text, count, words, places);
        for (int i = 0; i < words.Length; i++) values[i] = (void*)places[i];
        return error;
    }

    public int ModuleUnload(nint module) => (int)ModuleManagement.cuModuleUnload(As<CUmodule>(module));

    public int ModuleGetFunction(nint* function, nint module, byte* name) => (int)ModuleManagement.cuModuleGetFunction(
        ref Unsafe.AsRef<CUfunction>(function), As<CUmodule>(module), Marshal.PtrToStringUTF8((nint)name)!);

    public int FuncGetAttribute(int* value, int attribute, nint function) =>
        (int)FunctionManagement.cuFuncGetAttribute(ref *value, (CUFunctionAttribute)attribute, As<CUfunction>(function));

    public int FuncSetAttribute(nint function, int attribute, int value) =>
        (int)FunctionManagement.cuFuncSetAttribute(As<CUfunction>(function), (CUFunctionAttribute)attribute, value);

    public int LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes,
        nint stream, void** parameters, int count)
    {
        IntPtr[] places = Parameters(count);
        for (int i = 0; i < count; i++) places[i] = (IntPtr)parameters[i];
        return (int)Launch.cuLaunchKernel(
            As<CUfunction>(function), gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, As<CUstream>(stream), places, null);
    }

    public int MemGetInfo(nuint* free, nuint* total) =>
        (int)MemoryManagement.cuMemGetInfo_v2(ref Unsafe.AsRef<SizeT>(free), ref Unsafe.AsRef<SizeT>(total));

    public int MemAlloc(nint* address, nuint bytes) =>
        (int)MemoryManagement.cuMemAlloc_v2(ref Unsafe.AsRef<CUdeviceptr>(address), Size(bytes));

    public int MemFree(nint address) => (int)MemoryManagement.cuMemFree_v2(As<CUdeviceptr>(address));

    public int MemHostAlloc(void** memory, nuint bytes, uint flags) =>
        (int)MemoryManagement.cuMemHostAlloc(ref *(IntPtr*)memory, Size(bytes), (CUMemHostAllocFlags)flags);

    public int MemFreeHost(void* memory) => (int)MemoryManagement.cuMemFreeHost((IntPtr)memory);

    public int MemcpyHtoDAsync(nint destination, void* source, nuint bytes, nint stream) =>
        (int)AsynchronousMemcpy_v2.cuMemcpyHtoDAsync_v2(As<CUdeviceptr>(destination), (IntPtr)source, Size(bytes), As<CUstream>(stream));

    public int MemcpyDtoHAsync(void* destination, nint source, nuint bytes, nint stream) =>
        (int)AsynchronousMemcpy_v2.cuMemcpyDtoHAsync_v2((IntPtr)destination, As<CUdeviceptr>(source), Size(bytes), As<CUstream>(stream));

    public int MemcpyDtoDAsync(nint destination, nint source, nuint bytes, nint stream) =>
        (int)AsynchronousMemcpy_v2.cuMemcpyDtoDAsync_v2(
            As<CUdeviceptr>(destination), As<CUdeviceptr>(source), Size(bytes), As<CUstream>(stream));

    public int MemsetD8Async(nint destination, byte value, nuint count, nint stream) =>
        (int)MemsetAsync.cuMemsetD8Async(As<CUdeviceptr>(destination), value, Size(count), As<CUstream>(stream));

    public int StreamCreate(nint* stream, uint flags) =>
        (int)Streams.cuStreamCreate(ref Unsafe.AsRef<CUstream>(stream), (CUStreamFlags)flags);

    public int StreamDestroy(nint stream) => (int)Streams.cuStreamDestroy_v2(As<CUstream>(stream));

    public int StreamSynchronize(nint stream) => (int)Streams.cuStreamSynchronize(As<CUstream>(stream));

    public int StreamBeginCapture(nint stream, int mode) =>
        (int)Streams.cuStreamBeginCapture(As<CUstream>(stream), (CUstreamCaptureMode)mode);

    public int StreamEndCapture(nint stream, nint* graph) =>
        (int)Streams.cuStreamEndCapture(As<CUstream>(stream), ref Unsafe.AsRef<CUgraph>(graph));

    public int GraphInstantiate(nint* executable, nint graph, ulong flags) => (int)GraphManagment.cuGraphInstantiate(
        ref Unsafe.AsRef<CUgraphExec>(executable), As<CUgraph>(graph), (CUgraphInstantiate_flags)flags);

    public int GraphLaunch(nint executable, nint stream) =>
        (int)GraphManagment.cuGraphLaunch(As<CUgraphExec>(executable), As<CUstream>(stream));

    public int GraphExecDestroy(nint executable) => (int)GraphManagment.cuGraphExecDestroy(As<CUgraphExec>(executable));

    public int GraphDestroy(nint graph) => (int)GraphManagment.cuGraphDestroy(As<CUgraph>(graph));

    public int EventCreate(nint* created, uint flags) =>
        (int)Events.cuEventCreate(ref Unsafe.AsRef<CUevent>(created), (CUEventFlags)flags);

    public int EventRecord(nint recorded, nint stream) =>
        (int)Events.cuEventRecord(As<CUevent>(recorded), As<CUstream>(stream));

    public int EventSynchronize(nint awaited) => (int)Events.cuEventSynchronize(As<CUevent>(awaited));

    public int EventElapsedTime(float* milliseconds, nint start, nint end) =>
        (int)Events.cuEventElapsedTime(ref *milliseconds, As<CUevent>(start), As<CUevent>(end));

    public int EventDestroy(nint destroyed) => (int)Events.cuEventDestroy_v2(As<CUevent>(destroyed));

    private static T As<T>(nint value) where T : struct => Unsafe.BitCast<nint, T>(value);

    private static CUdevice Device(int device) => Unsafe.BitCast<int, CUdevice>(device);

    private static SizeT Size(nuint bytes) => Unsafe.BitCast<nuint, SizeT>(bytes);

    private static IntPtr[] Parameters(int count)
    {
        IntPtr[]?[] known = t_parameters ??= new IntPtr[]?[64];
        if (count >= known.Length) return new IntPtr[count];
        return known[count] ??= new IntPtr[count];
    }
}
