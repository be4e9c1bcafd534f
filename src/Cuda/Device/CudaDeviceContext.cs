// One device, opened: its context, a stream, cuBLAS with a workspace of its own, and the modules of the embedded PTX. All calls of
// the driver go through here, so that an error is told in one way, and that the context is the calling thread's.
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
    private const uint NonBlocking = 1;
    private const int SharedBytes = 1, LocalBytes = 3, RegistersOfThread = 4;
    private const int LogBytes = 16 << 10;
    private const int ErrorLogBuffer = 5, ErrorLogSize = 6;

    // What cuBLAS asks for: 32 MiB on compute capability 9, 4 MiB before. Ours is always the larger.
    private const int WorkspaceBytes = 32 << 20;

    [ThreadStatic]
    private static nint t_current;

    private readonly NativeDriver _driver;
    private readonly Dictionary<string, nint> _modules = [];
    private readonly List<Kernel> _found = [];
    private readonly int _device;
    private nint _context;
    private nint _stream;
    private nint _blas;
    private nint _workspace;
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
            nint stream, blas;
            Check(Calls.StreamCreate(&stream, NonBlocking), "cuStreamCreate");
            _stream = stream;
            CheckBlas(Blas.Create(&blas), "cublasCreate");
            _blas = blas;
            _workspace = Allocate(WorkspaceBytes);
            CheckBlas(Blas.SetStream(blas, stream), "cublasSetStream");
            CheckBlas(Blas.SetWorkspace(blas, _workspace, WorkspaceBytes), "cublasSetWorkspace");   // after SetStream, which resets it
            CheckBlas(Blas.SetMathMode(blas, CublasCalls.NoReducedPrecisionReduction), "cublasSetMathMode");
            int version;
            CheckBlas(Blas.GetVersion(blas, &version), "cublasGetVersion");
            CublasVersion = version;
        }
        catch (Exception problem) when (problem is EntryPointNotFoundException or DllNotFoundException or CudaException)
        {
            Dispose();
            throw new BackendUnavailableException("cuda", problem.Message.TrimEnd('.'));
        }
    }

    /// <summary>The device.</summary>
    public CudaDevice Device { get; }

    /// <summary>The version of cuBLAS as it tells it.</summary>
    public int CublasVersion { get; }

    /// <summary>The driver's entry points, for calls that are not wrapped here.</summary>
    public DriverCalls Calls { get; }

    /// <summary>The entry points of cuBLAS.</summary>
    public CublasCalls Blas { get; }

    /// <summary>The handle of cuBLAS.</summary>
    public nint BlasHandle => _blas;

    /// <summary>The stream that all work is in.</summary>
    public nint Stream => _stream;

    /// <summary>Makes the context that of the calling thread: before any call.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void MakeCurrent()
    {
        if (_lost is not null || _disposed) ThrowUnusable();
        if (t_current == _context) return;
        Check(Calls.CtxSetCurrent(_context), "cuCtxSetCurrent");
        t_current = _context;
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
        MakeCurrent();
        Check(Calls.StreamSynchronize(_stream), "cuStreamSynchronize");
        Check(Calls.MemFree(address), "cuMemFree");
    }

    /// <summary>Waits until all work is done.</summary>
    public void Synchronize()
    {
        MakeCurrent();
        Check(Calls.StreamSynchronize(_stream), "cuStreamSynchronize");
    }

    /// <summary>A kernel of an embedded module, which is compiled by the driver when it is first asked for.</summary>
    /// <param name="family">The file in <c>native/ptx</c>, without its ending.</param>
    /// <param name="name">The kernel.</param>
    public Kernel Find(string family, string name)
    {
        MakeCurrent();
        nint module = Module(family), function;
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
            Check(Calls.ModuleGetFunction(&function, module, text), $"cuModuleGetFunction of {name}");
        var kernel = new Kernel(function, name);
        _found.Add(kernel);
        return kernel;
    }

    /// <summary>What the driver's compiler made of each kernel that was asked for: a line each.</summary>
    public IEnumerable<string> DescribeKernels()
    {
        foreach (Kernel kernel in _found)
        {
            yield return $"{kernel.Name}: {Ask(kernel, RegistersOfThread)} registers, {Ask(kernel, LocalBytes)} bytes local, "
                + $"{Ask(kernel, SharedBytes)} bytes shared";
        }
    }

    private int Ask(Kernel kernel, int attribute)
    {
        int value;
        Check(Calls.FuncGetAttribute(&value, attribute, kernel.Function), "cuFuncGetAttribute");
        return value;
    }

    /// <summary>Puts a kernel into the stream.</summary>
    public void Launch(
        Kernel kernel, uint gridX, uint gridY, uint gridZ, uint blockX, uint sharedBytes,
        params ReadOnlySpan<KernelArgument> arguments)
    {
        MakeCurrent();
        void** places = stackalloc void*[arguments.Length];
        fixed (KernelArgument* first = arguments)
        {
            for (int i = 0; i < arguments.Length; i++) places[i] = first + i;
            int error = Calls.LaunchKernel(
                kernel.Function, gridX, gridY, gridZ, blockX, 1, 1, sharedBytes, _stream, places, null);
            if (error != 0) Check(error, $"the launch of {kernel.Name}");
        }
    }

    /// <summary>Copies within the device.</summary>
    public void Copy(nint destination, nint source, long bytes)
    {
        if (bytes == 0) return;
        MakeCurrent();
        Check(Calls.MemcpyDtoDAsync(destination, source, (nuint)bytes, _stream), "cuMemcpyDtoDAsync");
    }

    /// <summary>Fills device memory with zeros.</summary>
    public void Clear(nint destination, long bytes)
    {
        if (bytes == 0) return;
        MakeCurrent();
        Check(Calls.MemsetD8Async(destination, 0, (nuint)bytes, _stream), "cuMemsetD8Async");
    }

    /// <summary>Throws where an error code is one.</summary>
    public void Check(int error, string call)
    {
        if (error != 0) throw Failed(call, error, _driver.Describe(error));
    }

    /// <summary>Throws where a status of cuBLAS is an error.</summary>
    public void CheckBlas(int status, string call)
    {
        if (status == 0) return;
        byte* text = Blas.GetStatusString(status);
        throw new CudaException(
            call, status, text == null ? "a status without a name" : Marshal.PtrToStringUTF8((nint)text)!);
    }

    /// <summary>Frees what was opened, the context last.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        if (_context != 0 && _lost is null)
        {
            _ = Calls.CtxSetCurrent(_context);
            if (_stream != 0) _ = Calls.StreamSynchronize(_stream);
            if (_blas != 0) _ = Blas.Destroy(_blas);
            foreach (nint module in _modules.Values) _ = Calls.ModuleUnload(module);
            if (_workspace != 0) _ = Calls.MemFree(_workspace);
            if (_stream != 0) _ = Calls.StreamDestroy(_stream);
            _ = Calls.DevicePrimaryCtxRelease(_device);
            t_current = 0;
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

    private nint Module(string family)
    {
        if (_modules.TryGetValue(family, out nint module)) return module;
        string resource = $"{family}.ptx";
        using Stream ptx = typeof(CudaDeviceContext).Assembly.GetManifestResourceStream(resource)
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
