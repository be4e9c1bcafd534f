// What is asked of the driver while it works: memory, modules, launches, streams, graphs. An interface, because there are two ways
// to the driver: the one of our own (DriverCalls) and, where a build asks for it, ManagedCuda.
namespace Engine.Cuda.Driver;

/// <summary>Calls of the CUDA driver; each returns an error code, 0: success.</summary>
internal unsafe interface ICudaDriver
{
    /// <summary>Starts the driver; harmless when it is started.</summary>
    int Init(uint flags);

    /// <summary>The handle of a device by its number.</summary>
    int DeviceGet(int* device, int number);

    /// <summary>A fact about a device.</summary>
    int DeviceGetAttribute(int* value, int attribute, int device);

    /// <summary>Retains the primary context of a device.</summary>
    int DevicePrimaryCtxRetain(nint* context, int device);

    /// <summary>Takes a retain back; the last one ends the context.</summary>
    int DevicePrimaryCtxRelease(int device);

    /// <summary>Makes a context that of the calling thread.</summary>
    int CtxSetCurrent(nint context);

    /// <summary>Compiles PTX, which ends with a zero, and loads it.</summary>
    int ModuleLoadDataEx(nint* module, void* image, uint count, int* options, void** values);

    /// <summary>Unloads a module; no work may need it.</summary>
    int ModuleUnload(nint module);

    /// <summary>A kernel of a module by its name, which ends with a zero.</summary>
    int ModuleGetFunction(nint* function, nint module, byte* name);

    /// <summary>A fact about a kernel.</summary>
    int FuncGetAttribute(int* value, int attribute, nint function);

    /// <summary>Changes what a kernel may do.</summary>
    int FuncSetAttribute(nint function, int attribute, int value);

    /// <summary>Launches a kernel; its parameters, so many as it declares, are copied at the call.</summary>
    int LaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes,
        nint stream, void** parameters, int count);

    /// <summary>Bytes of device memory that are free, and all.</summary>
    int MemGetInfo(nuint* free, nuint* total);

    /// <summary>Takes device memory.</summary>
    int MemAlloc(nint* address, nuint bytes);

    /// <summary>Frees device memory.</summary>
    int MemFree(nint address);

    /// <summary>Takes pinned host memory.</summary>
    int MemHostAlloc(void** memory, nuint bytes, uint flags);

    /// <summary>Frees pinned host memory.</summary>
    int MemFreeHost(void* memory);

    /// <summary>Copies to the device in a stream.</summary>
    int MemcpyHtoDAsync(nint destination, void* source, nuint bytes, nint stream);

    /// <summary>Copies to the host in a stream.</summary>
    int MemcpyDtoHAsync(void* destination, nint source, nuint bytes, nint stream);

    /// <summary>Copies within the device in a stream.</summary>
    int MemcpyDtoDAsync(nint destination, nint source, nuint bytes, nint stream);

    /// <summary>Fills device memory with a byte in a stream.</summary>
    int MemsetD8Async(nint destination, byte value, nuint count, nint stream);

    /// <summary>Makes a stream.</summary>
    int StreamCreate(nint* stream, uint flags);

    /// <summary>Destroys a stream.</summary>
    int StreamDestroy(nint stream);

    /// <summary>Waits for all work of a stream.</summary>
    int StreamSynchronize(nint stream);

    /// <summary>From now on work of a stream is recorded.</summary>
    int StreamBeginCapture(nint stream, int mode);

    /// <summary>Ends a recording, which becomes a graph.</summary>
    int StreamEndCapture(nint stream, nint* graph);

    /// <summary>Makes a graph ready to be launched.</summary>
    int GraphInstantiate(nint* executable, nint graph, ulong flags);

    /// <summary>Launches a graph in a stream.</summary>
    int GraphLaunch(nint executable, nint stream);

    /// <summary>Frees what was made ready.</summary>
    int GraphExecDestroy(nint executable);

    /// <summary>Frees a graph.</summary>
    int GraphDestroy(nint graph);

    /// <summary>Makes an event.</summary>
    int EventCreate(nint* created, uint flags);

    /// <summary>Records an event in a stream.</summary>
    int EventRecord(nint recorded, nint stream);

    /// <summary>Waits for an event.</summary>
    int EventSynchronize(nint awaited);

    /// <summary>Milliseconds from an event to another.</summary>
    int EventElapsedTime(float* milliseconds, nint start, nint end);

    /// <summary>Destroys an event.</summary>
    int EventDestroy(nint destroyed);
}
