// Gradients as a decorator: the graph calls this backend as any other, which calls the one that it wraps and remembers what was
// called; backward, the calls are gone through from the last to the first. The graph is written once and knows nothing of it.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Training;

/// <summary>A backend that remembers what a graph calls, and gives the gradients of its parameters.</summary>
/// <remarks>
/// Between <see cref="Record"/> and <see cref="Backward(in Tensor, in Tensor, float, float)"/> it records; else it only passes on, so that the same graph also
/// decodes. Dropout is its business too: what is added to a residual stream, what attention weighs and what an activation gives
/// are dropped by its rates, and nothing in the graph says so.
/// </remarks>
/// <param name="backend">Computes.</param>
/// <param name="parameters">Whose gradients are wanted.</param>
public sealed class Tape(ITrainingBackend backend, Parameters parameters) : IBackend
{
    private readonly List<Action> _backward = [];
    private readonly Dictionary<nint, Gradient> _gradients = [];
    private readonly Dictionary<nint, Tensor> _results = [];
    private DropoutRates _rates;
    private ulong _key;
    private int _site;
    private bool _isRecording;

    /// <summary>Looks at each result while it is recorded, with the name of its operator and weight: to find where NaN began.</summary>
    public Action<string, Tensor>? Watch { get; set; }

    /// <inheritdoc />
    public string Description => backend.Description;

    /// <summary>Begins to record, within a frame.</summary>
    /// <param name="rates">What is dropped.</param>
    /// <param name="key">Seed and step: the same key drops the same numbers.</param>
    public void Record(DropoutRates rates, ulong key)
    {
        Forget();
        _rates = rates;
        _key = key;
        _isRecording = true;
    }

    /// <summary>Loss of logits, and the gradients of all parameters that led to them, which are added to those there.</summary>
    /// <param name="logits">[rows, vocabulary]; overwritten.</param>
    /// <param name="targets">[1, rows], i32; −1: not counted.</param>
    /// <param name="smoothing">Label smoothing.</param>
    /// <param name="scale">Factor on the gradients: 1 over the number of targets of a step gives those of the mean.</param>
    /// <returns>[rows, 2]: loss and −ln p of each target.</returns>
    public Tensor Backward(in Tensor logits, in Tensor targets, float smoothing, float scale)
    {
        RequireRecording();
        Tensor losses = backend.CrossEntropy(logits, targets, smoothing, scale);
        _gradients[logits.Handle] = new Gradient(logits, IsOwn: true);
        Replay();
        return losses;
    }

    /// <summary>Gradients from a result whose gradient is given.</summary>
    /// <param name="y">A result of a recorded operator.</param>
    /// <param name="dy">Its gradient, of the same shape.</param>
    public void Backward(in Tensor y, in Tensor dy)
    {
        RequireRecording();
        Give(y, dy);
        Replay();
    }

    /// <summary>Ends recording without gradients.</summary>
    public void Forget()
    {
        _isRecording = false;
        _backward.Clear();
        _gradients.Clear();
        _results.Clear();
        _site = 0;
    }

    /// <summary>The gradient that a tensor has after <see cref="Backward(in Tensor, in Tensor)"/>, or none: for inputs of a graph.</summary>
    internal Tensor GradientOf(in Tensor x) => _gradients.TryGetValue(x.Handle, out Gradient gradient) ? gradient.Tensor : Tensor.None;

    // ---- storage ----

    /// <inheritdoc />
    public Tensor Allocate(Shape shape, DType type) => backend.Allocate(shape, type);

    /// <inheritdoc />
    public void Free(in Tensor tensor)
    {
        if (!parameters.Contains(tensor)) backend.Free(tensor);
    }

    /// <inheritdoc />
    public void BeginFrame() => backend.BeginFrame();

    /// <inheritdoc />
    public void EndFrame()
    {
        Forget();
        backend.EndFrame();
    }

    /// <inheritdoc />
    public Tensor Rent(Shape shape, DType type)
    {
        Tensor tensor = backend.Rent(shape, type);
        if (_isRecording) _results[tensor.Handle] = tensor;
        return tensor;
    }

    /// <inheritdoc />
    public void Write(in Tensor destination, ReadOnlySpan<float> values) => backend.Write(destination, values);

    /// <inheritdoc />
    public void Write(in Tensor destination, ReadOnlySpan<int> values) => backend.Write(destination, values);

    /// <inheritdoc />
    public void Read(in Tensor source, Span<float> values) => backend.Read(source, values);

