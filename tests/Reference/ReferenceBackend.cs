// A backend made of the definitions: every tensor a table of doubles. Slow and plain; what other backends are tested
// against. Storage here; the operators are in the other parts of this class.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Reference;

/// <summary>
/// Runs the graph in double precision. Numbers are rounded to float32 only where they are read, where an activation
/// becomes an integer, and where <see cref="TopK"/> looks for equal values.
/// </summary>
public sealed partial class ReferenceBackend : ITrainingBackend
{
    private readonly Dictionary<nint, Storage> _storages = [];
    private readonly List<nint> _frame = [];
    private nint _lastHandle;
    private bool _frameOpen;
    private bool _disposed;

    /// <inheritdoc />
    public string Description => "reference, double precision";

    /// <summary>Tables that are alive: allocated and not freed, or made in the open frame.</summary>
    public int LiveTables => _storages.Count;

    /// <summary>The most that were alive at once.</summary>
    public int MostTables { get; private set; }

    /// <summary>
    /// What each number that an operator reads is wrong by, relative to it; null: nothing. An operator in float32 gives what
    /// the exact one gives for inputs that are γₙ wrong (Higham 2002, 3.1): so errors drawn from ±γₙ show what rounding
    /// may do to a whole graph.
    /// </summary>
    public Func<double>? InputError { get; set; }

    /// <inheritdoc />
    public Tensor Allocate(Shape shape, DType type) => Add(shape, type, 0d, 0);

    /// <inheritdoc />
    public void Free(in Tensor tensor)
    {
        if (_disposed) return;
        if (_frame.Contains(tensor.Handle) || !_storages.Remove(tensor.Handle))
            throw new ArgumentException(
                "The tensor was not allocated by this backend, or is freed already.", nameof(tensor));
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
        foreach (nint handle in _frame) _storages.Remove(handle);
        _frame.Clear();
    }

    /// <inheritdoc />
    public Tensor Rent(Shape shape, DType type)
    {
        if (!_frameOpen) throw new InvalidOperationException("No frame is open.");
        Tensor tensor = Add(shape, type, double.NaN, int.MinValue);   // so that what is read before it is written shows
        _frame.Add(tensor.Handle);
        return tensor;
    }

    /// <inheritdoc />
    public void Write(in Tensor destination, ReadOnlySpan<float> values)
    {
        CheckTransfer(destination, DType.Float32, values.Length);
        Store(destination, ErrorBound.Widen(values));
    }

    /// <inheritdoc />
    public void Write(in Tensor destination, ReadOnlySpan<int> values)
    {
        CheckTransfer(destination, DType.Int32, values.Length);
        Store(destination, values);
    }

    /// <inheritdoc />
    public void Read(in Tensor source, Span<float> values)
    {
        CheckTransfer(source, DType.Float32, values.Length);
        double[] numbers = ReadDoubles(source);
        for (int i = 0; i < numbers.Length; i++) values[i] = (float)numbers[i];
    }

    /// <inheritdoc />
    public void Read(in Tensor source, Span<int> values)
    {
        CheckTransfer(source, DType.Int32, values.Length);
        Integers(source).CopyTo(values);
    }

    /// <summary>The numbers as they are, before they are rounded to float32.</summary>
    public double[] ReadDoubles(in Tensor source)
    {
        if (source.IsNone) return [];
        CheckType(source, DType.Float32);
        return Gather(source, Find(source).Numbers);
    }

    /// <summary>Writes numbers that are not rounded to float32: for differences too small for it.</summary>
    public void WriteDoubles(in Tensor destination, ReadOnlySpan<double> values)
    {
        CheckTransfer(destination, DType.Float32, values.Length);
        Store(destination, values);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _disposed = true;
        _storages.Clear();
        _frame.Clear();
    }

    private Tensor Add(Shape shape, DType type, double number, int integer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (shape.Rows < 0 || shape.Columns < 0)
            throw new ArgumentException($"The shape is {shape}, expected no negative extent.", nameof(shape));
        int count = checked((int)shape.Count);
        var storage = type switch
        {
            DType.Float32 => new Storage(new double[count], []),
            DType.Int32 => new Storage([], new int[count]),
            _ => throw new ArgumentException($"The type is {type.Word()}, expected float32 or int32.", nameof(type)),
        };
        Array.Fill(storage.Numbers, number);
        Array.Fill(storage.Integers, integer);
        _storages.Add(++_lastHandle, storage);
        MostTables = Math.Max(MostTables, _storages.Count);
        return new Tensor(_lastHandle, 0, shape, shape.Columns, type);
    }

    // The result of an operator.
    private Tensor Result(Shape shape, ReadOnlySpan<double> values)
    {
        Tensor tensor = Rent(shape, DType.Float32);
        Store(tensor, values);
        return tensor;
    }

    private Storage Find(in Tensor tensor)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _storages.TryGetValue(tensor.Handle, out Storage? storage)
            ? storage
            : throw new InvalidOperationException(
                tensor.IsNone ? "There is no tensor where one is needed."
                    : "The tensor is gone: it was freed, or its frame ended.");
    }

    // The elements of a view, row by row, as an operator reads them; none for no tensor.
    private double[] Numbers(in Tensor tensor)
    {
        double[] numbers = ReadDoubles(tensor);
        if (InputError is not null) for (int i = 0; i < numbers.Length; i++) numbers[i] *= 1 + InputError();
        return numbers;
    }

    private int[] Integers(in Tensor tensor)
    {
        if (tensor.IsNone) return [];
        CheckType(tensor, DType.Int32);
        return Gather(tensor, Find(tensor).Integers);
    }

    private void Store(in Tensor tensor, ReadOnlySpan<double> values) => Scatter(tensor, values, Find(tensor).Numbers);

    private void Store(in Tensor tensor, ReadOnlySpan<int> values) => Scatter(tensor, values, Find(tensor).Integers);

    private static T[] Gather<T>(in Tensor tensor, T[] storage)
    {
        var values = new T[tensor.Shape.Count];
        for (int row = 0; row < tensor.Rows; row++)
            Array.Copy(storage, Place(tensor, row), values, (long)row * tensor.Columns, tensor.Columns);
        return values;
    }

    private static void Scatter<T>(in Tensor tensor, ReadOnlySpan<T> values, T[] storage)
    {
        for (int row = 0; row < tensor.Rows; row++)
        {
            values.Slice(row * tensor.Columns, tensor.Columns)
                .CopyTo(storage.AsSpan(checked((int)Place(tensor, row)), tensor.Columns));
        }
    }

    private static long Place(in Tensor tensor, int row) => tensor.Offset + ((long)row * tensor.Stride);

    private static void CheckType(in Tensor tensor, DType type)
    {
        if (tensor.Type != type)
            throw new ArgumentException($"The tensor is {tensor}, expected {type.Word()}.", nameof(tensor));
    }

    private static void CheckTransfer(in Tensor tensor, DType type, int values)
    {
        CheckType(tensor, type);
        if (values != tensor.Shape.Count)
        {
            throw new ArgumentException(
                $"There are {values:N0} values for a tensor of {tensor.Shape.Count:N0} elements.", nameof(values));
        }
    }

    private sealed record Storage(double[] Numbers, int[] Integers);
}
