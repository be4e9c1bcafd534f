// The stream that a backend's work is put in, with cuBLAS's handle for it. In a frame that repeats, work is written down instead, and
// given to the device when its results are read, or the frame ends: as one graph, if the same work was given before.
using Engine.Cuda.Driver;

namespace Engine.Cuda.Device;

/// <summary>Work of one device in order. Used by one thread at a time.</summary>
internal sealed unsafe class WorkStream : IDisposable
{
    /// <summary>
    /// The variable that, if it is 1, makes each kernel be waited for: an error then names the one that made it.
    /// </summary>
    public const string WaitForEachVariable = "ENGINE_CUDA_SYNC";

    private const uint NonBlocking = 1;

    // What cuBLAS asks for: 32 MiB on compute capability 9, 4 MiB before. Ours is always the larger.
    private const int WorkspaceBytes = 32 << 20;

    private const int AllocationFailed = 3;   // of cuBLAS

    private readonly CudaDeviceContext _context;
    private readonly ContextHandle _handle;
    private readonly StepGraphs _graphs;
    private readonly StreamHandle? _stream;
    private readonly BlasHandle? _blas;
    private readonly BlasLt? _lt;
    private readonly bool _waitsForEach;
    private readonly List<nint> _running = [];
    private WorkList _written = new();
    private WorkList _given = new();
    private bool _writes;
    private long _launches;