    /// <inheritdoc />
    public void Read(in Tensor source, Span<int> values) => backend.Read(source, values);

    /// <inheritdoc />
    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding = ActivationRounding.Nearest) =>
        backend.Pack(parts, rounding);

    /// <inheritdoc />
    public Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs) => backend.SelectOutputs(Packed(weight), outputs);

    // ---- forward ----

    /// <inheritdoc />
    public Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds)
    {
        Tensor y = backend.Embed(ids, Packed(table), scale, positions, positionIds);
        if (!_isRecording) return y;
        Note(y, "embedding", table);
        Dropout dropout = Next(_rates.Residual);
        Tensor dropped = Drop(y, dropout);
        _results[dropped.Handle] = dropped;
        Tensor tableGradient = Trained(table).Gradient, positionGradient = parameters.GradientOf(positions);
        (Tensor i, Tensor p) = (ids, positionGradient.IsNone ? Tensor.None : positionIds);
        _backward.Add(() =>
        {
            if (!TryTake(dropped, out Tensor dy)) return;
            backend.EmbedBackward(i, Drop(dy, dropout), scale, tableGradient, p, positionGradient);
        });
        return dropped;
    }

    /// <inheritdoc />
    public Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation = Activation.None)
    {
        var packed = new LinearWeights(Packed(weights.Weight), weights.Bias);
        if (!_isRecording) return backend.Linear(x, packed, activation);

        // The derivative of ReLU can be read off its result; the others need what they were given.
        bool isApart = activation is not (Activation.None or Activation.Relu);
        Tensor before = backend.Linear(x, packed, isApart ? Activation.None : activation);
        Note(before, "linear", weights.Weight);
        Tensor after = isApart ? backend.Activate(before, activation) : before;
        Dropout dropout = activation == Activation.None ? Backends.Dropout.None : Next(_rates.Activation);
        Tensor y = Drop(after, dropout);
        if (isApart || !dropout.IsNone) Note(y, "activation", weights.Weight);
        TrainingWeight weight = Trained(weights.Weight);
        Tensor biasGradient = parameters.GradientOf(weights.Bias);
        Tensor input = x;
        _backward.Add(() =>
        {
            if (!TryTake(y, out Tensor dy)) return;
            if (activation != Activation.None) dy = backend.ActivationBackward(before, Drop(dy, dropout), activation);
            backend.LinearBackward(input, dy, weight.Gradient, biasGradient);
            Give(input, backend.Linear(dy, new LinearWeights(weight.Transposed, Tensor.None)));
        });
        return y;
    }

    /// <inheritdoc />
    public Tensor Norm(in Tensor x, in NormWeights weights)
    {
        Tensor y = backend.Norm(x, weights);
        if (!_isRecording) return y;
        Note(y, "norm", weights.Gain);
        (Tensor input, NormWeights norm) = (x, weights);
        _backward.Add(() =>
        {
            if (TryTake(y, out Tensor dy)) Give(input, NormBackward(input, norm, dy, Tensor.None));
        });
        return y;
    }

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights) => _isRecording
        ? AddNorm(x, residual, weights, out _)
        : backend.AddNorm(x, residual, weights);

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum)
    {
        if (!_isRecording) return backend.AddNorm(x, residual, weights, out sum);
        Dropout dropout = Next(_rates.Residual);
        Tensor y = backend.AddNorm(x, Drop(residual, dropout), weights, out Tensor added);
        Note(added, "sum before norm", weights.Gain);
        Note(y, "norm", weights.Gain);
        (Tensor input, Tensor output, NormWeights norm) = (x, residual, weights);
        _backward.Add(() =>
        {
            bool hasNorm = TryTake(y, out Tensor dy), hasSum = TryTake(added, out Tensor passed);
            if (!hasNorm && !hasSum) return;
            Tensor d = hasNorm ? NormBackward(added, norm, dy, passed) : passed;
            Give(input, d);
            Give(output, Drop(d, dropout));
        });
        sum = added;
        return y;
    }

    /// <inheritdoc />
    public Tensor Add(in Tensor x, in Tensor y)
    {
        if (!_isRecording) return backend.Add(x, y);
        Dropout dropout = Next(_rates.Residual);
        Tensor z = backend.Add(x, Drop(y, dropout));
        Note(z, "sum");
        (Tensor input, Tensor output) = (x, y);
        _backward.Add(() =>
        {
            if (!TryTake(z, out Tensor dz)) return;
            Give(input, dz);
            Give(output, Drop(dz, dropout));
        });
        return z;
    }

    /// <inheritdoc />
    public Tensor Multiply(in Tensor x, in Tensor y)
    {
        Tensor z = backend.Multiply(x, y);
        if (!_isRecording) return z;
        Note(z, "product");
        (Tensor left, Tensor right) = (x, y);
        _backward.Add(() =>
        {
            if (!TryTake(z, out Tensor dz)) return;
            Give(left, backend.Multiply(dz, right));
            Give(right, backend.Multiply(dz, left));
        });
        return z;
    }

    /// <inheritdoc />
    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec)
    {
        if (!_isRecording) return backend.Attention(query, key, value, queries, keys, spec);
        Dropout dropout = Next(_rates.Attention);
        Tensor y = dropout.IsNone
            ? backend.Attention(query, key, value, queries, keys, spec)
            : backend.Attention(query, key, value, queries, keys, spec, dropout);
        Note(y, "attention");
        (Tensor q, Tensor k, Tensor v, Ragged rows, Ragged seen, AttentionSpec how) = (query, key, value, queries, keys, spec);
        _backward.Add(() =>
        {
            if (TryTake(y, out Tensor dy))
                backend.AttentionBackward(q, k, v, dy, rows, seen, how, dropout, Into(q), Into(k), Into(v));
        });
        return y;
    }

    /// <inheritdoc />
    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec)
    {
        if (!_isRecording) return backend.AdditiveAttention(query, key, value, score, queries, keys, spec);
        Dropout dropout = Next(_rates.Attention);
        Tensor y = dropout.IsNone
            ? backend.AdditiveAttention(query, key, value, score, queries, keys, spec)
            : backend.AdditiveAttention(query, key, value, score, queries, keys, spec, dropout);
        Note(y, "additive attention");
        (Tensor q, Tensor k, Tensor v, Tensor s) = (query, key, value, score);
        (Ragged rows, Ragged seen, AttentionSpec how) = (queries, keys, spec);
        _backward.Add(() =>
        {
            if (!TryTake(y, out Tensor dy)) return;
            backend.AdditiveAttentionBackward(
                q, k, v, s, dy, rows, seen, how, dropout, Into(q), Into(k), Into(v), parameters.GradientOf(s));
        });
        return y;
    }

    // ---- decoding: no gradients ----

    /// <inheritdoc />
    public KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads) =>
        backend.AllocateCache(blocks, keyColumns, valueColumns, heads);

    /// <inheritdoc />
    public void FreeCache(in KeyValueCache cache) => backend.FreeCache(cache);

    /// <inheritdoc />
    public KeyValueCache GrowCache(in KeyValueCache cache, int blocks) => backend.GrowCache(cache, blocks);

    /// <inheritdoc />
    public void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots)
    {
        RefuseRecording(nameof(Append));
        backend.Append(cache, keys, values, slots);
    }

    /// <inheritdoc />
    public void CopyBlocks(in KeyValueCache cache, in Tensor pairs)
    {
        RefuseRecording(nameof(CopyBlocks));
        backend.CopyBlocks(cache, pairs);
    }

    /// <inheritdoc />
    public Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        RefuseRecording(nameof(CachedAttention));
        return backend.CachedAttention(query, cache, view, spec);
    }

    /// <inheritdoc />
    public Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        RefuseRecording(nameof(CachedAdditiveAttention));
        return backend.CachedAdditiveAttention(query, score, cache, view, spec);
    }

    /// <inheritdoc />
    public Tensor CachedAttentionWeights(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec, int firstHeads)
    {
        RefuseRecording(nameof(CachedAttentionWeights));
        return backend.CachedAttentionWeights(query, score, cache, view, spec, firstHeads);
    }

    /// <inheritdoc />
    public void Suppress(in Tensor logits, in Tensor places)
    {
        RefuseRecording(nameof(Suppress));
        backend.Suppress(logits, places);
    }

    /// <inheritdoc />
    public void Penalize(in Tensor logits, in Tensor places, in Tensor penalties)
    {
        RefuseRecording(nameof(Penalize));
        backend.Penalize(logits, places, penalties);
    }

    /// <inheritdoc />
    public Tensor SelectColumns(in Tensor x, in Tensor columns)
    {
        RefuseRecording(nameof(SelectColumns));
        return backend.SelectColumns(x, columns);
    }

    /// <inheritdoc />
    public Tensor LogSoftmax(in Tensor logits)
    {
        RefuseRecording(nameof(LogSoftmax));
        return backend.LogSoftmax(logits);
    }

    /// <inheritdoc />
    public Tensor TopK(in Tensor logits, int k, out Tensor tokens)
    {
        RefuseRecording(nameof(TopK));
        return backend.TopK(logits, k, out tokens);
    }

    /// <inheritdoc />
    public Tensor LogProbability(in Tensor logits, in Tensor tokens)
    {
        RefuseRecording(nameof(LogProbability));
        return backend.LogProbability(logits, tokens);
    }

    /// <summary>Nothing: the backend that computes is its maker's.</summary>
    public void Dispose() => Forget();

    private static Weight Packed(Weight weight) => weight is TrainingWeight trained ? trained.Packed : weight;

    private static TrainingWeight Trained(Weight weight) => weight as TrainingWeight
        ?? throw new InvalidOperationException("A weight that is no parameter was used while recording.");

    private Tensor NormBackward(in Tensor x, in NormWeights weights, in Tensor dy, in Tensor passed) => backend.NormBackward(
        x, weights, dy, passed, parameters.GradientOf(weights.Gain), parameters.GradientOf(weights.Bias));

    private Dropout Next(float rate) => new(rate, _key, _site++);

    private Tensor Drop(in Tensor x, in Dropout dropout) => dropout.IsNone ? x : backend.Dropout(x, dropout);

    private void Replay()
    {
        _isRecording = false;
        for (int i = _backward.Count - 1; i >= 0; i--) _backward[i]();
        _backward.Clear();
    }

    // A result has one gradient; it is complete when the operator that made the result is gone through.
    private bool TryTake(in Tensor y, out Tensor dy)
    {
        bool isThere = _gradients.Remove(y.Handle, out Gradient gradient);
        dy = gradient.Tensor;
        return isThere;
    }

    // The first gradient is taken as it is, without a copy; so nothing is added to it in place, for it may serve others too.
    private void Give(in Tensor x, in Tensor dx)
    {
        if (parameters.Contains(x)) throw new InvalidOperationException("A parameter was used as if it were a result.");
        if (_results.TryGetValue(x.Handle, out Tensor whole) && whole.Shape != x.Shape)
            throw new InvalidOperationException($"{x.Shape} of {whole.Shape} were used, expected all: only attention may use a part of a result.");
        _gradients[x.Handle] = _gradients.TryGetValue(x.Handle, out Gradient there)
            ? new Gradient(backend.Add(there.Tensor, dx), IsOwn: true)
            : new Gradient(dx, IsOwn: false);
    }

    // Where the gradient of a view is added: the same view of the gradient of the whole.
    private Tensor Into(in Tensor view)
    {
        if (!_results.TryGetValue(view.Handle, out Tensor whole))
        {
            if (view.Offset != 0) throw new InvalidOperationException("Attention used a part of what no recorded operator made.");
            whole = view;
        }

        if (!_gradients.TryGetValue(view.Handle, out Gradient gradient) || !gradient.IsOwn)
        {
            Tensor own = backend.Rent(whole.Shape, DType.Float32);
            backend.Clear(own);
            if (!gradient.Tensor.IsNone) own = backend.Add(own, gradient.Tensor);
            _gradients[view.Handle] = gradient = new Gradient(own, IsOwn: true);
        }

        return view with { Handle = gradient.Tensor.Handle, Offset = view.Offset + gradient.Tensor.Offset, Stride = gradient.Tensor.Stride };
    }

    private void Note(in Tensor y, string what, Weight weight) => Note(y, what, () => Trained(weight).Name);

    private void Note(in Tensor y, string what, Tensor parameter) =>
        Note(y, what, () => parameters.NameAt((int)(parameter.Offset - parameters.Values.Offset)));

    private void Note(in Tensor y, string what, Func<string>? name = null)
    {
        _results[y.Handle] = y;
        Watch?.Invoke(name is null ? what : $"{what} {name()}", y);
    }

    private void RequireRecording()
    {
        if (!_isRecording) throw new InvalidOperationException("Nothing was recorded.");
    }

    private void RefuseRecording(string what)
    {
        if (_isRecording) throw new NotSupportedException($"{what} has no gradient: it belongs to decoding.");
    }

    private readonly record struct Gradient(Tensor Tensor, bool IsOwn);
}
