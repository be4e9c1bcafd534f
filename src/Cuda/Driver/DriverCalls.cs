// The way of our own to the driver: its entry points, looked up by their exact exported names. A name without _v2 still exists
// beside the one that is wanted, with the old layout.
using System.Runtime.InteropServices;

namespace Engine.Cuda.Driver;

/// <summary>The driver's functions by their addresses.</summary>
internal sealed unsafe class DriverCalls : ICudaDriver
{
    private readonly delegate* unmanaged<uint, int> _init;
    private readonly delegate* unmanaged<int*, int, int> _deviceGet;
    private readonly delegate* unmanaged<int*, int, int, int> _deviceGetAttribute;
    private readonly delegate* unmanaged<nint*, int, int> _devicePrimaryCtxRetain;
    private readonly delegate* unmanaged<int, int> _devicePrimaryCtxRelease;
    private readonly delegate* unmanaged<nint, int> _ctxSetCurrent;
    private readonly delegate* unmanaged<nint*, void*, uint, int*, void**, int> _moduleLoadDataEx;
    private readonly delegate* unmanaged<nint, int> _moduleUnload;
    private readonly delegate* unmanaged<nint*, nint, byte*, int> _moduleGetFunction;
    private readonly delegate* unmanaged<int*, int, nint, int> _funcGetAttribute;
    private readonly delegate* unmanaged<nint, int, int, int> _funcSetAttribute;
    private readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int> _launchKernel;
    private readonly delegate* unmanaged<nuint*, nuint*, int> _memGetInfo;
    private readonly delegate* unmanaged<nint*, nuint, int> _memAlloc;
    private readonly delegate* unmanaged<nint, int> _memFree;
    private readonly delegate* unmanaged<void**, nuint, uint, int> _memHostAlloc;
    private readonly delegate* unmanaged<void*, int> _memFreeHost;
    private readonly delegate* unmanaged<nint, void*, nuint, nint, int> _memcpyHtoDAsync;
    private readonly delegate* unmanaged<void*, nint, nuint, nint, int> _memcpyDtoHAsync;
    private readonly delegate* unmanaged<nint, nint, nuint, nint, int> _memcpyDtoDAsync;
    private readonly delegate* unmanaged<nint, byte, nuint, nint, int> _memsetD8Async;
    private readonly delegate* unmanaged<nint*, uint, int> _streamCreate;
    private readonly delegate* unmanaged<nint, int> _streamDestroy;
    private readonly delegate* unmanaged<nint, int> _streamSynchronize;
    private readonly delegate* unmanaged<nint, int, int> _streamBeginCapture;
    private readonly delegate* unmanaged<nint, nint*, int> _streamEndCapture;
    private readonly delegate* unmanaged<nint*, nint, ulong, int> _graphInstantiate;
    private readonly delegate* unmanaged<nint, nint, int> _graphLaunch;
    private readonly delegate* unmanaged<nint, int> _graphExecDestroy;
    private readonly delegate* unmanaged<nint, int> _graphDestroy;
    private readonly delegate* unmanaged<nint*, uint, int> _eventCreate;
    private readonly delegate* unmanaged<nint, nint, int> _eventRecord;
    private readonly delegate* unmanaged<nint, int> _eventSynchronize;
    private readonly delegate* unmanaged<float*, nint, nint, int> _eventElapsedTime;
    private readonly delegate* unmanaged<nint, int> _eventDestroy;

    /// <summary>Looks the entry points up.</summary>
    /// <param name="library">The driver's library, loaded.</param>
    /// <exception cref="EntryPointNotFoundException">It lacks one: the driver is too old.</exception>
    public DriverCalls(nint library)
    {
        _init = (delegate* unmanaged<uint, int>)Find("cuInit");
        _deviceGet = (delegate* unmanaged<int*, int, int>)Find("cuDeviceGet");
        _deviceGetAttribute = (delegate* unmanaged<int*, int, int, int>)Find("cuDeviceGetAttribute");
        _devicePrimaryCtxRetain = (delegate* unmanaged<nint*, int, int>)Find("cuDevicePrimaryCtxRetain");
        _devicePrimaryCtxRelease = (delegate* unmanaged<int, int>)Find("cuDevicePrimaryCtxRelease_v2");
        _ctxSetCurrent = (delegate* unmanaged<nint, int>)Find("cuCtxSetCurrent");
        _moduleLoadDataEx = (delegate* unmanaged<nint*, void*, uint, int*, void**, int>)Find("cuModuleLoadDataEx");
        _moduleUnload = (delegate* unmanaged<nint, int>)Find("cuModuleUnload");
        _moduleGetFunction = (delegate* unmanaged<nint*, nint, byte*, int>)Find("cuModuleGetFunction");
        _funcGetAttribute = (delegate* unmanaged<int*, int, nint, int>)Find("cuFuncGetAttribute");
        _funcSetAttribute = (delegate* unmanaged<nint, int, int, int>)Find("cuFuncSetAttribute");
        _launchKernel = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)
            Find("cuLaunchKernel");
        _memGetInfo = (delegate* unmanaged<nuint*, nuint*, int>)Find("cuMemGetInfo_v2");
        _memAlloc = (delegate* unmanaged<nint*, nuint, int>)Find("cuMemAlloc_v2");
        _memFree = (delegate* unmanaged<nint, int>)Find("cuMemFree_v2");
        _memHostAlloc = (delegate* unmanaged<void**, nuint, uint, int>)Find("cuMemHostAlloc");
        _memFreeHost = (delegate* unmanaged<void*, int>)Find("cuMemFreeHost");
        _memcpyHtoDAsync = (delegate* unmanaged<nint, void*, nuint, nint, int>)Find("cuMemcpyHtoDAsync_v2");
        _memcpyDtoHAsync = (delegate* unmanaged<void*, nint, nuint, nint, int>)Find("cuMemcpyDtoHAsync_v2");
        _memcpyDtoDAsync = (delegate* unmanaged<nint, nint, nuint, nint, int>)Find("cuMemcpyDtoDAsync_v2");
        _memsetD8Async = (delegate* unmanaged<nint, byte, nuint, nint, int>)Find("cuMemsetD8Async");
        _streamCreate = (delegate* unmanaged<nint*, uint, int>)Find("cuStreamCreate");
        _streamDestroy = (delegate* unmanaged<nint, int>)Find("cuStreamDestroy_v2");
        _streamSynchronize = (delegate* unmanaged<nint, int>)Find("cuStreamSynchronize");
        _streamBeginCapture = (delegate* unmanaged<nint, int, int>)Find("cuStreamBeginCapture_v2");
        _streamEndCapture = (delegate* unmanaged<nint, nint*, int>)Find("cuStreamEndCapture");
        _graphInstantiate = (delegate* unmanaged<nint*, nint, ulong, int>)Find("cuGraphInstantiateWithFlags");
        _graphLaunch = (delegate* unmanaged<nint, nint, int>)Find("cuGraphLaunch");
        _graphExecDestroy = (delegate* unmanaged<nint, int>)Find("cuGraphExecDestroy");
        _graphDestroy = (delegate* unmanaged<nint, int>)Find("cuGraphDestroy");
        _eventCreate = (delegate* unmanaged<nint*, uint, int>)Find("cuEventCreate");
        _eventRecord = (delegate* unmanaged<nint, nint, int>)Find("cuEventRecord");
        _eventSynchronize = (delegate* unmanaged<nint, int>)Find("cuEventSynchronize");
        _eventElapsedTime = (delegate* unmanaged<float*, nint, nint, int>)Find("cuEventElapsedTime");
        _eventDestroy = (delegate* unmanaged<nint, int>)Find("cuEventDestroy_v2");

