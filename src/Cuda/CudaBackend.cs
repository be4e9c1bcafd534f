// The CUDA backend: storage here; weights, products and the other operators are in the other parts of this class, one file a
// group. Numbers that lie in device memory (ids, offsets, slots) cannot be checked here: kernels pass over what is out of range.
using Engine.Backends;
using Engine.Cuda.Device;
using Engine.Tensors;

namespace Engine.Cuda;

/// <summary>Runs the graph on an NVIDIA GPU.</summary>
public sealed unsafe partial class CudaBackend : ITrainingBackend
{
    private readonly CudaDeviceContext _context;
    private readonly DeviceArena _arena;
    private readonly Staging _staging;
    private readonly HashSet<nint> _allocations = [];
    private readonly Kernels _kernels;
    private readonly FewKernels _few;
    private readonly bool _usesOwnProducts;
    private readonly Arithmetic _arithmetic;
    private bool _frameOpen;
    private bool _disposed;

    /// <summary>Opens a device.</summary>
    /// <exception cref="BackendUnavailableException">It cannot be opened; the message says what is missing.</exception>
    public CudaBackend(BackendOptions? options = null)
        : this(CudaInfo.Find(), options ?? new BackendOptions())
    {
    }

    /// <summary>Opens a device of a CUDA that was looked at.</summary>
    internal CudaBackend(CudaInfo info, BackendOptions options)
        : this(info, options.Device, options.Deterministic == Determinism.Batch, options.Arithmetic)
    {
    }

    /// <summary>Opens a device of a CUDA that was looked at.</summary>
    /// <exception cref="ArgumentException">Products of our own are asked for in rounded arithmetic.</exception>
    internal CudaBackend(CudaInfo info, int device, bool usesOwnProducts = false, Arithmetic arithmetic = Arithmetic.Float32)
    {
        if (usesOwnProducts && arithmetic != Arithmetic.Float32)
        {
            throw new ArgumentException(
                $"The arithmetic is {arithmetic}, expected {Arithmetic.Float32} where results have the bits of the CPU.");
        }

        _usesOwnProducts = usesOwnProducts;
        _arithmetic = arithmetic;
        _context = new CudaDeviceContext(info, device);
        try
        {
            _arena = new DeviceArena(_context);
            _staging = new Staging(_context);
            _kernels = new Kernels(_context.Find);
            _few = new FewKernels(_context);
        }
        catch
        {
            _context.Dispose();
            throw;
        }

        _context.Reclaim = Reclaim;
    }

    /// <summary>Makes CUDA backends; the word is <c>cuda</c>.</summary>
    public static IBackendProvider Provider { get; } = new CudaBackendProvider(CudaInfo.Find);

    /// <inheritdoc />
    public string Description => $"cuda:{_context.Device.Number}, {_context.Device.Name}";

    /// <inheritdoc />
    public bool PrefersEqualSteps => true;

    /// <inheritdoc />
    public int TranslatorsAtOnce => 2;

    /// <inheritdoc />
    public bool SharesWeightsWith(IBackend other) =>
        other is CudaBackend cuda && cuda._arithmetic == _arithmetic             // which says how weights are packed
            && cuda._context.Device.Number == _context.Device.Number;           // one primary context, one address space

    /// <summary>The device, for measurements.</summary>
    internal CudaDeviceContext Context => _context;

    /// <inheritdoc />
    public Tensor Allocate(Shape shape, DType type)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckShape(shape);
        long bytes = shape.Count * type.Bytes();
        nint memory = _context.Allocate(bytes);
        try
        {
            _context.Stream.Clear(memory, bytes);
        }
        catch
        {
            _context.Free(memory);
            throw;
        }

