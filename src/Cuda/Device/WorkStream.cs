// The stream that a backend's work is put in, with cuBLAS's handle for it. In a frame that repeats, work is written down instead, and
// given to the device when its results are read: as one graph, if the same work was given before.
using System.Runtime.InteropServices;
using Engine.Cuda.Driver;

namespace Engine.Cuda.Device;

/// <summary>Work of one device in order. Used by one thread at a time.</summary>
internal sealed unsafe class WorkStream : IDisposable
{
    private const uint NonBlocking = 1;

    // What cuBLAS asks for: 32 MiB on compute capability 9, 4 MiB before. Ours is always the larger.
    private const int WorkspaceBytes = 32 << 20;

    private readonly CudaDeviceContext _context;
    private readonly StepGraphs _graphs;
    private readonly List<nint> _running = [];
    private WorkList _written = new();
    private WorkList _given = new();
    private nint _stream;
    private nint _blas;
    private nint _workspace;
    private bool _writes;
    private long _launches;

    /// <summary>Makes the stream and cuBLAS's handle.</summary>
    public WorkStream(CudaDeviceContext context)
    {
        _context = context;
        _graphs = new StepGraphs(context, this);
        try
        {
            nint stream, blas;
            context.MakeCurrent();
            context.Check(context.Calls.StreamCreate(&stream, NonBlocking), "cuStreamCreate");
            _stream = stream;
            CheckBlas(Blas.Create(&blas), "cublasCreate");
            _blas = blas;
            _workspace = context.Allocate(WorkspaceBytes);
            CheckBlas(Blas.SetStream(blas, stream), "cublasSetStream");
            CheckBlas(Blas.SetWorkspace(blas, _workspace, WorkspaceBytes), "cublasSetWorkspace");   // after SetStream, which resets it
            CheckBlas(Blas.SetMathMode(blas, CublasCalls.NoReducedPrecisionReduction), "cublasSetMathMode");
            int version;
            CheckBlas(Blas.GetVersion(blas, &version), "cublasGetVersion");
            CublasVersion = version;
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
    public nint Handle => _stream;

    /// <summary>Graphs that are ready to be launched.</summary>
    public int Graphs => _graphs.Count;

    private CublasCalls Blas => _context.Blas;

    /// <summary>From now on work is written down, until <see cref="StopWriting"/>.</summary>
    public void StartWriting() => _writes = true;

    /// <summary>What is written down is given to the device; from now on work goes there at once.</summary>
    public void StopWriting()
    {
        _writes = false;
        if (!_written.IsEmpty) Give();
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
        _context.Check(_context.Calls.MemcpyDtoDAsync(destination, source, (nuint)bytes, _stream), "cuMemcpyDtoDAsync");
    }

    /// <summary>Fills device memory with zeros.</summary>
    public void Clear(nint destination, long bytes)
    {
        if (bytes == 0) return;
        Prepare();
        _context.Check(_context.Calls.MemsetD8Async(destination, 0, (nuint)bytes, _stream), "cuMemsetD8Async");
    }

    /// <summary>Waits until all work is done.</summary>
    public void Wait()
    {
        Prepare();
        int error = _context.Calls.StreamSynchronize(_stream);
        if (error != 0) _context.Check(error, DescribeRunning());
        _running.Clear();
        _given.Clear();
    }

    /// <summary>Waits, and frees what was made; the context is the thread's.</summary>
    public void Dispose()
    {
        if (_stream != 0) _ = _context.Calls.StreamSynchronize(_stream);
        _graphs.Dispose();
        if (_blas != 0) _ = Blas.Destroy(_blas);
        if (_workspace != 0) _ = _context.Calls.MemFree(_workspace);
        if (_stream != 0) _ = _context.Calls.StreamDestroy(_stream);
        _stream = _blas = _workspace = 0;
    }

    /// <summary>A launch, given to the driver at once.</summary>
    internal void LaunchNow(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint sharedBytes, KernelArgument* arguments, int count)
    {
        void** places = stackalloc void*[count];
        for (int i = 0; i < count; i++) places[i] = arguments + i;
        int error = _context.Calls.LaunchKernel(
            function, gridX, gridY, gridZ, blockX, 1, 1, sharedBytes, _stream, places, null);
        if (error != 0) _context.Check(error, $"the launch of {_context.NameOf(function)}");
        Note(function);
    }

    /// <summary>A product, given to cuBLAS at once.</summary>
    internal void MultiplyNow(in BlasProduct product)
    {
        bool isInteger = product.Compute == CublasCalls.ComputeInt32;
        float one = 1, beta = product.Accumulates ? 1 : 0;
        int oneInteger = 1, betaInteger = product.Accumulates ? 1 : 0;
        int status = Blas.GemmEx(
            _blas, product.TransposeA, product.TransposeB, product.M, product.N, product.K,
            isInteger ? &oneInteger : &one, product.A.Address, product.A.Type, product.A.Leading, product.B.Address, product.B.Type,
            product.B.Leading, isInteger ? &betaInteger : &beta, product.C.Address, product.C.Type, product.C.Leading,
            product.Compute, CublasCalls.DefaultAlgorithm);
        if (status != 0) CheckBlas(status, $"cublasGemmEx of {product.M} × {product.N}, sums of {product.K},");
    }

    /// <summary>A copy, given to the driver at once.</summary>
    internal void CopyInNow(nint destination, void* source, long bytes) =>
        _context.Check(_context.Calls.MemcpyHtoDAsync(destination, source, (nuint)bytes, _stream), "cuMemcpyHtoDAsync");

    /// <summary>A copy, given to the driver at once.</summary>
    internal void CopyOutNow(void* destination, nint source, long bytes) =>
        _context.Check(_context.Calls.MemcpyDtoHAsync(destination, source, (nuint)bytes, _stream), "cuMemcpyDtoHAsync");

    private void Prepare()
    {
        _context.MakeCurrent();
        if (!_written.IsEmpty) Give();
    }

    private void Give()
    {
        try
        {
            _graphs.Run(_written);
        }
        finally
        {
            (_written, _given) = (_given, _written);
            _written.Clear();
        }
    }

    // The driver tells of a fault only at a wait, without the kernel's name; so these are the ones that it can be.
    private void Note(nint function)
    {
        if (!_running.Contains(function)) _running.Add(function);
    }

    private string DescribeRunning()
    {
        string[] names = [.. _running.Concat(_given.Functions()).Distinct().Select(_context.NameOf)];
        return names.Length switch
        {
            0 => "cuStreamSynchronize",
            1 => $"the kernel {names[0]}",
            _ => $"one of the kernels {string.Join(", ", names)}",
        };
    }

    private void CheckBlas(int status, string call)
    {
        if (status == 0) return;
        byte* text = Blas.GetStatusString(status);
        throw new CudaException(
            call, status, text == null ? "a status without a name" : Marshal.PtrToStringUTF8((nint)text)!);
    }
}
