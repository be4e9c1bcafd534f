// One device, opened: its context, its memory, the modules of the embedded PTX, and the stream that work is put in. Errors of the
// driver are told here, in one way; calls are made in the calling thread's context; and all that was made is freed here, in order.
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text;
using Engine.Backends;
using Engine.Cuda.Driver;

namespace Engine.Cuda.Device;

/// <summary>A device that work is given to, by one thread at a time.</summary>
internal sealed unsafe class CudaDeviceContext : IDisposable
{
    private const int OutOfMemory = 2;
    private const int SharedBytes = 1, LocalBytes = 3, RegistersOfThread = 4, LargestSharedBytes = 8;
    private const int MultiprocessorCount = 16;
    private const int LogBytes = 16 << 10;
    private const int ErrorLogBuffer = 5, ErrorLogSize = 6;

    private readonly NativeDriver _driver;
    private readonly ContextHandle? _context;
    private readonly Dictionary<string, ModuleHandle> _modules = [];
    private readonly Dictionary<nint, DeviceMemory> _memory = [];
    private readonly List<PinnedMemory> _pinned = [];
    private readonly List<Kernel> _kernels = [];
    private CudaException? _lost;
    private bool _disposed;

    /// <summary>Opens a device.</summary>
    /// <exception cref="BackendUnavailableException">It cannot be opened; the message says what is missing.</exception>
    /// <exception cref="OutOfMemoryException">There is no room for what is needed from the beginning.</exception>
    public CudaDeviceContext(CudaInfo info, int number)
    {
        if (info.Missing is { } missing) throw new BackendUnavailableException("cuda", missing);
        if (number < 0 || number >= info.Devices.Count)
        {
            throw new BackendUnavailableException(
                "cuda", $"device {number} was asked for, and there are {info.Devices.Count}, numbered from 0");
        }

        Device = info.Devices[number];
        if (!NativeDriver.TryOpen([info.DriverLibrary!], out NativeDriver? driver, out string? why))
            throw new BackendUnavailableException("cuda", why);
        _driver = driver;
        try
        {
            Calls = CudaBinding.OpenDriver(driver.Handle);
            Blas = CudaBinding.OpenBlas(info.CublasLibrary!);
            BlasLt = CudaBinding.OpenBlasLt(info.CublasLtLibrary);
            int device;
            Check(Calls.Init(0), "cuInit");
            Check(Calls.DeviceGet(&device, number), "cuDeviceGet");
            nint context;
            Check(Calls.DevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
            _context = new ContextHandle(Calls, device, context);
            int multiprocessors = 0;
            Check(Calls.DeviceGetAttribute(&multiprocessors, MultiprocessorCount, device), "cuDeviceGetAttribute");
            Multiprocessors = multiprocessors;
            Stream = new WorkStream(this, _context);
        }
        catch (Exception problem) when (problem is EntryPointNotFoundException or DllNotFoundException or CudaException)
        {
            Dispose();
            throw new BackendUnavailableException("cuda", problem.Message.TrimEnd('.'));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The device.</summary>
    public CudaDevice Device { get; }

    /// <summary>How many multiprocessors it has.</summary>
    public int Multiprocessors { get; }

    /// <summary>The driver.</summary>
    public ICudaDriver Calls { get; } = null!;

    /// <summary>cuBLAS.</summary>
    public IBlas Blas { get; } = null!;

    /// <summary>cuBLASLt; null: it is not there.</summary>
    public CublasLtCalls? BlasLt { get; }

    /// <summary>The stream that all work is in.</summary>
    public WorkStream Stream { get; } = null!;

    /// <summary>Whether a kernel has failed, after which nothing can be computed any more.</summary>
    public bool IsLost => _lost is not null;

    /// <summary>Frees what may be made anew, where memory is short; says whether there was anything.</summary>
    public Func<bool>? Reclaim { get; set; }

    /// <summary>Makes the context that of the calling thread: before any call.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MakeCurrent()
    {
        if (_lost is not null || _disposed) ThrowUnusable();
        if (!_context!.IsCurrent) Check(_context.MakeCurrent(), "cuCtxSetCurrent");
    }

    /// <summary>Takes device memory.</summary>
    /// <exception cref="OutOfMemoryException">There is no such room; the message says what was asked and what is free.</exception>
    public nint Allocate(long bytes)
    {
        MakeCurrent();
        nint address;
        nuint size = (nuint)Math.Max(bytes, 1);
        int error = Calls.MemAlloc(&address, size);
        if (error == OutOfMemory && Reclaim is { } reclaim && reclaim()) error = Calls.MemAlloc(&address, size);
        if (error == OutOfMemory) throw NoRoom($"{bytes:N0} bytes of memory of {Device.Name} were");
        Check(error, "cuMemAlloc");
        _memory.Add(address, new DeviceMemory(Calls, _context!, address));
        return address;
    }

    /// <summary>Gives device memory back, after the work that uses it. Does nothing where all is freed already.</summary>
    public void Free(nint address)
    {
        if (!_memory.Remove(address, out DeviceMemory? memory)) return;
        try
        {
            Stream.Settle();
        }
        finally
        {
            memory.Dispose();
        }
    }

    /// <summary>Takes pinned host memory, which stays until this object is disposed.</summary>
    /// <exception cref="OutOfMemoryException">There is no such room.</exception>
    public void* AllocatePinned(int bytes)
    {
        MakeCurrent();
        void* memory;
        int error = Calls.MemHostAlloc(&memory, (nuint)bytes, 0);
        if (error == OutOfMemory) throw NoRoom($"{bytes:N0} bytes of pinned host memory for {Device.Name} were");
        Check(error, "cuMemHostAlloc");
        _pinned.Add(new PinnedMemory(Calls, _context!, (nint)memory));
        return memory;
    }

    /// <summary>
    /// A kernel of an embedded module. The driver compiles the module when one of its kernels is first launched or described.
    /// </summary>
    /// <param name="family">The file in <c>native/ptx</c>, without its ending.</param>
    /// <param name="name">The kernel.</param>
    public Kernel Find(string family, string name)
    {
        var kernel = new Kernel(family, name);
        _kernels.Add(kernel);
        return kernel;
    }

    /// <summary>The driver's handle of a kernel.</summary>
    public nint FunctionOf(Kernel kernel)
    {
        if (kernel.Function == 0) Load(kernel);
        return kernel.Function;
    }

    /// <summary>The name of a kernel by the driver's handle.</summary>
    public string NameOf(nint function) => _kernels.Find(kernel => kernel.Function == function)?.Name ?? "without a name";

    /// <summary>Lets a kernel be launched with more shared memory than every block may have.</summary>
    public void AllowShared(Kernel kernel, int bytes) => Check(
        Calls.FuncSetAttribute(FunctionOf(kernel), LargestSharedBytes, bytes), $"cuFuncSetAttribute of {kernel.Name}");

    /// <summary>What the driver's compiler makes of each kernel: a line each.</summary>
    public IEnumerable<string> DescribeKernels()
    {
        foreach (Kernel kernel in _kernels)
        {
            yield return $"{kernel.Name}: {Ask(kernel, RegistersOfThread)} registers, {Ask(kernel, LocalBytes)} bytes local, "
                + $"{Ask(kernel, SharedBytes)} bytes shared";
        }
    }

    private int Ask(Kernel kernel, int attribute)
    {
        int value;
        Check(Calls.FuncGetAttribute(&value, attribute, FunctionOf(kernel)), "cuFuncGetAttribute");
        return value;
    }

    /// <summary>Throws where an error code is one.</summary>
    /// <exception cref="OutOfMemoryException">The code says so.</exception>
    /// <exception cref="CudaException">Another error.</exception>
    public void Check(int error, string call)
    {
        if (error == 0) return;
        if (error == OutOfMemory) throw NoRoom($"Memory of {Device.Name} for {call} was");
        if (_lost is not null) ThrowUnusable();
        bool isLost = IsOfKernel(error);
        string kernels = isLost ? Stream?.DescribeRunning() ?? "" : "";
        var failure = new CudaException(kernels.Length == 0 ? call : $"{kernels}, as {call} tells,", error, _driver.Describe(error));
        if (isLost) _lost = failure;
        throw failure;
    }

    /// <summary>Whether an error is one of a kernel, after which every later call of the process answers the same.</summary>
    public static bool IsOfKernel(int error) => error is 214 or 220 or 700 or 702 or 709 or 710 or (>= 714 and <= 719);

    /// <summary>The exception for what found no room.</summary>
    /// <param name="asked">What was asked for, with its verb.</param>
    [SuppressMessage("Usage", "CA2201", Justification = "It is what it says, and what IBackend promises.")]
    public OutOfMemoryException NoRoom(string asked)
    {
        nuint free = 0, total = 0;
        int error = Calls.MemGetInfo(&free, &total);
        string left = error == 0 ? $"{free:N0} of {total:N0} are free" : "how much is free cannot be found out";
        return new OutOfMemoryException($"{asked} asked for; {left}.");
    }

    /// <summary>Frees what was made, the context last. Never throws, whatever happened to the device.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        Stream?.Dispose();
        foreach (ModuleHandle module in _modules.Values) module.Dispose();
        foreach (DeviceMemory memory in _memory.Values) memory.Dispose();
        foreach (PinnedMemory memory in _pinned) memory.Dispose();
        _memory.Clear();
        _context?.Dispose();
    }

    [DoesNotReturn]
    private void ThrowUnusable()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        throw CudaException.After(_lost!);
    }

    private void Load(Kernel kernel)
    {
        MakeCurrent();
        nint module = Module(kernel.Family).Value, function;
        fixed (byte* text = Encoding.UTF8.GetBytes(kernel.Name + '\0'))
            Check(Calls.ModuleGetFunction(&function, module, text), $"cuModuleGetFunction of {kernel.Name}");
        kernel.Function = function;
    }

    private ModuleHandle Module(string family)
    {
        if (_modules.TryGetValue(family, out ModuleHandle? known)) return known;
        string resource = $"{family}.ptx";
        using System.IO.Stream ptx = typeof(CudaDeviceContext).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"The assembly holds no {resource}.");
        var text = new byte[ptx.Length + 1];   // the driver wants a zero at the end
        ptx.ReadExactly(text.AsSpan(0, (int)ptx.Length));
        var errors = new byte[LogBytes];
        nint module;
        fixed (byte* start = text)
        fixed (byte* errorLog = errors)
        {
            int* options = stackalloc int[] { ErrorLogBuffer, ErrorLogSize };
            void** values = stackalloc void*[] { errorLog, (void*)LogBytes };
            int error = Calls.ModuleLoadDataEx(&module, start, 2, options, values);
            if (error != 0)
            {
                string said = Encoding.UTF8.GetString(errors.AsSpan(0, Math.Max(errors.AsSpan().IndexOf((byte)0), 0))).Trim();
                Check(error, said.Length == 0 ? $"loading {resource}" : $"loading {resource} ({said})");
            }
        }

        var loaded = new ModuleHandle(Calls, _context!, module);
        _modules.Add(family, loaded);
        return loaded;
    }
}
