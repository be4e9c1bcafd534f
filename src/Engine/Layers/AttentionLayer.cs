// Attention(Wq x, Wk m, Wv m) Wo (Vaswani et al. 2017, 3.2.2): the layer that mixes positions, whatever scores them.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>
/// The linear layers around attention, in the four forms in which the graph uses it: to its own sentence or to another's, for
/// all positions at once or for the newest one. How a query is scored against a key is the subclass' business.
/// </summary>
/// <param name="spec">Heads, scale, mask of self-attention.</param>
/// <param name="headDim">Width of a head.</param>
/// <param name="input">
/// Self-attention: [3 · heads · headDim, modelDim], query over key over value. Cross-attention: only the query.
/// </param>
/// <param name="output">[modelDim, heads · headDim].</param>
/// <param name="group">Self-attention within groups of so many positions; 0: within the sentence.</param>
public abstract class AttentionLayer(AttentionSpec spec, int headDim, LinearWeights input, LinearWeights output, int group)
    : MixingLayer
{
    private readonly int _width = spec.Heads * headDim;

    /// <summary>Heads, scale, mask.</summary>
    protected AttentionSpec Spec { get; } = spec;

    /// <inheritdoc />
    public override CacheColumns Cache => new(_width, _width, Spec.Heads);

    /// <inheritdoc />
    public override Tensor Self(IBackend backend, in Tensor x, in Ragged batch) =>
        backend.Linear(SelfHeads(backend, backend.Linear(x, input), batch), output);

    /// <inheritdoc />
    public override Tensor SelfStep(IBackend backend, in Tensor x, in KeyValueCache cache, in Tensor slots, in CacheView view)
    {
        Tensor qkv = backend.Linear(x, input);
        Tensor heads = AppendAndAttend(backend, Query(qkv), Key(qkv, _width), Value(qkv, _width), slots, cache, view);
        return backend.Linear(heads, output);
    }

    /// <summary>Cross-attention of all positions.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="x">[rows, modelDim].</param>
    /// <param name="memory">[memoryRows, 2 · heads · headDim]: keys and values of the encoder's output, projected.</param>
    /// <param name="queries">Where the sentences of x begin.</param>
    /// <param name="keys">Where those of the memory begin.</param>
    /// <returns>[rows, modelDim].</returns>
    public Tensor Cross(IBackend backend, in Tensor x, in Tensor memory, in Ragged queries, in Ragged keys)
    {
        Tensor q = backend.Linear(x, input);
        Tensor heads = Attend(backend, q, Key(memory, 0), Value(memory, 0), queries, keys);
        return backend.Linear(heads, output);
    }

    /// <summary>Cross-attention of the newest position of each row.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="x">[rows, modelDim].</param>
    /// <param name="cache">Keys and values of the encoder's output.</param>
    /// <param name="view">Which of them each row sees.</param>
    /// <param name="weightHeads">If above 0: the weights averaged over so many heads are returned too.</param>
    /// <param name="weights">[rows, view.Longest], or none.</param>
    /// <returns>[rows, modelDim].</returns>
    public Tensor CrossStep(
        IBackend backend, in Tensor x, in KeyValueCache cache, in CacheView view, int weightHeads, out Tensor weights)
    {
        Tensor q = backend.Linear(x, input);
        weights = weightHeads > 0 ? Weights(backend, q, cache, view, weightHeads) : Tensor.None;
        return backend.Linear(AttendCached(backend, q, cache, view), output);
    }

    /// <summary>Writes the projected encoder's output into a cache.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="memory">[memoryRows, 2 · heads · headDim].</param>
    /// <param name="cache">Cache of this layer.</param>
    /// <param name="slots">[1, memoryRows], i32.</param>
    public void Remember(IBackend backend, in Tensor memory, in KeyValueCache cache, in Tensor slots) =>
        backend.Append(cache, Key(memory, 0), Value(memory, 0), slots);

    /// <summary>Self-attention of all positions without its linear layers.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="qkv">[rows, 3 · heads · headDim]: query, key and value.</param>
    /// <param name="batch">Where the sentences begin.</param>
    /// <returns>[rows, heads · headDim].</returns>
    internal Tensor SelfHeads(IBackend backend, in Tensor qkv, in Ragged batch)
    {
        Ragged seen = group > 0 ? backend.Cut(batch, group) : batch;
        return Attend(backend, Query(qkv), Key(qkv, _width), Value(qkv, _width), seen, seen);
    }

    /// <summary>Attention of all positions to all that the mask lets them see.</summary>
    protected abstract Tensor Attend(
        IBackend backend, in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys);

    /// <summary>Attention of one position a row to a cache.</summary>
    protected abstract Tensor AttendCached(IBackend backend, in Tensor query, in KeyValueCache cache, in CacheView view);

    /// <summary>Attention of one position a row to a cache that gets its key and value first.</summary>
    protected virtual Tensor AppendAndAttend(
        IBackend backend, in Tensor query, in Tensor key, in Tensor value, in Tensor slots, in KeyValueCache cache, in CacheView view)
    {
        backend.Append(cache, key, value, slots);
        return AttendCached(backend, query, cache, view);
    }

    /// <summary>The weights of <see cref="AttendCached"/>, averaged over the first heads.</summary>
    protected abstract Tensor Weights(
        IBackend backend, in Tensor query, in KeyValueCache cache, in CacheView view, int firstHeads);

    private Tensor Query(in Tensor qkv) => qkv.ColumnRange(0, _width);

    private Tensor Key(in Tensor qkv, int start) => qkv.ColumnRange(start, _width);

    private Tensor Value(in Tensor qkv, int start) => qkv.ColumnRange(start + _width, _width);
}
