// One device, opened: its context, its memory, the modules of the embedded PTX, and the stream that work is put in. Errors of the
// driver are told here, in one way, and calls are made in the calling thread's context.
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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

    [ThreadStatic]
    private static CudaDeviceContext? t_current;

    private readonly NativeDriver _driver;
    private readonly Dictionary<string, nint> _modules = [];
    private readonly List<Kernel> _kernels = [];
    private readonly int _device;
    private nint _context;
    private CudaException? _lost;
    private bool _disposed;

    /// <summary>Opens a device.</summary>
    /// <exception cref="BackendUnavailableException">It cannot be opened; the message says what is missing.</exception>
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
            Calls = new DriverCalls(driver.Handle);
            Blas = new CublasCalls(NativeLibrary.Load(info.CublasLibrary!));
            int device = 0;
            Check(Calls.DeviceGet(&device, number), "cuDeviceGet");
            _device = device;
            nint context;
            Check(Calls.DevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
            _context = context;
            MakeCurrent();
            int multiprocessors = 0;
            Check(Calls.DeviceGetAttribute(&multiprocessors, MultiprocessorCount, device), "cuDeviceGetAttribute");
            Multiprocessors = multiprocessors;
            Stream = new WorkStream(this);
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

    /// <summary>The driver's entry points, for calls that are not wrapped here.</summary>
    public DriverCalls Calls { get; }

    /// <summary>The entry points of cuBLAS.</summary>
    public CublasCalls Blas { get; }

    /// <summary>The stream that all work is in.</summary>
    public WorkStream Stream { get; } = null!;

    /// <summary>Makes the context that of the calling thread: before any call.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MakeCurrent()
    {
        if (_lost is not null || _disposed) ThrowUnusable();
        if (t_current == this) return;
        Check(Calls.CtxSetCurrent(_context), "cuCtxSetCurrent");
        t_current = this;
    }

    /// <summary>Takes device memory.</summary>
    /// <exception cref="OutOfMemoryException">There is no such room; the message says what was asked and what is free.</exception>
    [SuppressMessage("Usage", "CA2201", Justification = "It is what it says, and what IBackend promises.")]
    public nint Allocate(long bytes)
    {
        MakeCurrent();
        nint address;
        int error = Calls.MemAlloc(&address, (nuint)Math.Max(bytes, 1));
        if (error == OutOfMemory)
        {
            nuint free = 0, total = 0;
            _ = Calls.MemGetInfo(&free, &total);
            throw new OutOfMemoryException(
                $"{bytes:N0} bytes of memory of {Device.Name} were asked for; {free:N0} of {total:N0} are free.");
        }

        Check(error, "cuMemAlloc");
        return address;
    }

    /// <summary>Gives device memory back, after the work that uses it.</summary>
    public void Free(nint address)
    {
        if (_disposed || _lost is not null) return;
        Stream.Wait();
        Check(Calls.MemFree(address), "cuMemFree");
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
    public void Check(int error, string call)
    {
        if (error != 0) throw Failed(call, error, _driver.Describe(error));
    }

    /// <summary>Frees what was opened, the context last.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        if (_context != 0 && _lost is null)
        {
            _ = Calls.CtxSetCurrent(_context);
            Stream?.Dispose();
            foreach (nint module in _modules.Values) _ = Calls.ModuleUnload(module);
            _ = Calls.DevicePrimaryCtxRelease(_device);
            t_current = null;
        }

        _disposed = true;
    }

    // After a fault of a kernel every later call of the process answers the same error: nothing can be computed any more.
    private CudaException Failed(string call, int error, string description)
    {
        var failure = new CudaException(call, error, description);
        if (error is 700 or 702 or 709 or 714 or 715 or 716 or 717 or 718 or 719) _lost = failure;
        return failure;
    }

    [DoesNotReturn]
    private void ThrowUnusable()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        throw new CudaException($"an earlier call ({_lost!.Call})", _lost.Code, "an error after which the device is lost");
    }

    private void Load(Kernel kernel)
    {
        MakeCurrent();
        nint module = Module(kernel.Family), function;
        fixed (byte* text = Encoding.UTF8.GetBytes(kernel.Name + '\0'))
            Check(Calls.ModuleGetFunction(&function, module, text), $"cuModuleGetFunction of {kernel.Name}");
        kernel.Function = function;
    }

    private nint Module(string family)
    {
        if (_modules.TryGetValue(family, out nint module)) return module;
        string resource = $"{family}.ptx";
        using System.IO.Stream ptx = typeof(CudaDeviceContext).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"The assembly holds no {resource}.");
        var text = new byte[ptx.Length + 1];   // the driver wants a zero at the end
        ptx.ReadExactly(text.AsSpan(0, (int)ptx.Length));
        var errors = new byte[LogBytes];
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

        _modules.Add(family, module);
        return module;
    }
}