        nint Find(string name) => NativeLibrary.GetExport(library, name);
    }

    public int Init(uint flags) => _init(flags);

    public int DeviceGet(int* device, int number) => _deviceGet(device, number);

    public int DeviceGetAttribute(int* value, int attribute, int device) => _deviceGetAttribute(value, attribute, device);

    public int DevicePrimaryCtxRetain(nint* context, int device) => _devicePrimaryCtxRetain(context, device);

    public int DevicePrimaryCtxRelease(int device) => _devicePrimaryCtxRelease(device);

    public int CtxSetCurrent(nint context) => _ctxSetCurrent(context);

    public int ModuleLoadDataEx(nint* module, void* image, uint count, int* options, void** values) =>
        _moduleLoadDataEx(module, image, count, options, values);

    public int ModuleUnload(nint module) => _moduleUnload(module);

    public int ModuleGetFunction(nint* function, nint module, byte* name) => _moduleGetFunction(function, module, name);

    public int FuncGetAttribute(int* value, int attribute, nint function) => _funcGetAttribute(value, attribute, function);

    public int FuncSetAttribute(nint function, int attribute, int value) => _funcSetAttribute(function, attribute, value);

    public int LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes,
        nint stream, void** parameters, int count) =>
        _launchKernel(function, gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, stream, parameters, null);

    public int MemGetInfo(nuint* free, nuint* total) => _memGetInfo(free, total);

    public int MemAlloc(nint* address, nuint bytes) => _memAlloc(address, bytes);

    public int MemFree(nint address) => _memFree(address);

    public int MemHostAlloc(void** memory, nuint bytes, uint flags) => _memHostAlloc(memory, bytes, flags);

    public int MemFreeHost(void* memory) => _memFreeHost(memory);

    public int MemcpyHtoDAsync(nint destination, void* source, nuint bytes, nint stream) =>
        _memcpyHtoDAsync(destination, source, bytes, stream);

    public int MemcpyDtoHAsync(void* destination, nint source, nuint bytes, nint stream) =>
        _memcpyDtoHAsync(destination, source, bytes, stream);

    public int MemcpyDtoDAsync(nint destination, nint source, nuint bytes, nint stream) =>
        _memcpyDtoDAsync(destination, source, bytes, stream);

    public int MemsetD8Async(nint destination, byte value, nuint count, nint stream) =>
        _memsetD8Async(destination, value, count, stream);

    public int StreamCreate(nint* stream, uint flags) => _streamCreate(stream, flags);

    public int StreamDestroy(nint stream) => _streamDestroy(stream);

    public int StreamSynchronize(nint stream) => _streamSynchronize(stream);

    public int StreamBeginCapture(nint stream, int mode) => _streamBeginCapture(stream, mode);

    public int StreamEndCapture(nint stream, nint* graph) => _streamEndCapture(stream, graph);

    public int GraphInstantiate(nint* executable, nint graph, ulong flags) => _graphInstantiate(executable, graph, flags);

    public int GraphLaunch(nint executable, nint stream) => _graphLaunch(executable, stream);

    public int GraphExecDestroy(nint executable) => _graphExecDestroy(executable);

    public int GraphDestroy(nint graph) => _graphDestroy(graph);

    public int EventCreate(nint* created, uint flags) => _eventCreate(created, flags);

    public int EventRecord(nint recorded, nint stream) => _eventRecord(recorded, stream);

    public int EventSynchronize(nint awaited) => _eventSynchronize(awaited);

    public int EventElapsedTime(float* milliseconds, nint start, nint end) => _eventElapsedTime(milliseconds, start, end);

    public int EventDestroy(nint destroyed) => _eventDestroy(destroyed);
}
