// What every suite of a backend's operators needs: the backend, its twins, the reference, tables of numbers, and comparisons.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

/// <summary>Runs a backend beside the reference.</summary>
public abstract class ConformanceHarness : IDisposable
{
    // Rows and columns around a view: not a multiple of any vector, and filled so that a read beyond the view shows.
    private protected const int RowsAround = 1;
    private protected const int ColumnsBefore = 3;
    private protected const int ColumnsAfter = 4;

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

    /// <summary>Whether the backend can look at indices in a tensor before it runs; a device passes over those out of range.</summary>
    protected virtual bool SeesValues => true;

    /// <summary>Whether activations are rounded to float16 before they meet a float16 weight.</summary>
    protected virtual bool RoundsToFloat16 => false;

    private protected IBackend Backend => _backend ??= Create();

    /// <summary>The backend that must give the same bits, or none.</summary>
    private protected IBackend? Twin => _twin ??= CreateTwin();

    private protected ReferenceBackend Reference { get; } = new();

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes of the backends.</summary>
    protected virtual void Dispose(bool disposing)
    {
        foreach (IDisposable owned in _owned) owned.Dispose();
        _backend?.Dispose();
        _twin?.Dispose();
        Reference.Dispose();
    }

    // ---- running ----

    private protected static T InFrame<T>(IBackend backend, Func<IBackend, T> script)
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
    private protected float[] Run(Func<IBackend, Tensor> script) => InFrame(Backend, b => Floats(b, script(b)));

    /// <summary>Compares the result of a script with the reference's, and the bits with the twin's.</summary>
    private protected void AssertAgrees(string what, double[] bound, Func<IBackend, Tensor> script)
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
        if (Twin is { } twin)
            AssertSameBits($"{what}, {twin.Description}", InFrame(twin, b => Floats(b, script(b))), found);
    }

    // The bound is that of the operator; the reference's own number is rounded nowhere, and what is read is a float32.
    private protected static void AssertWithin(string what, double[] expected, float[] found, double[] bound, int columns)
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

    private protected static void AssertSameBits(string what, ReadOnlySpan<float> expected, ReadOnlySpan<float> found)
    {
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < found.Length; i++)
        {
            Assert.True(
                BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(found[i]),
                $"{what}: element {i} is {found[i]:R}, expected the bits of {expected[i]:R}");
        }
    }

    /// <summary>A table around a view is all NaN but in the view.</summary>
    private protected static void AssertOnlyInside(float[] whole, int rows, int columns)
    {
        int width = ColumnsBefore + columns + ColumnsAfter;
        for (int i = 0; i < whole.Length; i++)
        {
            (int row, int column) = (i / width, i % width);
            bool inside = row >= RowsAround && row < RowsAround + rows
                && column >= ColumnsBefore && column < ColumnsBefore + columns;
            Assert.True(inside != float.IsNaN(whole[i]),
                $"[{row}, {column}] of the table around the view is {whole[i]}");
        }
    }

    // ---- values and tables ----

    /// <summary>Normally distributed numbers; the seed makes them the same in every run.</summary>
    private protected static float[] Values(int count, int seed, double deviation = 1)
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

    private protected static double[] Widen(ReadOnlySpan<float> values) => ErrorBound.Widen(values);

    private protected static float[] Floats(IBackend backend, in Tensor tensor)
    {
        var values = new float[tensor.Shape.Count];
        backend.Read(tensor, values);
        return values;
    }

    private protected static int[] Integers(IBackend backend, in Tensor tensor)
    {
        var values = new int[tensor.Shape.Count];
        backend.Read(tensor, values);
        return values;
    }

    /// <summary>A table of the frame; as a view it lies within a larger one of NaN.</summary>
    private protected static Tensor Put(IBackend backend, int rows, int columns, ReadOnlySpan<float> values, bool view = false)
    {
        Tensor table = view ? Surrounded(backend, rows, columns, out _)
            : backend.Rent(new Shape(rows, columns), DType.Float32);
        backend.Write(table, values);
        return table;
    }

    // A view of a larger table that is all NaN.
    private protected static Tensor Surrounded(IBackend backend, int rows, int columns, out Tensor whole)
    {
        whole = backend.Rent(new Shape(rows + (2 * RowsAround), ColumnsBefore + columns + ColumnsAfter), DType.Float32);
        var around = new float[whole.Shape.Count];
        Array.Fill(around, float.NaN);
        backend.Write(whole, around);
        return whole.RowRange(RowsAround, rows).ColumnRange(ColumnsBefore, columns);
    }

    /// <summary>A row vector, or none where there are no values.</summary>
    private protected static Tensor PutVector(IBackend backend, ReadOnlySpan<float> values, bool view = false) =>
        values.IsEmpty ? Tensor.None : Put(backend, 1, values.Length, values, view);

    /// <summary>
    /// A table of integers; as a view it lies within a larger one of zeros, which are safe to be read by mistake.
    /// </summary>
    private protected static Tensor Put(IBackend backend, int rows, int columns, ReadOnlySpan<int> values, bool view = false)
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

    private protected static Tensor PutVector(IBackend backend, ReadOnlySpan<int> values, bool view = false) =>
        values.IsEmpty ? backend.Rent(new Shape(1, 0), DType.Int32) : Put(backend, 1, values.Length, values, view);

    private protected static int[] Offsets(ReadOnlySpan<int> lengths)
    {
        var offsets = new int[lengths.Length + 1];
        for (int s = 0; s < lengths.Length; s++) offsets[s + 1] = offsets[s] + lengths[s];
        return offsets;
    }

    private protected Weight Pack(IBackend backend, ActivationRounding rounding, params ReadOnlySpan<HostTensor> parts)
    {
        Weight weight = backend.Pack(parts, rounding);
        _owned.Add(weight);
        return weight;
    }
}
