// The CPU backend: storage here; the operators are in the other parts of this class, one file a group. All checks of
// arguments stand in its public methods; kernels trust what they get.
using System.Runtime.CompilerServices;
using Engine.Backends;
using Engine.Cpu.Memory;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;
using Engine.Tensors;

namespace Engine.Cpu;

/// <summary>
/// Runs the graph on the processor. The bits of a result depend neither on the batch, nor on the threads, nor on the
/// instruction set.
/// </summary>
public sealed unsafe partial class CpuBackend : ITrainingBackend
{
    private readonly WorkerPool _pool;
    private readonly Arena _arena = new();
    private readonly WeightMemory _weights = new();
    private readonly Dictionary<nint, long> _allocations = [];
    private readonly Rung _rung;
    private readonly bool _usesMachineCode;
    private bool _frameOpen;
    private bool _disposed;

    /// <summary>Makes a backend with its own threads.</summary>
    /// <exception cref="ArgumentException">An option has a value that it cannot have here.</exception>
    public CpuBackend(BackendOptions? options = null)
    {
        options ??= new BackendOptions();
        _rung = CpuOptions.Rung(options.InstructionSet);
        _usesMachineCode = options.MachineCode && _rung == Rung.Avx512;
        _pool = new WorkerPool(CpuOptions.Threads(options.Threads));
    }

    /// <summary>A backend on a rung that the machine may lack: for tests, which then run the runtime's own code for it.</summary>
    internal CpuBackend(Rung rung, int threads, bool machineCode = true)
    {
        _rung = rung;
        _usesMachineCode = machineCode && rung == Rung.Avx512;
        _pool = new WorkerPool(threads);
    }

    /// <summary>Makes CPU backends; the word is <c>cpu</c>.</summary>
    public static IBackendProvider Provider { get; } = new CpuBackendProvider();

    /// <inheritdoc />
    public string Description => $"cpu, {CpuOptions.Word(_rung)}, {_pool.Threads} {(_pool.Threads == 1 ? "thread" : "threads")}";

    /// <inheritdoc />
    public bool SharesWeightsWith(IBackend other) => other is CpuBackend;   // one layout for all instruction sets

    /// <inheritdoc />
    public Tensor Allocate(Shape shape, DType type)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckShape(shape);
        int stride = RowStride.Elements(shape, type);
        long bytes = (long)shape.Rows * stride * type.Bytes();
        void* memory = NativeBuffer.Allocate(bytes, zeroed: true);
        _allocations.Add((nint)memory, bytes);
        return new Tensor((nint)memory, 0, shape, stride, type);
    }

    /// <inheritdoc />
    public void Free(in Tensor tensor)
    {
        if (_disposed) return;
        if (!_allocations.Remove(tensor.Handle, out long bytes))
            throw new ArgumentException("The tensor was not allocated by this backend, or is freed already.", nameof(tensor));
        NativeBuffer.Free((void*)tensor.Handle, bytes);
    }

    /// <inheritdoc />
    public void BeginFrame()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_frameOpen) throw new InvalidOperationException("A frame is open; frames do not nest.");
        _frameOpen = true;
    }

    /// <inheritdoc />
    public void EndFrame()
    {
        if (!_frameOpen) throw new InvalidOperationException("No frame is open.");
        _frameOpen = false;
        _arena.Reset();
    }

    /// <inheritdoc />
    public Tensor Rent(Shape shape, DType type)
    {
        CheckShape(shape);
        if (!_frameOpen) throw new InvalidOperationException("No frame is open.");
        int stride = RowStride.Elements(shape, type);
        return new Tensor((nint)_arena.Take((long)shape.Rows * stride * type.Bytes()), 0, shape, stride, type);
    }

    /// <inheritdoc />
    public void Write(in Tensor destination, ReadOnlySpan<float> values)
    {
        CheckTransfer(destination, DType.Float32, values.Length);
        for (int row = 0; row < destination.Rows; row++)
        {
            values.Slice(row * destination.Columns, destination.Columns)
                .CopyTo(new Span<float>(Row<float>(destination, row), destination.Columns));
        }
    }

    /// <inheritdoc />
    public void Write(in Tensor destination, ReadOnlySpan<int> values)
    {
        CheckTransfer(destination, DType.Int32, values.Length);
        for (int row = 0; row < destination.Rows; row++)
        {
            values.Slice(row * destination.Columns, destination.Columns)
                .CopyTo(new Span<int>(Row<int>(destination, row), destination.Columns));
        }
    }

    /// <inheritdoc />
    public void Read(in Tensor source, Span<float> values)
    {
        CheckTransfer(source, DType.Float32, values.Length);
        for (int row = 0; row < source.Rows; row++)
        {
            new ReadOnlySpan<float>(Row<float>(source, row), source.Columns)
                .CopyTo(values.Slice(row * source.Columns, source.Columns));
        }
    }

    /// <inheritdoc />
    public void Read(in Tensor source, Span<int> values)
    {
        CheckTransfer(source, DType.Int32, values.Length);
        for (int row = 0; row < source.Rows; row++)
        {
            new ReadOnlySpan<int>(Row<int>(source, row), source.Columns)
                .CopyTo(values.Slice(row * source.Columns, source.Columns));
        }
    }

    /// <summary>Stops the threads and frees all memory.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _pool.Dispose();
        _arena.Dispose();
        foreach ((nint address, long bytes) in _allocations) NativeBuffer.Free((void*)address, bytes);
        _allocations.Clear();
    }

    // First element of a row; T must be the type of the elements.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T* Row<T>(in Tensor tensor, int row) where T : unmanaged =>
        (T*)tensor.Handle + tensor.Offset + ((long)row * tensor.Stride);

    private static void CheckShape(Shape shape)
    {
        if (shape.Rows < 0 || shape.Columns < 0)
            throw new ArgumentException($"The shape is {shape}, expected no negative extent.", nameof(shape));
    }

    private static void CheckTransfer(in Tensor tensor, DType type, int values)
    {
        if (tensor.Type != type)
            throw new ArgumentException($"The tensor is {tensor}, expected {type.Word()}.", nameof(tensor));
        if (values != tensor.Shape.Count)
        {
            throw new ArgumentException(
                $"There are {values:N0} values for a tensor of {tensor.Shape.Count:N0} elements.", nameof(values));
        }
    }
}