    /// <summary>Makes the stream and cuBLAS's handle.</summary>
    /// <param name="context">The device.</param>
    /// <param name="handle">Its context.</param>
    public WorkStream(CudaDeviceContext context, ContextHandle handle)
    {
        _context = context;
        _handle = handle;
        _graphs = new StepGraphs(context, handle, this);
        _waitsForEach = Environment.GetEnvironmentVariable(WaitForEachVariable) == "1";
        try
        {
            nint stream, blas;
            context.MakeCurrent();
            context.Check(context.Calls.StreamCreate(&stream, NonBlocking), "cuStreamCreate");
            _stream = new StreamHandle(context.Calls, handle, stream);
            CheckBlas(Blas.Create(&blas), "cublasCreate");
            _blas = new BlasHandle(Blas, handle, blas);
            nint workspace = context.Allocate(WorkspaceBytes);
            CheckBlas(Blas.SetStream(blas, stream), "cublasSetStream");
            CheckBlas(Blas.SetWorkspace(blas, workspace, WorkspaceBytes), "cublasSetWorkspace");   // after SetStream, which resets it
            CheckBlas(Blas.SetMathMode(blas, CublasCalls.NoReducedPrecisionReduction), "cublasSetMathMode");
            int version;
            CheckBlas(Blas.GetVersion(blas, &version), "cublasGetVersion");
            CublasVersion = version;
            if (context.BlasLt is { } lt) _lt = new BlasLt(this, handle, lt, workspace, WorkspaceBytes);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The version of cuBLAS as it tells it.</summary>
    public int CublasVersion { get; }

    /// <summary>The driver's handle.</summary>
    public nint Handle => _stream!.Value;

    /// <summary>Graphs that are ready to be launched.</summary>
    public int Graphs => _graphs.Count;

    /// <summary>cuBLASLt; null: it is not there.</summary>
    public BlasLt? Lt => _lt;

    private IBlas Blas => _context.Blas;

    /// <summary>From now on work is written down, until <see cref="StopWriting"/>.</summary>
    public void StartWriting()
    {
        _context.MakeCurrent();
        _writes = true;
    }

    /// <summary>What is written down is given to the device; from now on work goes there at once.</summary>
    public void StopWriting()
    {
        _writes = false;
        if (_context.IsLost) _written.Clear();
        else if (!_written.IsEmpty) Give();
    }

    /// <summary>Gives up the graphs for the memory that they take; says whether there were any.</summary>
    public bool ClearGraphs()
    {
        Settle();
        return _graphs.Clear();
    }

    /// <summary>A kernel.</summary>
    public void Launch(
        Kernel kernel, uint gridX, uint gridY, uint gridZ, uint blockX, uint sharedBytes, ReadOnlySpan<KernelArgument> arguments)
    {
        _context.MakeCurrent();
        nint function = _context.FunctionOf(kernel);
        if (_writes)
        {
            _launches++;
            _written.AddLaunch(function, gridX, gridY, gridZ, blockX, sharedBytes, arguments);
            return;
        }

        fixed (KernelArgument* first = arguments)
            LaunchNow(function, gridX, gridY, gridZ, blockX, sharedBytes, first, arguments.Length);
    }

    /// <summary>The number that the next launch will be written down under; −1: it is not written down but done.</summary>
    public long Next => _writes ? _launches : -1;

    /// <summary>
    /// Takes back the launch of a number, if it is the last work and was not given to the device yet: what comes next does it too.
    /// </summary>
    public bool TakeBack(long number) => _writes && number == _launches - 1 && _written.TakeBackLaunch();

    /// <summary>A product of cuBLAS.</summary>
    public void Multiply(in BlasProduct product)
    {
        _context.MakeCurrent();
        if (_writes) _written.AddProduct(product);
        else MultiplyNow(product);
    }

    /// <summary>A product that a bias or an activation follows, if cuBLASLt has such a one; otherwise nothing is done.</summary>
    public bool TryMultiply(in BlasProduct product)
    {
        _context.MakeCurrent();
        if (_lt is null || !_lt.TryPrepare(product, mayForget: _written.IsEmpty)) return false;
        Multiply(product);
        return true;
    }

    /// <summary>Copies from pinned memory, which stays as it is until <see cref="Wait"/>.</summary>
    public void CopyIn(nint destination, void* source, long bytes)
    {
        _context.MakeCurrent();
        if (_writes) _written.AddCopyIn(destination, source, bytes);
        else CopyInNow(destination, source, bytes);
    }

    /// <summary>Copies to pinned memory, where it is after <see cref="Wait"/>.</summary>
    public void CopyOut(void* destination, nint source, long bytes)
    {
        _context.MakeCurrent();
        if (_writes) _written.AddCopyOut(destination, source, bytes);
        else CopyOutNow(destination, source, bytes);
    }

    /// <summary>Copies within the device.</summary>
    public void Copy(nint destination, nint source, long bytes)
    {
        if (bytes == 0) return;
        Prepare();
        _context.Check(_context.Calls.MemcpyDtoDAsync(destination, source, (nuint)bytes, Handle), "cuMemcpyDtoDAsync");
    }

    /// <summary>Fills device memory with zeros.</summary>
    public void Clear(nint destination, long bytes)
    {
        if (bytes == 0) return;
        Prepare();
        _context.Check(_context.Calls.MemsetD8Async(destination, 0, (nuint)bytes, Handle), "cuMemsetD8Async");
    }

    /// <summary>Waits until all work is done.</summary>
    public void Wait()
    {
        Prepare();
        WaitNow("cuStreamSynchronize");
    }

    /// <summary>
    /// Waits until nothing uses what is to be freed. What went wrong on the device is left to the next call to tell.
    /// </summary>
    public void Settle()
    {
        if (_context.IsLost) return;
        if (!_written.IsEmpty) Give();
        WaitAnyhow();
    }

    /// <summary>Waits, and frees what was made. Never throws.</summary>
    public void Dispose()
    {
        if (_stream is { IsClosed: false }) WaitAnyhow();
        _graphs.Dispose();
        _stream?.Dispose();
        _lt?.Dispose();
        _blas?.Dispose();
    }

    /// <summary>The kernels that were given to the device since the last wait, in words: one of them made an error that a call tells.</summary>
    public string DescribeRunning()
    {
        string[] names = [.. _running.Concat(_given.Functions()).Distinct().Select(_context.NameOf)];
        return names.Length switch
        {
            0 => "",
            1 => $"the kernel {names[0]}",
            _ => $"one of the kernels {string.Join(", ", names)}",
        };
    }

    /// <summary>A launch, given to the driver at once.</summary>
    internal void LaunchNow(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint sharedBytes, KernelArgument* arguments, int count)
    {
        void** places = stackalloc void*[count];
        for (int i = 0; i < count; i++) places[i] = arguments + i;
        int error = _context.Calls.LaunchKernel(
            function, gridX, gridY, gridZ, blockX, 1, 1, sharedBytes, Handle, places, count);
        if (error != 0) _context.Check(error, $"the launch of {_context.NameOf(function)}");
        Note(function);
        if (_waitsForEach) WaitNow("cuStreamSynchronize");
    }

    /// <summary>A product, given to cuBLAS at once.</summary>
    internal void MultiplyNow(in BlasProduct product)
    {
        string call = product.IsPlain ? "cublasGemmEx" : "cublasLtMatmul";
        int status = product.IsPlain ? MultiplyPlain(product) : _lt!.Multiply(product);
        if (status != 0) CheckBlas(status, $"{call} {product.Sizes()}");
        if (_waitsForEach) WaitNow($"{call} {product.Sizes()}");
    }

    private int MultiplyPlain(in BlasProduct product)
    {
        bool isInteger = product.Compute == CublasCalls.ComputeInt32;
        float one = 1, beta = product.Accumulates ? 1 : 0;
        int oneInteger = 1, betaInteger = product.Accumulates ? 1 : 0;
        return Blas.GemmEx(
            _blas!.Value, product.TransposeA, product.TransposeB, product.M, product.N, product.K,
            isInteger ? &oneInteger : &one, product.A.Address, product.A.Type, product.A.Leading, product.B.Address, product.B.Type,
            product.B.Leading, isInteger ? &betaInteger : &beta, product.C.Address, product.C.Type, product.C.Leading,
            product.Compute, CublasCalls.DefaultAlgorithm);
    }

    /// <summary>A copy, given to the driver at once.</summary>
    internal void CopyInNow(nint destination, void* source, long bytes) =>
        _context.Check(_context.Calls.MemcpyHtoDAsync(destination, source, (nuint)bytes, Handle), "cuMemcpyHtoDAsync");

    /// <summary>A copy, given to the driver at once.</summary>
    internal void CopyOutNow(void* destination, nint source, long bytes) =>
        _context.Check(_context.Calls.MemcpyDtoHAsync(destination, source, (nuint)bytes, Handle), "cuMemcpyDtoHAsync");

    private void Prepare()
    {
        _context.MakeCurrent();
        if (!_written.IsEmpty) Give();
    }

    private void Give()
    {
        try
        {
            if (_waitsForEach) _written.Issue(this);
            else _graphs.Run(_written);
        }
        finally
        {
            (_written, _given) = (_given, _written);
            _written.Clear();
        }
    }

    private void WaitAnyhow()
    {
        if (_handle.MakeCurrent() == 0) _ = _context.Calls.StreamSynchronize(Handle);
    }

    private void WaitNow(string call)
    {
        int error = _context.Calls.StreamSynchronize(Handle);
        if (error != 0) _context.Check(error, call);
        _running.Clear();
        _given.Clear();
    }

    // The driver tells of a fault only at a later call, without the kernel's name; so these are the ones that it can be.
    private void Note(nint function)
    {
        if (!_running.Contains(function)) _running.Add(function);
    }

    /// <summary>
    /// Throws where a status of cuBLAS is an error: it has statuses of its own, and by none of them says that the device is lost.
    /// </summary>
    internal void CheckBlas(int status, string call)
    {
        if (status == 0) return;
        if (status == AllocationFailed) throw _context.NoRoom($"Memory of {_context.Device.Name} for {call.TrimEnd(',')} was");
        nuint free, total;
        int error = _context.Calls.MemGetInfo(&free, &total);
        if (CudaDeviceContext.IsOfKernel(error)) _context.Check(error, call);
        throw new CudaException(call, status, Blas.Describe(status));
    }
}
