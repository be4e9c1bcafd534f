// All numbers that are trained, side by side in one tensor, and their gradients in another: the optimizer's step, the norm of the
// gradient, a checkpoint and an average are then each one pass over one run of memory.
using Engine.Backends;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;

namespace Engine.Training;

/// <summary>The parameters of one model, in a backend's memory.</summary>
public sealed class Parameters : IDisposable
{
    // Each tensor begins on a cache line.
    private const int Alignment = 16;

    private readonly ITrainingBackend _backend;
    private readonly ModelData _model;
    private readonly DType _type;
    private readonly List<TrainingWeight> _weights = [];
    private readonly List<Place> _places = [];
    private readonly HashSet<HostTensor> _placed = new(ReferenceEqualityComparer.Instance);
    private int _used;
    private bool _disposed;

    private Parameters(ITrainingBackend backend, ModelData model, DType type)
    {
        _type = type;
        _backend = backend;
        _model = model;
        long count = 0;
        foreach (HostTensor tensor in model.Tensors.Values) count += Round(tensor.Shape.Count) + (Alignment * 4L);
        foreach (TensorSpec spec in TensorSpec.Of(model.Config))
        {
            // A bias that is absent beside others that are not is stacked with them, and then trained.
            if (spec.IsOptional && !model.Tensors.ContainsKey(spec.Name)) count += Round((long)spec.Rows * spec.Columns);
        }

        if (count > int.MaxValue)
            throw new ArgumentException($"The model has {count:N0} numbers, expected at most {int.MaxValue:N0}.", nameof(model));
        Values = backend.Allocate(new Shape(1, (int)count), DType.Float32);
        Gradients = backend.Allocate(new Shape(1, (int)count), DType.Float32);
    }

    /// <summary>All values, [1, n].</summary>
    public Tensor Values { get; private set; }

    /// <summary>Their gradients, [1, n], in the same places.</summary>
    public Tensor Gradients { get; private set; }

    /// <summary>Numbers that are trained.</summary>
    public long Count => _places.Sum(static place => place.Shape.Count);

    /// <summary>Names and where they are, in the order of the places.</summary>
    public IEnumerable<(string Name, int Start, Shape Shape)> Places =>
        _places.Select(static place => (place.Name, place.Start, place.Shape));

    /// <summary>Copies a model's weights to a backend, and builds its graph over them.</summary>
    /// <param name="backend">Holds and computes them.</param>
    /// <param name="graphBackend">What the graph calls: a tape over the backend.</param>
    /// <param name="model">Where they begin; integers and halves are widened.</param>
    /// <param name="graph">The graph; to be disposed before the parameters.</param>
    /// <param name="type">Type of the products with matrices: f32 or bf16.</param>
    internal static Parameters Load(
        ITrainingBackend backend, Func<Parameters, IBackend> graphBackend, ModelData model, out Transformer graph,
        DType type = DType.Float32)
    {
        var parameters = new Parameters(backend, model, type);
        try
        {
            IBackend runs = graphBackend(parameters);
            graph = new Transformer(runs, model.Config, new Loader(parameters, runs, model));
            parameters.Trim();
            return parameters;
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
    }

    /// <summary>Whether a tensor is a view of the values.</summary>
    public bool Contains(in Tensor tensor) => tensor.Handle == Values.Handle;

    /// <summary>The gradient of a view of the values: the same view of the gradients; none where it is none.</summary>
    public Tensor GradientOf(in Tensor tensor) =>
        Contains(tensor) ? tensor with { Handle = Gradients.Handle } : Tensor.None;

    /// <summary>The name of the parameter at an element of <see cref="Values"/>, for messages.</summary>
    public string NameAt(int element)
    {
        foreach (Place place in _places)
            if (element >= place.Start && element < place.Start + place.Shape.Count) return place.Name;
        return $"element {element}";
    }

    /// <summary>Packs the weights again after the values have changed.</summary>
    public void Refresh()
    {
        foreach (TrainingWeight weight in _weights) weight.Refresh();
    }

    /// <summary>The values as a model, in the host's memory.</summary>
    /// <param name="values">Other values in the places of <see cref="Values"/>, such as an average; empty: those of now.</param>
    public ModelData ToModel(ReadOnlySpan<float> values = default)
    {
        if (values.IsEmpty) values = Read(Values);
        var tensors = new Dictionary<string, HostTensor>();
        foreach (Place place in _places)
        {
            HostTensor tensor = HostTensor.FromValues(
                place.Name, place.Shape, values.Slice(place.Start, checked((int)place.Shape.Count)));
            tensors.Add(place.Name, tensor);
            if (place.Source is null) continue;
            foreach (KeyValuePair<string, HostTensor> shared in _model.Tensors)
                if (ReferenceEquals(shared.Value, place.Source) && shared.Key != place.Name) tensors.TryAdd(shared.Key, tensor);
        }

        return _model.With(tensors);
    }

    /// <summary>Copies a tensor of [1, n] to the host.</summary>
    internal float[] Read(in Tensor tensor)
    {
        var values = new float[tensor.Columns];
        _backend.Read(tensor, values);
        return values;
    }

    /// <summary>Frees them.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        foreach (TrainingWeight weight in _weights) weight.Dispose();
        _backend.Free(Values);
        _backend.Free(Gradients);
    }