        _allocations.Add(memory);
        return new Tensor(memory, 0, shape, shape.Columns, type);
    }

    /// <inheritdoc />
    public void Free(in Tensor tensor)
    {
        if (_disposed) return;
        if (!_allocations.Remove(tensor.Handle))
            throw new ArgumentException("The tensor was not allocated by this backend, or is freed already.", nameof(tensor));
        _context.Free(tensor.Handle);
    }

    /// <inheritdoc />
    public void BeginFrame() => BeginFrame(repeats: false);

    /// <inheritdoc />
    public void BeginFrame(bool repeats)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_frameOpen) throw new InvalidOperationException("A frame is open; frames do not nest.");
        if (repeats)
        {
            _staging.Rewind();
            _context.Stream.StartWriting();
        }

        _frameOpen = true;
    }

    /// <inheritdoc />
    public void EndFrame()
    {
        if (!_frameOpen) throw new InvalidOperationException("No frame is open.");
        _frameOpen = false;
        try
        {
            _context.Stream.StopWriting();
        }
        finally
        {
            if (!_context.IsLost) _arena.Reset();
        }
    }

    /// <inheritdoc />
    public Tensor Rent(Shape shape, DType type)
    {
        CheckShape(shape);
        return new Tensor(RentBytes(shape.Count * type.Bytes()), 0, shape, shape.Columns, type);
    }

    /// <inheritdoc />
    public void Write(in Tensor destination, ReadOnlySpan<float> values) => WriteRows(destination, values, DType.Float32);

    /// <inheritdoc />
    public void Write(in Tensor destination, ReadOnlySpan<int> values) => WriteRows(destination, values, DType.Int32);

    /// <inheritdoc />
    public void Read(in Tensor source, Span<float> values) => ReadRows(source, values, DType.Float32);

    /// <inheritdoc />
    public void Read(in Tensor source, Span<int> values) => ReadRows(source, values, DType.Int32);

    /// <inheritdoc />
    public void Read(in Tensor floats, Span<float> values, in Tensor integers, Span<int> numbers)
    {
        CheckTransfer(floats, DType.Float32, values.Length);
        CheckTransfer(integers, DType.Int32, numbers.Length);
        if (floats.IsContiguous && integers.IsContiguous) _staging.Read(Address(floats), values, Address(integers), numbers);
        else
        {
            Read(floats, values);
            Read(integers, numbers);
        }
    }

    /// <summary>Waits for all work and frees all memory, weights included. Never throws.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _context.Dispose();
    }

    // Address of the first element.
    private static nint Address(in Tensor tensor) => tensor.Handle + (nint)(tensor.Offset * tensor.Type.Bytes());

    // What the next frame and the next steps would find, and can make anew.
    private bool Reclaim()
    {
        bool graphs = _context.Stream.ClearGraphs();
        return (!_frameOpen && _arena.Free()) || graphs;
    }

    // Scratch memory that lives until the frame ends.
    private nint RentBytes(long bytes)
    {
        if (!_frameOpen) throw new InvalidOperationException("No frame is open.");
        return _arena.Take(bytes);
    }

    private void Launch(
        Kernel kernel, uint gridX, uint gridY, uint gridZ, uint blockX, uint sharedBytes,
        params ReadOnlySpan<KernelArgument> arguments) =>
        _context.Stream.Launch(kernel, gridX, gridY, gridZ, blockX, sharedBytes, arguments);

    private void WriteRows<T>(in Tensor destination, ReadOnlySpan<T> values, DType type) where T : unmanaged
    {
        CheckTransfer(destination, type, values.Length);
        if (destination.IsContiguous)
        {
            _staging.Write(Address(destination), values);
            return;
        }

        for (int row = 0; row < destination.Rows; row++)
        {
            nint place = Address(destination) + (nint)((long)row * destination.Stride * sizeof(T));
            _staging.Write(place, values.Slice(row * destination.Columns, destination.Columns));
        }
    }

    private void ReadRows<T>(in Tensor source, Span<T> values, DType type) where T : unmanaged
    {
        CheckTransfer(source, type, values.Length);
        if (source.IsContiguous)
        {
            _staging.Read(Address(source), values);
            return;
        }

        for (int row = 0; row < source.Rows; row++)
        {
            nint place = Address(source) + (nint)((long)row * source.Stride * sizeof(T));
            _staging.Read(place, values.Slice(row * source.Columns, source.Columns));
        }
    }

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
