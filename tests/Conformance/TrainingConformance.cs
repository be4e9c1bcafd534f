// One suite for every backend that trains: each operator against its definition, within derived bounds, and the same bits from
// backends that must give them. The cases are in the other parts of this class, one file a group.
using Engine.Backends;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

/// <summary>What every backend that trains must do. A backend's tests inherit this and say how it is made.</summary>
public abstract partial class TrainingConformance : ConformanceHarness
{
    private readonly List<(Tensor Whole, int Rows, int Columns)> _surroundings = [];
    private readonly List<Weight> _weights = [];
    private ITrainingBackend[]? _twins;

    /// <summary>Makes the backend that is tested.</summary>
    protected abstract ITrainingBackend OpenTraining();

    /// <summary>Makes backends that must give the same bits: other instructions, more threads.</summary>
    protected virtual IEnumerable<ITrainingBackend> OpenTwins() => [];

    /// <inheritdoc />
    protected sealed override IBackend Create() => OpenTraining();

    private ITrainingBackend Subject => (ITrainingBackend)Backend;

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        foreach (Weight weight in _weights) weight.Dispose();
        foreach (ITrainingBackend twin in _twins ?? []) twin.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>
    /// Compares all results of a script with the reference's, and their bits with the twins'; what is around a view of
    /// <see cref="Into"/> must stay as it was.
    /// </summary>
    /// <param name="what">For the message.</param>
    /// <param name="bounds">Of each result.</param>
    /// <param name="script">Gives results, and gradients that it added to.</param>
    private void AssertAllAgree(string what, double[][] bounds, Func<ITrainingBackend, Tensor[]> script)
    {
        (double[] Values, Shape Shape)[] expected = Trained(
            Reference, script, tensors => tensors.Select(tensor => (Reference.ReadDoubles(tensor), tensor.Shape)).ToArray());
        float[][] found = Trained(Subject, script, tensors => tensors.Select((tensor, i) =>
        {
            Assert.True(expected[i].Shape == tensor.Shape, $"{what}, result {i}: the shape is {tensor.Shape}, expected {expected[i].Shape}");
            return Floats(Subject, tensor);
        }).ToArray());
        for (int i = 0; i < found.Length; i++)
            AssertWithin($"{what}, result {i}", expected[i].Values, found[i], bounds[i], Math.Max(1, expected[i].Shape.Columns));
        foreach (ITrainingBackend twin in _twins ??= [.. OpenTwins()])
        {
            float[][] other = Trained(twin, script, tensors => tensors.Select(tensor => Floats(twin, tensor)).ToArray());
            for (int i = 0; i < found.Length; i++) AssertSameBits($"{what}, result {i}, {twin.Description}", found[i], other[i]);
        }
    }

    private T Trained<T>(ITrainingBackend backend, Func<ITrainingBackend, Tensor[]> script, Func<Tensor[], T> read) =>
        InFrame(backend, _ =>
        {
            _surroundings.Clear();
            T result = read(script(backend));
            foreach ((Tensor whole, int rows, int columns) in _surroundings) AssertOnlyInside(Floats(backend, whole), rows, columns);
            return result;
        });

    /// <summary>A gradient to be added to, with what was there.</summary>
    private Tensor Into(IBackend backend, int rows, int columns, ReadOnlySpan<float> start, bool view)
    {
        if (!view) return Put(backend, rows, columns, start);
        Tensor part = Surrounded(backend, rows, columns, out Tensor whole);
        backend.Write(part, start);
        _surroundings.Add((whole, rows, columns));
        return part;
    }

    private Weight Refreshed(ITrainingBackend backend, int outputs, int inputs, in Tensor values, bool transposed, DType type = DType.Float32)
    {
        Weight weight = backend.AllocateWeight(outputs, inputs, type);
        _weights.Add(weight);
        backend.Refresh(weight, values, transposed);
        return weight;
    }

    private static double[] Zeros(long count) => new double[count];

    private static double[] Magnitudes(ReadOnlySpan<float> values) => Array.ConvertAll(values.ToArray(), static value => (double)Math.Abs(value));
}
