// From the named tensors of a model file to weights in a backend's memory: shared ones once, neighbours stacked into one product.
using Engine.Backends;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Models;

/// <summary>Reads and packs the weights of one model; owns what it made until it is disposed.</summary>
/// <param name="backend">Where the weights go.</param>
/// <param name="data">The model file.</param>
/// <param name="type">Type to convert matrices to, or null: as in the file.</param>
internal class WeightLoader(IBackend backend, ModelData data, DType? type) : IDisposable
{
    private readonly Dictionary<HostTensor, Weight> _shared = new(ReferenceEqualityComparer.Instance);
    private readonly List<Weight> _weights = [];
    private readonly List<Tensor> _tensors = [];

    /// <summary>Bytes of all weights.</summary>
    public long Bytes => _weights.Sum(static weight => weight.Bytes) +
        _tensors.Sum(static tensor => tensor.Shape.Count * tensor.Type.Bytes());

    /// <summary>Whether the file has a tensor.</summary>
    public bool Has(string name) => data.Tensors.ContainsKey(name);

    /// <summary>A matrix that may serve in several places, such as an embedding that is also the output layer.</summary>
    public Weight Matrix(string name)
    {
        HostTensor tensor = Find(name);
        if (_shared.TryGetValue(tensor, out Weight? weight)) return weight;
        weight = Pack([name], [tensor]);
        _shared.Add(tensor, weight);
        return weight;
    }

    /// <summary>Linear layers of the same input as one: their weights and biases stacked.</summary>
    /// <param name="names">Names without <c>.weight</c> and <c>.bias</c>.</param>
    public LinearWeights Linear(params ReadOnlySpan<string> names)
    {
        var parts = new HostTensor[names.Length];
        bool hasBias = false;
        for (int i = 0; i < names.Length; i++)
        {
            parts[i] = Find(names[i] + ".weight");
            hasBias |= Has(names[i] + ".bias");
        }

        return new LinearWeights(Pack([.. names.ToArray().Select(static of => of + ".weight")], parts), hasBias ? Bias(names, parts) : Tensor.None);
    }

    /// <summary>The output layer: its matrix may be shared with an embedding.</summary>
    public LinearWeights Output(string name)
    {
        Tensor bias = Has(name + ".bias") ? Vector(name + ".bias") : Tensor.None;
        return new LinearWeights(Matrix(name + ".weight"), bias);
    }

    /// <summary>A norm.</summary>
    /// <param name="name">Name without <c>.weight</c> and <c>.bias</c>.</param>
    /// <param name="stack">Its kind and epsilon.</param>
    public NormWeights Norm(string name, StackConfig stack)
    {
        Tensor bias = Has(name + ".bias") ? Vector(name + ".bias") : Tensor.None;
        return new NormWeights(Vector(name + ".weight"), bias, stack.NormEpsilon, stack.RmsNorm);
    }

    /// <summary>A tensor of float32 as it is, such as a table of positions.</summary>
    public Tensor Table(string name)
    {
        HostTensor tensor = Find(name);
        return Place([name], tensor.Shape, tensor.ReadFloats());
    }

    /// <summary>A vector, [1, n].</summary>
    public Tensor Vector(string name) => Table(name);

    /// <summary>Takes a tensor out of this object's care.</summary>
    public Tensor Release(Tensor tensor)
    {
        _tensors.Remove(tensor);
        return tensor;
    }

    /// <summary>Frees everything.</summary>
    public void Dispose()
    {
        foreach (Weight weight in _weights) weight.Dispose();
        foreach (Tensor tensor in _tensors) backend.Free(tensor);
        _weights.Clear();
        _tensors.Clear();
        _shared.Clear();
    }

    private HostTensor Find(string name) => data.Tensors.TryGetValue(name, out HostTensor? tensor)
        ? tensor
        : throw new ModelFormatException(data.Path, $"the tensor {name}", "absent", "present");

    // Parts of one product must agree in type; where a file's do not, they are widened.
    protected virtual Weight Pack(string[] names, HostTensor[] parts)
    {
        DType target = type ?? parts[0].Type;
        foreach (HostTensor part in parts)
        {
            if (type is null && part.Type != target) target = DType.Float32;
        }

        // Whoever asks for bfloat16 asks for its arithmetic; a file that merely stores it does not.
        ActivationRounding rounding = type == DType.BFloat16 ? ActivationRounding.BFloat16 : data.Rounding;
        Weight weight = backend.Pack(WeightConversion.Convert(parts, target, data.Rounding), rounding);
        _weights.Add(weight);
        return weight;
    }

    private Tensor Bias(ReadOnlySpan<string> names, HostTensor[] parts)
    {
        var values = new float[parts.Sum(static part => part.Shape.Rows)];
        int start = 0;
        for (int i = 0; i < names.Length; i++)
        {
            Span<float> of = values.AsSpan(start, parts[i].Shape.Rows);
            if (Has(names[i] + ".bias")) Find(names[i] + ".bias").ReadFloats(0, of);
            start += of.Length;
        }

        return Place([.. names.ToArray().Select(static of => of + ".bias")], new Shape(1, values.Length), values);
    }

    // Vectors side by side, or one table.
    protected virtual Tensor Place(string[] names, Shape shape, float[] values)
    {
        Tensor tensor = backend.Allocate(shape, DType.Float32);
        _tensors.Add(tensor);
        backend.Write(tensor, values);
        return tensor;
    }
}
