// Gradients as a decorator: the graph calls this backend as any other, which calls the one that it wraps and remembers what was
// called; backward, the calls are gone through from the last to the first. The graph is written once and knows nothing of it.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Training;

/// <summary>A backend that remembers what a graph calls, and gives the gradients of its parameters.</summary>
/// <remarks>
/// Between <see cref="Record"/> and <see cref="Backward(in Tensor, in Tensor, float, float, Span{float})"/> it records; else it only passes on, so that the same graph also
/// decodes. Dropout is its business too: what is added to a residual stream, what attention weighs and what an activation gives
/// are dropped by its rates, and nothing in the graph says so.
/// <para>
/// What it returns while it records are not addresses but the numbers of results, so that a result may be forgotten and computed
/// again (Chen et al. 2016). With <see cref="Recomputes"/> only what ends a sub-layer is kept: the operators between two such ends
/// are a segment, and backward each segment is run once more before it is gone through.
/// </para>
/// </remarks>
/// <param name="backend">Computes.</param>
/// <param name="parameters">Whose gradients are wanted.</param>
public sealed partial class Tape(ITrainingBackend backend, Parameters parameters) : IBackend
{
    private readonly List<Operation> _operations = [];
    private readonly List<Result> _results = [];
    private readonly Dictionary<nint, Result> _inputs = [];
    private DropoutRates _rates;
    private ulong _key;
    private int _site;
    private bool _isRecording;

    /// <summary>Whether results within sub-layers are computed again when they are needed: less memory for a forward pass more.</summary>
    public bool Recomputes { get; init; }

    /// <summary>Looks at each result while it is recorded, with the name of its operator and weight: to find where NaN began.</summary>
    public Action<string, Tensor>? Watch { get; set; }

    /// <inheritdoc />
    public string Description => backend.Description;

    /// <summary>Begins to record, within a frame. What the graph is given must be there already: inputs come before.</summary>
    /// <param name="rates">What is dropped.</param>
    /// <param name="key">Seed and step: the same key drops the same numbers.</param>
    public void Record(DropoutRates rates, ulong key)
    {
        Forget();
        _rates = rates;
        _key = key;
        _isRecording = true;
        if (Recomputes) _segments.Add(new Segment(backend.Mark(), 0));
    }

    /// <summary>Loss of logits, and the gradients of all parameters that led to them, which are added to those there.</summary>
    /// <param name="logits">[rows, vocabulary]; overwritten.</param>
    /// <param name="targets">[1, rows], i32; −1: not counted.</param>
    /// <param name="smoothing">Label smoothing.</param>
    /// <param name="scale">Factor on the gradients: 1 over the number of targets of a step gives those of the mean.</param>
    /// <param name="losses">[rows, 2]: loss and −ln p of each target; on the host, since gradients take the memory of results.</param>
    public void Backward(in Tensor logits, in Tensor targets, float smoothing, float scale, Span<float> losses)
    {
        RequireRecording();
        Tensor gradient = Real(logits);
        backend.Read(backend.CrossEntropy(gradient, targets, smoothing, scale), losses);
        Result result = Find(logits);
        (result.Gradient, result.OwnsGradient) = (gradient, true);
        Replay();
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
        _operations.Clear();
        _results.Clear();
        _inputs.Clear();
        _segments.Clear();
        _site = 0;
        foreach (Ragged groups in _groups.Values) backend.Free(groups.Offsets);
        _groups.Clear();
    }

    /// <summary>Where a result is now.</summary>
    internal Tensor Real(in Tensor tensor)
    {
        if (tensor.Handle >= 0) return tensor;
        Result result = _results[Number(tensor)];
        if (result.Value.IsNone) Remake(result);
        return tensor with
        {
            Handle = result.Value.Handle, Offset = tensor.Offset + result.Value.Offset, Stride = result.Value.Stride,
        };
    }

    /// <summary>The gradient that an input has after <see cref="Backward(in Tensor, in Tensor)"/>, or none.</summary>
    internal Tensor GradientOf(in Tensor x) => Find(x).Gradient;

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
    public Tensor Rent(Shape shape, DType type) => backend.Rent(shape, type);

    /// <inheritdoc />
    public void Write(in Tensor destination, ReadOnlySpan<float> values) => backend.Write(Real(destination), values);

    /// <inheritdoc />
    public void Write(in Tensor destination, ReadOnlySpan<int> values) => backend.Write(Real(destination), values);

    /// <inheritdoc />
    public void Read(in Tensor source, Span<float> values) => backend.Read(Real(source), values);

    /// <inheritdoc />
    public void Read(in Tensor source, Span<int> values) => backend.Read(Real(source), values);

