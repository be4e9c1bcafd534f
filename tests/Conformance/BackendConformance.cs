// One suite for every backend: each operator against its definition, within derived bounds, and the promises about
// bits. Linked into the test project of each backend; the cases are in the other parts of this class, one file a group.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

/// <summary>What every backend must do. A backend's tests inherit this and say how it is made.</summary>
public abstract partial class BackendConformance : IDisposable
{
    // Rows and columns around a view: not a multiple of any vector, and filled so that a read beyond the view shows.
    private const int RowsAround = 1;
    private const int ColumnsBefore = 3;
    private const int ColumnsAfter = 4;

    private readonly List<IDisposable> _owned = [];
    private IBackend? _backend;
    private IBackend? _twin;

    /// <summary>Makes the backend that is tested.</summary>
    protected abstract IBackend Create();

    /// <summary>
    /// Makes a backend that must give the same bits, such as one with other instructions or more threads, or none.
    /// </summary>
    protected virtual IBackend? CreateTwin() => null;

    /// <summary>Whether a row has the same bits whatever batch it stands in.</summary>
    protected virtual bool IsBatchInvariant => true;

    private IBackend Backend => _backend ??= Create();

    private ReferenceBackend Reference { get; } = new();

    public void Dispose()
    {
        foreach (IDisposable owned in _owned) owned.Dispose();
        _backend?.Dispose();
        _twin?.Dispose();
        Reference.Dispose();
        GC.SuppressFinalize(this);
    }

    // ---- running ----

    private static T InFrame<T>(IBackend backend, Func<IBackend, T> script)
    {
        backend.BeginFrame();
        try
        {
            return script(backend);
        }
        finally
        {
            backend.EndFrame();
        }
    }

    /// <summary>Runs a script in a frame of the backend and reads its result.</summary>
    private float[] Run(Func<IBackend, Tensor> script) => InFrame(Backend, b => Floats(b, script(b)));

    /// <summary>Compares the result of a script with the reference's, and the bits with the twin's.</summary>
    private void AssertAgrees(string what, double[] bound, Func<IBackend, Tensor> script)
    {
        (double[] expected, Shape shape) = InFrame(Reference, b =>
        {
            Tensor tensor = script(b);
            return (Reference.ReadDoubles(tensor), tensor.Shape);
        });
        float[] found = InFrame(Backend, b =>
        {
            Tensor tensor = script(b);
            Assert.True(shape == tensor.Shape, $"{what}: the shape is {tensor.Shape}, expected {shape}");
            return Floats(b, tensor);
        });
        AssertWithin(what, expected, found, bound, shape.Columns);
        if ((_twin ??= CreateTwin()) is { } twin)
            AssertSameBits($"{what}, {twin.Description}", InFrame(twin, b => Floats(b, script(b))), found);
    }

    // The bound is that of the operator; the reference's own number is rounded nowhere, and what is read is a float32.
    private static void AssertWithin(string what, double[] expected, float[] found, double[] bound, int columns)
    {
        Assert.Equal(expected.Length, found.Length);
        Assert.Equal(expected.Length, bound.Length);
        for (int i = 0; i < found.Length; i++)
        {
            double error = Math.Abs(found[i] - expected[i]);
            double allowed = bound[i] + (ErrorBound.UnitRoundoff * Math.Abs(expected[i]));
            Assert.True(
                error <= allowed,
                $"{what}: [{i / columns}, {i % columns}] is {found[i]:R}, expected {expected[i]:R} "
                + $"within {allowed:G3}, error {error:G3}");
        }
    }

    private static void AssertSameBits(string what, ReadOnlySpan<float> expected, ReadOnlySpan<float> found)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < found.Length; i++)
        {
            Assert.True(
                BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(found[i]),
                $"{what}: element {i} is {found[i]:R}, expected the bits of {expected[i]:R}");
        }
    }

    // ---- values and tables ----

    /// <summary>Normally distributed numbers; the seed makes them the same in every run.</summary>
    private static float[] Values(int count, int seed, double deviation = 1)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < count; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = (float)(deviation * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return values;
    }

    private static double[] Widen(ReadOnlySpan<float> values) => ErrorBound.Widen(values);

    private static float[] Floats(IBackend backend, in Tensor tensor)
    {
        var values = new float[tensor.Shape.Count];
        backend.Read(tensor, values);
        return values;
    }

    private static int[] Integers(IBackend backend, in Tensor tensor)
    {
        var values = new int[tensor.Shape.Count];
        backend.Read(tensor, values);
        return values;
    }

    /// <summary>A table of the frame; as a view it lies within a larger one of NaN.</summary>
    private static Tensor Put(IBackend backend, int rows, int columns, ReadOnlySpan<float> values, bool view = false)
    {
        Tensor table = view ? Surrounded(backend, rows, columns, out _)
            : backend.Rent(new Shape(rows, columns), DType.Float32);
        backend.Write(table, values);
        return table;
    }

    // A view of a larger table that is all NaN.
    private static Tensor Surrounded(IBackend backend, int rows, int columns, out Tensor whole)
    {
        whole = backend.Rent(new Shape(rows + (2 * RowsAround), ColumnsBefore + columns + ColumnsAfter), DType.Float32);
        var around = new float[whole.Shape.Count];
        Array.Fill(around, float.NaN);
        backend.Write(whole, around);
        return whole.RowRange(RowsAround, rows).ColumnRange(ColumnsBefore, columns);
    }

    /// <summary>A row vector, or none where there are no values.</summary>
    private static Tensor PutVector(IBackend backend, ReadOnlySpan<float> values, bool view = false) =>
        values.IsEmpty ? Tensor.None : Put(backend, 1, values.Length, values, view);

    /// <summary>
    /// A table of integers; as a view it lies within a larger one of zeros, which are safe to be read by mistake.
    /// </summary>
    private static Tensor Put(IBackend backend, int rows, int columns, ReadOnlySpan<int> values, bool view = false)
    {
        if (!view)
        {
            Tensor table = backend.Rent(new Shape(rows, columns), DType.Int32);
            backend.Write(table, values);
            return table;
        }

        Tensor whole = backend.Rent(
            new Shape(rows + (2 * RowsAround), ColumnsBefore + columns + ColumnsAfter), DType.Int32);
        backend.Write(whole, new int[whole.Shape.Count]);
        Tensor part = whole.RowRange(RowsAround, rows).ColumnRange(ColumnsBefore, columns);
        backend.Write(part, values);
        return part;
    }

    private static Tensor PutVector(IBackend backend, ReadOnlySpan<int> values, bool view = false) =>
        values.IsEmpty ? backend.Rent(new Shape(1, 0), DType.Int32) : Put(backend, 1, values.Length, values, view);

    private static int[] Offsets(ReadOnlySpan<int> lengths)
    {
        var offsets = new int[lengths.Length + 1];
        for (int s = 0; s < lengths.Length; s++) offsets[s + 1] = offsets[s] + lengths[s];
        return offsets;
    }

    private Weight Pack(IBackend backend, ActivationRounding rounding, params ReadOnlySpan<HostTensor> parts)
    {
        Weight weight = backend.Pack(parts, rounding);
        _owned.Add(weight);
        return weight;
    }
}