    private static long Round(long count) => (count + Alignment - 1) / Alignment * Alignment;

    // What was counted beyond what is there.
    private void Trim()
    {
        Values = Values with { Shape = new Shape(1, _used) };
        Gradients = Gradients with { Shape = new Shape(1, _used) };
    }

    private Tensor Take(Shape shape)
    {
        var view = new Tensor(Values.Handle, Values.Offset + _used, shape, shape.Columns, DType.Float32);
        _used += (int)Round(shape.Count);
        return view;
    }

    private readonly record struct Place(string Name, int Start, Shape Shape, HostTensor? Source);

    /// <summary>Puts what a model's graph loads among the parameters.</summary>
    private sealed class Loader(Parameters parameters, IBackend backend, ModelData model) : WeightLoader(backend, model, null)
    {
        private readonly ModelData _model = model;

        protected override Weight Pack(string[] names, HostTensor[] parts)
        {
            var shape = new Shape(parts.Sum(static part => part.Shape.Rows), parts[0].Shape.Columns);
            int start = parameters._used;
            Tensor values = parameters.Take(shape);
            for (int i = 0, row = 0; i < parts.Length; i++)
            {
                parameters._backend.Write(values.RowRange(row, parts[i].Shape.Rows), parts[i].ReadFloats());
                parameters.Add(names[i], start + (row * shape.Columns), parts[i].Shape, parts[i]);
                row += parts[i].Shape.Rows;
            }

            var weight = new TrainingWeight(
                parameters._backend, names[0], values, parameters.GradientOf(values), parameters._type);
            parameters._weights.Add(weight);
            return weight;
        }

        protected override Tensor Place(string[] names, Shape shape, float[] values)
        {
            int start = parameters._used;
            Tensor tensor = parameters.Take(shape);
            parameters._backend.Write(tensor, values);
            if (names.Length == 1)
            {
                parameters.Add(names[0], start, shape, _model.Tensors[names[0]]);
                return tensor;
            }

            foreach (string name in names)
            {
                string weight = name[..^".bias".Length] + ".weight";
                var part = new Shape(1, _model.Tensors[weight].Shape.Rows);
                parameters.Add(name, start, part, _model.Tensors.GetValueOrDefault(name));
                start += part.Columns;
            }

            return tensor;
        }
    }

    private void Add(string name, int start, Shape shape, HostTensor? source)
    {
        if (source is not null && !_placed.Add(source))
            throw new ArgumentException($"{name} shares its numbers in a way that cannot be trained.", nameof(name));
        _places.Add(new Place(name, start, shape, source));
    }
}
