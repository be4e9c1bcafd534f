// A matrix that is trained: its values among the parameters, and packed twice, as a product forward and one backward want it.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Training;

/// <summary>A weight whose values are parameters.</summary>
/// <param name="backend">Packs it.</param>
/// <param name="name">Its name in the model, for messages.</param>
/// <param name="values">[outputs, inputs], a view of the parameters.</param>
/// <param name="gradient">[outputs, inputs], a view of their gradients.</param>
/// <param name="type">Type of the products with it: f32 or bf16. Values and gradient are f32.</param>
internal sealed class TrainingWeight(
    ITrainingBackend backend, string name, Tensor values, Tensor gradient, DType type = DType.Float32) : Weight
{
    private Weight? _packed;
    private Weight? _transposed;

    /// <summary>Its name in the model.</summary>
    public string Name => name;

    /// <summary>[outputs, inputs]: what is added to it is the gradient.</summary>
    public Tensor Gradient => gradient;

    /// <inheritdoc />
    public override int Outputs => values.Rows;

    /// <inheritdoc />
    public override int Inputs => values.Columns;

    /// <inheritdoc />
    public override DType Type => type;

    /// <inheritdoc />
    public override long Bytes => values.Shape.Count * sizeof(float);

    /// <summary>W, for y = x Wᵀ.</summary>
    public Weight Packed
    {
        get
        {
            if (_packed is null) backend.Refresh(_packed = backend.AllocateWeight(Outputs, Inputs, type), values, transposed: false);
            return _packed;
        }
    }

    /// <summary>Wᵀ, for dx = dy W.</summary>
    public Weight Transposed
    {
        get
        {
            if (_transposed is null)
                backend.Refresh(_transposed = backend.AllocateWeight(Inputs, Outputs, type), values, transposed: true);
            return _transposed;
        }
    }

    /// <summary>After the values have changed.</summary>
    public void Refresh()
    {
        if (_packed is not null) backend.Refresh(_packed, values, transposed: false);
        if (_transposed is not null) backend.Refresh(_transposed, values, transposed: true);
    }

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (!disposing) return;
        _packed?.Dispose();
        _transposed?.Dispose();
        _packed = null;
        _transposed = null;
    }
}