    /// <inheritdoc />
    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding = ActivationRounding.Nearest) =>
        backend.Pack(parts, rounding);

    /// <inheritdoc />
    public Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs) => backend.SelectOutputs(Packed(weight), outputs);

    // ---- forward ----

    /// <inheritdoc />
    public Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds)
    {
        if (!_isRecording) return backend.Embed(ids, Packed(table), scale, positions, positionIds);
        Dropout dropout = Next(_rates.Residual);
        TrainingWeight weight = Trained(table);
        (Tensor i, Tensor p, Tensor places) = (ids, positions, positionIds);
        Result y = Add(ids.Columns, table.Inputs);
        Do(
            () => y.Value = Drop(backend.Embed(i, weight.Packed, scale, p, places), dropout),
            () =>
            {
                if (!TryTake(y, out Tensor dy)) return;
                Tensor positionGradient = parameters.GradientOf(p);
                backend.EmbedBackward(
                    i, Drop(dy, dropout), scale, weight.Gradient, positionGradient.IsNone ? Tensor.None : places, positionGradient);
            });
        return Note(y, "embedding", weight);
    }

    /// <inheritdoc />
    public Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation = Activation.None)
    {
        if (!_isRecording) return backend.Linear(x, new LinearWeights(Packed(weights.Weight), weights.Bias), activation);

        // The derivative of ReLU can be read off its result; the others need what they were given.
        bool isApart = activation is not (Activation.None or Activation.Relu);
        Dropout dropout = activation == Activation.None ? Backends.Dropout.None : Next(_rates.Activation);
        TrainingWeight weight = Trained(weights.Weight);
        (Tensor input, Tensor bias) = (x, weights.Bias);
        Result before = Add(x.Rows, weight.Outputs), y = isApart || !dropout.IsNone ? Add(x.Rows, weight.Outputs) : before;
        Do(
            () =>
            {
                before.Value = backend.Linear(
                    Real(input), new LinearWeights(weight.Packed, bias), isApart ? Activation.None : activation);
                if (y != before) y.Value = Drop(isApart ? backend.Activate(before.Value, activation) : before.Value, dropout);
            },
            () =>
            {
                if (!TryTake(y, out Tensor dy)) return;
                if (activation != Activation.None) dy = backend.ActivationBackward(before.Value, Drop(dy, dropout), activation);
                backend.LinearBackward(Real(input), dy, weight.Gradient, parameters.GradientOf(bias), weight.Type);
                Give(input, backend.Linear(dy, new LinearWeights(weight.Transposed, Tensor.None)));
            });
        Tensor result = Note(before, "linear", weight);
        return y == before ? result : Note(y, "activation", weight);
    }

    /// <inheritdoc />
    public Tensor Norm(in Tensor x, in NormWeights weights)
    {
        if (!_isRecording) return backend.Norm(x, weights);
        (Tensor input, NormWeights norm) = (x, weights);
        Result y = Add(x.Rows, x.Columns);
        Do(
            () => y.Value = backend.Norm(Real(input), norm),
            () =>
            {
                if (TryTake(y, out Tensor dy)) Give(input, NormBackward(Real(input), norm, dy, Tensor.None));
            });
        return Note(y, "norm", weights.Gain);
    }

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights) => _isRecording
        ? AddNorm(x, residual, weights, keepsSum: false, out _)
        : backend.AddNorm(x, residual, weights);

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum) => _isRecording
        ? AddNorm(x, residual, weights, keepsSum: true, out sum)
        : backend.AddNorm(x, residual, weights, out sum);

    /// <inheritdoc />
    public Tensor Add(in Tensor x, in Tensor y)
    {
        if (!_isRecording) return backend.Add(x, y);
        Dropout dropout = Next(_rates.Residual);
        (Tensor input, Tensor output) = (x, y);
        Result z = Add(x.Rows, x.Columns);
        Do(
            () => z.Value = backend.Add(Real(input), Drop(Real(output), dropout)),
            () =>
            {
                if (!TryTake(z, out Tensor dz)) return;
                Give(input, dz);
                Give(output, Drop(dz, dropout));
            });
        Tensor result = Note(z, "sum");
        EndSegment(z, null);
        return result;
    }

    /// <inheritdoc />
    public Tensor Multiply(in Tensor x, in Tensor y)
    {
        if (!_isRecording) return backend.Multiply(x, y);
        (Tensor left, Tensor right) = (x, y);
        Result z = Add(x.Rows, x.Columns);
        Do(
            () => z.Value = backend.Multiply(Real(left), Real(right)),
            () =>
            {
                if (!TryTake(z, out Tensor dz)) return;
                Give(left, backend.Multiply(dz, Real(right)));
                Give(right, backend.Multiply(dz, Real(left)));
            });
        return Note(z, "product");
    }

    /// <inheritdoc />
    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec)
    {
        if (!_isRecording) return backend.Attention(query, key, value, queries, keys, spec);
        Dropout dropout = Next(_rates.Attention);
        (Tensor q, Tensor k, Tensor v, Ragged rows, Ragged seen, AttentionSpec how) = (query, key, value, queries, keys, spec);
        Result y = Add(query.Rows, value.Columns);
        Do(
            () => y.Value = dropout.IsNone
                ? backend.Attention(Real(q), Real(k), Real(v), rows, seen, how)
                : backend.Attention(Real(q), Real(k), Real(v), rows, seen, how, dropout),
            () =>
            {
                if (!TryTake(y, out Tensor dy)) return;
                backend.AttentionBackward(
                    Real(q), Real(k), Real(v), dy, rows, seen, how, dropout, Into(q), Into(k), Into(v));
            });
        return Note(y, "attention");
    }

    /// <inheritdoc />
    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec)
    {
        if (!_isRecording) return backend.AdditiveAttention(query, key, value, score, queries, keys, spec);
        Dropout dropout = Next(_rates.Attention);
        (Tensor q, Tensor k, Tensor v, Tensor s) = (query, key, value, score);
        (Ragged rows, Ragged seen, AttentionSpec how) = (queries, keys, spec);
        Result y = Add(query.Rows, value.Columns);
        Do(
            () => y.Value = dropout.IsNone
                ? backend.AdditiveAttention(Real(q), Real(k), Real(v), s, rows, seen, how)
                : backend.AdditiveAttention(Real(q), Real(k), Real(v), s, rows, seen, how, dropout),
            () =>
            {
                if (!TryTake(y, out Tensor dy)) return;
                backend.AdditiveAttentionBackward(
                    Real(q), Real(k), Real(v), s, dy, rows, seen, how, dropout, Into(q), Into(k), Into(v), parameters.GradientOf(s));
            });
        return Note(y, "additive attention");
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
    public Tensor AttentionWeights(
        in Tensor query, in Tensor key, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec)
    {
        RefuseRecording(nameof(AttentionWeights));
        return backend.AttentionWeights(query, key, score, queries, keys, spec);
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

    /// <inheritdoc />
    public Tensor Sample(in Tensor logits, in Tensor draws, float temperature, out Tensor tokens)
    {
        RefuseRecording(nameof(Sample));
        return backend.Sample(logits, draws, temperature, out tokens);
    }

    /// <inheritdoc />
    public void AdvanceBeams(in Tensor scores, in Tensor tokens, in BeamState state)
    {
        RefuseRecording(nameof(AdvanceBeams));
        backend.AdvanceBeams(scores, tokens, state);
    }

    /// <summary>Nothing: the backend that computes is its maker's.</summary>
    public void Dispose() => Forget();

    private static Weight Packed(Weight weight) => weight is TrainingWeight trained ? trained.Packed : weight;

    private static TrainingWeight Trained(Weight weight) => weight as TrainingWeight
        ?? throw new InvalidOperationException("A weight that is no parameter was used while recording.");

    private Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, bool keepsSum, out Tensor sum)
    {
        Dropout dropout = Next(_rates.Residual);
        (Tensor input, Tensor output, NormWeights norm) = (x, residual, weights);
        Result added = Add(x.Rows, x.Columns), y = Add(x.Rows, x.Columns);
        Do(
            () =>
            {
                y.Value = backend.AddNorm(Real(input), Drop(Real(output), dropout), norm, out Tensor both);
                added.Value = both;
            },
            () =>
            {
                bool hasNorm = TryTake(y, out Tensor dy), hasSum = TryTake(added, out Tensor passed);
                if (!hasNorm && !hasSum) return;
                Tensor d = hasNorm ? NormBackward(added.Value, norm, dy, passed) : passed;
                Give(input, d);
                Give(output, Drop(d, dropout));
            });
        sum = Note(added, "sum before norm", weights.Gain);
        Tensor result = Note(y, "norm", weights.Gain);
        EndSegment(y, keepsSum ? added : null);
        return result;
    }

    private Tensor NormBackward(in Tensor x, in NormWeights weights, in Tensor dy, in Tensor passed) => backend.NormBackward(
        x, weights, dy, passed, parameters.GradientOf(weights.Gain), parameters.GradientOf(weights.Bias));

    private Dropout Next(float rate) => new(rate, _key, _site++);

    private Tensor Drop(in Tensor x, in Dropout dropout) => dropout.IsNone ? x : backend.Dropout(x, dropout);

    // ---- results and operators ----

    // A result has a number; in its place in the graph's tensors is −1 − number, which is no address.
    private Result Add(int rows, int columns)
    {
        var result = new Result(_results.Count, _operations.Count, new Shape(rows, columns));
        _results.Add(result);
        return result;
    }

    private static int Number(in Tensor tensor) => (int)(-1 - tensor.Handle);

    private void Do(Action forward, Action backward)
    {
        _operations.Add(new Operation(forward, backward));
        forward();
    }

    private Tensor Note(Result y, string what, TrainingWeight weight) => Note(y, what, () => weight.Name);

    private Tensor Note(Result y, string what, Tensor parameter) =>
        Note(y, what, () => parameters.NameAt((int)(parameter.Offset - parameters.Values.Offset)));

    private Tensor Note(Result y, string what, Func<string>? name = null)
    {
        Watch?.Invoke(name is null ? what : $"{what} {name()}", y.Value);
        return new Tensor(-1 - y.Number, 0, y.Shape, y.Value.Stride, DType.Float32);
    }

    // The result that a tensor is, or is a part of; an input becomes one when it is first asked for.
    private Result Find(in Tensor tensor)
    {
        if (tensor.Handle < 0) return _results[Number(tensor)];
        if (parameters.Contains(tensor)) throw new InvalidOperationException("A parameter was used as if it were a result.");
        if (!_inputs.TryGetValue(tensor.Handle, out Result? input))
            _inputs.Add(tensor.Handle, input = new Result(-1, -1, tensor.Shape) { Value = tensor });
        return input;
    }

    // ---- gradients ----

    private void Replay()
    {
        _isRecording = false;
        if (_segments.Count == 0)
        {
            for (int i = _operations.Count - 1; i >= 0; i--) _operations[i].Backward();
        }
        else
        {
            for (int i = _segments.Count - 1; i >= 0; i--) Replay(i);
        }

        _operations.Clear();
        _segments.Clear();
    }

    // A result's gradient is complete when the operator that made the result is gone through.
    private static bool TryTake(Result y, out Tensor dy)
    {
        dy = y.Gradient;
        y.Gradient = Tensor.None;
        return !dy.IsNone;
    }

    // The first gradient is taken as it is, without a copy; so nothing is added to it in place, for it may serve others too.
    private void Give(in Tensor x, in Tensor dx)
    {
        Result result = Find(x);
        if (result.Shape != x.Shape)
        {
            backend.Accumulate(Into(x), dx);
            return;
        }

        bool isFirst = result.Gradient.IsNone;
        result.Gradient = isFirst ? dx : backend.Add(result.Gradient, dx);
        result.OwnsGradient = !isFirst;
    }

    // Where the gradient of a view is added: the same view of the gradient of the whole.
    private Tensor Into(in Tensor view)
    {
        Result result = Find(view);
        if (view.Handle > 0 && (view.Offset != 0 || result.Shape != view.Shape))
            throw new InvalidOperationException("A part was used of what no recorded operator made.");
        if (result.Gradient.IsNone || !result.OwnsGradient)
        {
            Tensor own = backend.Rent(result.Shape, DType.Float32);
            backend.Clear(own);
            result.Gradient = result.Gradient.IsNone ? own : backend.Add(own, result.Gradient);
            result.OwnsGradient = true;
        }

        Tensor gradient = result.Gradient;
        return view with { Handle = gradient.Handle, Offset = view.Offset + gradient.Offset, Stride = gradient.Stride };
    }

    private void RequireRecording()
    {
        if (!_isRecording) throw new InvalidOperationException("Nothing was recorded.");
    }

    private void RefuseRecording(string what)
    {
        if (_isRecording) throw new NotSupportedException($"{what} has no gradient: it belongs to decoding.");
    }

    /// <summary>What a recorded operator gave.</summary>
    private sealed class Result(int number, int operation, Shape shape)
    {
        public int Number => number;

        /// <summary>The operator that makes it; −1: an input.</summary>
        public int Operation => operation;

        public Shape Shape => shape;

        /// <summary>Where it is; none: to be computed again.</summary>
        public Tensor Value;

        public Tensor Gradient;

        /// <summary>Whether the gradient is this result's alone, so that it may be added to in place.</summary>
        public bool OwnsGradient;

        /// <summary>Whether it outlives its segment.</summary>
        public bool IsKept;
    }

    private readonly record struct Operation(Action Forward, Action Backward);
}
