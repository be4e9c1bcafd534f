// What an operator case needs: tables that lie in larger ones, weights, and a list of all numbers that came out.
using Engine.Backends;
using Engine.Conformance;
using Engine.Cuda;
using Engine.Tensors;

namespace Cuda.Tests.Mutants;

/// <summary>Numbers of a case, and how far each may be from its definition; without bounds the bits must be the CPU's.</summary>
internal sealed record Result(float[] Numbers, double[] Bound)
{
    /// <summary>Whether it may be another backend's result: the same bits, or both within the bound.</summary>
    public bool Agrees(Result other)
    {
        if (Numbers.Length != other.Numbers.Length) return false;
        for (int i = 0; i < Numbers.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(Numbers[i]) == BitConverter.SingleToInt32Bits(other.Numbers[i])) continue;
            if (Bound.Length == 0 || !(Math.Abs((double)Numbers[i] - other.Numbers[i]) <= 2 * Bound[i])) return false;
        }

        return true;
    }
}

/// <summary>Runs one case on one backend.</summary>
internal sealed class Bench(ITrainingBackend backend) : IDisposable
{
    private const int RowsAround = 1;
    private const int Beyond = 512;                                             // numbers behind a result that must stay

    private readonly List<Weight> _weights = [];
    private readonly List<(Tensor Whole, double[] Bound)> _whole = [];
    private int _columnsBefore = 3, _columnsAround = 7;     // not a multiple of any vector

    public ITrainingBackend Backend => backend;

    /// <summary>Everything that came out.</summary>
    public List<Result> Results { get; } = [];

    /// <summary>From now on tables lie so in larger ones.</summary>
    /// <param name="columnsBefore">Columns before those of the table.</param>
    /// <param name="columnsAround">Columns that a row of the larger one has more.</param>
    public void Lay(int columnsBefore, int columnsAround) => (_columnsBefore, _columnsAround) = (columnsBefore, columnsAround);

    /// <summary>Normally distributed numbers in a table that lies in one of NaN.</summary>
    public Tensor Table(int rows, int columns, int seed, double deviation = 1) =>
        Table(rows, columns, Values(rows * columns, seed, deviation));

    public Tensor Table(int rows, int columns, ReadOnlySpan<float> values) => Put(rows, columns, values, out _);

    /// <summary>
    /// A table that is changed: it and what is around it are results when the case ends. bound: how far each number may be from its
    /// definition, where a backend need not give the CPU's bits.
    /// </summary>
    public Tensor Into(int rows, int columns, ReadOnlySpan<float> start, double[]? bound = null)
    {
        Tensor table = Put(rows, columns, start, out Tensor whole);
        double[] bounds = bound is null ? [] : new double[whole.Shape.Count];
        for (int i = 0; i < bound?.Length; i++)
            bounds[((RowsAround + (i / columns)) * whole.Columns) + _columnsBefore + (i % columns)] = bound[i];
        _whole.Add((whole, bounds));
        return table;
    }

    public Tensor Into(int rows, int columns, int seed) => Into(rows, columns, Values(rows * columns, seed));

    /// <summary>Integers in a table that lies in one of zeros.</summary>
    public Tensor Integers(int rows, int columns, params ReadOnlySpan<int> values)
    {
        Tensor whole = backend.Rent(new Shape(rows + (2 * RowsAround), columns + _columnsAround), DType.Int32);
        backend.Write(whole, new int[whole.Shape.Count]);
        Tensor table = whole.RowRange(RowsAround, rows).ColumnRange(_columnsBefore, columns);
        backend.Write(table, values);
        return table;
    }

    public Tensor Row(params ReadOnlySpan<int> values) => Integers(1, values.Length, values);

    public Weight Weight(DType type, int outputs, int inputs, int seed, ActivationRounding rounding = ActivationRounding.Nearest)
    {
        HostMatrix matrix = HostMatrix.Create(type, outputs, inputs, Values(outputs * inputs, seed, 0.3));
        Weight weight = backend.Pack([matrix.Tensor], rounding);
        _weights.Add(weight);
        return weight;
    }

    /// <summary>A weight that was written on the device.</summary>
    public Weight Refreshed(DType type, int outputs, int inputs, int seed, bool transposed)
    {
        Weight weight = backend.AllocateWeight(outputs, inputs, type);
        _weights.Add(weight);
        backend.Refresh(weight, transposed ? Table(inputs, outputs, seed) : Table(outputs, inputs, seed), transposed);
        return weight;
    }

    /// <summary>Takes a result.</summary>
    public void Give(in Tensor tensor)
    {
        if (tensor.Type == DType.Int32)
        {
            var integers = new int[tensor.Shape.Count];
            backend.Read(tensor, integers);
            Results.Add(new Result(Array.ConvertAll(integers, BitConverter.Int32BitsToSingle), []));
            return;
        }

        Results.Add(new Result(Numbers(tensor), []));
    }

    /// <summary>Takes a result that may be so far from its definition.</summary>
    public void Give(in Tensor tensor, double[] bound) => Results.Add(new Result(Numbers(tensor), bound));

    public void Give(params ReadOnlySpan<float> values) => Results.Add(new Result(values.ToArray(), []));

    /// <summary>
    /// Takes the only result of an operator without scratch memory, and on the device what lies behind it, which must stay.
    /// </summary>
    public void GiveAlone(int rows, int columns, Func<Tensor> run)
    {
        var before = new float[(rows * columns) + Beyond];
        Array.Fill(before, 1e30f);
        if (backend is CudaBackend)
        {
            // The result is put where this was.
            long mark = backend.Mark();
            backend.Write(backend.Rent(new Shape(1, before.Length), DType.Float32), before);
            backend.Release(mark, []);
        }

        Tensor result = run();
        Give(result);
        var behind = new float[Beyond / 2];
        Array.Fill(behind, 1e30f);
        var place = new Tensor(result.Handle, rows * columns, new Shape(1, behind.Length), behind.Length, DType.Float32);
        if (backend is CudaBackend) backend.Read(place, behind);
        Give(behind);
    }

    /// <summary>Takes the tables that were changed.</summary>
    public void Finish()
    {
        foreach ((Tensor whole, double[] bound) in _whole) Results.Add(new Result(Numbers(whole), bound));
    }

    public void Dispose()
    {
        foreach (Weight weight in _weights) weight.Dispose();
    }

    public static float[] Values(int count, int seed, double deviation = 1)
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

    private float[] Numbers(in Tensor tensor)
    {
        var values = new float[tensor.Shape.Count];
        backend.Read(tensor, values);
        return values;
    }

    private Tensor Put(int rows, int columns, ReadOnlySpan<float> values, out Tensor whole)
    {
        whole = backend.Rent(new Shape(rows + (2 * RowsAround), columns + _columnsAround), DType.Float32);
        var around = new float[whole.Shape.Count];
        Array.Fill(around, float.NaN);
        backend.Write(whole, around);
        Tensor table = whole.RowRange(RowsAround, rows).ColumnRange(_columnsBefore, columns);
        backend.Write(table, values);
        return table;
    }
}
