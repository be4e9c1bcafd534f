// A backend around another that counts: what operators multiply, add and move, and how long the longest chain is of calls of which each
// needs what the one before gave.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Studies;

/// <summary>Counts the work of a graph and passes everything on.</summary>
/// <remarks>
/// Offsets and lengths are read back from the backend, so that only pairs that a mask lets through are counted: it waits, and is there to
/// count, not to be timed.
/// </remarks>
/// <param name="inner">Does the work, and stays its owner's.</param>
public sealed class CountingBackend(IBackend inner) : DelegatingBackend(inner)
{
    private readonly Dictionary<string, OperationCount> _counts = new(StringComparer.Ordinal);
    private readonly Dictionary<nint, int> _depths = [];

    /// <summary>Counts by the operator's name.</summary>
    public IReadOnlyDictionary<string, OperationCount> Counts => _counts;

    /// <summary>All operators together.</summary>
    public OperationCount Total => _counts.Values.Aggregate(default(OperationCount), OperationCount.Add);

    /// <summary>Calls of the longest chain of which each needs the result of the one before, in the frame that is open.</summary>
    public int LongestChain { get; private set; }

    /// <summary>Forgets what was counted.</summary>
    public void Reset()
    {
        _counts.Clear();
        _depths.Clear();
        LongestChain = 0;
    }

    /// <inheritdoc />
    public override void BeginFrame()
    {
        StartChains();
        base.BeginFrame();
    }

    /// <inheritdoc />
    public override void BeginFrame(bool repeats)
    {
        StartChains();
        base.BeginFrame(repeats);
    }

    /// <inheritdoc />
    public override Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds)
    {
        Tensor y = base.Embed(ids, table, scale, positions, positionIds);
        return Note("Embed", y, y.Shape.Count, 0, 2 * Floats(y), ids);
    }

    /// <inheritdoc />
    public override Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation)
    {
        ArgumentNullException.ThrowIfNull(weights.Weight);
        Tensor y = base.Linear(x, weights, activation);
        long functions = activation is Activation.None or Activation.Relu ? 0 : y.Shape.Count;
        return Note(
            "Linear", y, (double)x.Rows * weights.Weight.Inputs * weights.Weight.Outputs, functions,
            Floats(x) + Floats(y) + weights.Weight.Bytes, x);
    }

    /// <inheritdoc />
    public override Tensor Norm(in Tensor x, in NormWeights weights)
    {
        Tensor y = base.Norm(x, weights);
        return Note("Norm", y, 2 * y.Shape.Count, 0, 2 * Floats(y), x);
    }

    /// <inheritdoc />
    public override Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights)
    {
        Tensor y = base.AddNorm(x, residual, weights);
        return Note("AddNorm", y, 2 * y.Shape.Count, 0, 3 * Floats(y), x, residual);
    }

    /// <inheritdoc />
    public override Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum)
    {
        (Tensor left, Tensor right) = (x, residual);             // sum may be the variable of one of them
        Tensor y = base.AddNorm(x, residual, weights, out Tensor added);
        sum = added;
        Note("AddNorm", y, 2 * y.Shape.Count, 0, 4 * Floats(y), left, right);
        _depths[added.Handle] = _depths[y.Handle];
        return y;
    }

    /// <inheritdoc />
    public override Tensor Add(in Tensor x, in Tensor y)
    {
        Tensor z = base.Add(x, y);
        return Note("Add", z, 0, 0, 3 * Floats(z), x, y);
    }

    /// <inheritdoc />
    public override Tensor Multiply(in Tensor x, in Tensor y)
    {
        Tensor z = base.Multiply(x, y);
        return Note("Multiply", z, z.Shape.Count, 0, 3 * Floats(z), x, y);
    }

    /// <inheritdoc />
    public override Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec)
    {
        Tensor y = base.Attention(query, key, value, queries, keys, spec);
        double pairs = Pairs(queries, keys, spec.Mask);
        return Note(
            "Attention", y, pairs * (key.Columns + value.Columns), pairs * spec.Heads,
            Floats(query) + Floats(key) + Floats(value) + Floats(y),
            query, key, value);
    }

    /// <inheritdoc />
    public override Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec)
    {
        Tensor y = base.AdditiveAttention(query, key, value, score, queries, keys, spec);
        double pairs = Pairs(queries, keys, spec.Mask);
        return Note(
            "AdditiveAttention", y, pairs * (key.Columns + value.Columns), pairs * (spec.Heads + key.Columns),
            Floats(query) + Floats(key) + Floats(value) + Floats(y), query, key, value);
    }

    /// <inheritdoc />
    public override Tensor Unfold(in Tensor x, in Ragged batch, in Taps taps)
    {
        Tensor y = base.Unfold(x, batch, taps);
        return Note("Unfold", y, 0, 0, 2 * Floats(y), x);
    }

    /// <inheritdoc />
    public override Tensor DepthwiseConvolution(in Tensor x, in Tensor filter, in Tensor bias, in Ragged batch, in Taps taps)
    {
        Tensor y = base.DepthwiseConvolution(x, filter, bias, batch, taps);
        return Note(
            "DepthwiseConvolution", y, SeenTaps(batch, taps) * x.Columns, 0, Floats(x) + Floats(filter) + Floats(y), x);
    }

    /// <inheritdoc />
    public override Tensor TakePosition(in Tensor x, in Ragged batch, int position)
    {
        Tensor y = base.TakePosition(x, batch, position);
        return Note("TakePosition", y, 0, 0, 2 * Floats(y), x);
    }

    /// <inheritdoc />
    public override Tensor JoinPositions(ReadOnlySpan<Tensor> positions, in Ragged batch)
    {
        Tensor y = base.JoinPositions(positions, batch);
        return Note("JoinPositions", y, 0, 0, 2 * Floats(y), positions);
    }

    /// <inheritdoc />
    public override Tensor RecurrentCell(in Tensor input, in Tensor hidden, in Tensor state, CellKind kind)
    {
        Tensor y = base.RecurrentCell(input, hidden, state, kind);
        double columns = (double)input.Shape.Count / kind.Gates();
        (int products, int functions) = kind switch { CellKind.Tanh => (0, 1), CellKind.Lstm => (3, 5), _ => (2, 3) };
        return Note(
            "RecurrentCell", y, products * columns, functions * columns, (2 * Floats(input)) + Floats(state) + Floats(y),
            input, hidden, state);
    }

    /// <inheritdoc />
    public override Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        Tensor y = base.CachedAttention(query, cache, view, spec);
        double pairs = Positions(view, spec.Mask);
        int columns = cache.KeyColumns + cache.ValueColumns;
        return Note(
            "CachedAttention", y, pairs * columns, pairs * spec.Heads,
            Floats(query) + Floats(y) + (sizeof(float) * pairs * columns), query);
    }

    /// <inheritdoc />
    public override Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        Tensor y = base.CachedAdditiveAttention(query, score, cache, view, spec);
        double pairs = Positions(view, spec.Mask);
        int columns = cache.KeyColumns + cache.ValueColumns;
        return Note(
            "CachedAdditiveAttention", y, pairs * columns, pairs * (spec.Heads + cache.KeyColumns),
            Floats(query) + Floats(y) + (sizeof(float) * pairs * columns), query);
    }

    /// <inheritdoc />
    public override Tensor CachedUnfold(in KeyValueCache cache, in CacheView view, in Taps taps)
    {
        Tensor y = base.CachedUnfold(cache, view, taps);
        return Note("CachedUnfold", y, 0, 0, 2 * Floats(y));
    }

    /// <inheritdoc />
    public override Tensor CachedDepthwiseConvolution(
        in KeyValueCache cache, in CacheView view, in Tensor filter, in Tensor bias, in Taps taps)
    {
        Tensor y = base.CachedDepthwiseConvolution(cache, view, filter, bias, taps);
        return Note(
            "CachedDepthwiseConvolution", y, (double)taps.Count * y.Shape.Count, 0, (2 * Floats(filter)) + Floats(y));
    }

    private void StartChains()
    {
        _depths.Clear();
        LongestChain = 0;
    }

    // What was not given by an operator of the frame is there from the start.
    private Tensor Note(
        string name, in Tensor y, double multiplyAdds, double functions, double bytes, params ReadOnlySpan<Tensor> arguments)
    {
        int depth = 0;
        foreach (Tensor argument in arguments) depth = Math.Max(depth, _depths.GetValueOrDefault(argument.Handle));
        _depths[y.Handle] = depth + 1;
        LongestChain = Math.Max(LongestChain, depth + 1);
        _counts[name] = _counts.GetValueOrDefault(name) + new OperationCount(1, multiplyAdds, functions, bytes);
        return y;
    }

    private static double Floats(in Tensor tensor) => (double)tensor.Shape.Count * sizeof(float);

    private double Pairs(in Ragged queries, in Ragged keys, AttentionMask mask)
    {
        int[] first = Read(queries.Offsets), second = Read(keys.Offsets);
        double pairs = 0;
        for (int s = 0; s < queries.Sentences; s++)
        {
            (int rows, int seen) = (first[s + 1] - first[s], second[s + 1] - second[s]);
            for (int row = 0; row < rows; row++)
            {
                long position = row + seen - rows;
                pairs += Math.Max(0, Math.Min(seen, position + mask.Right + 1L) - Math.Max(0, position - mask.Left));
            }
        }

        return pairs;
    }

    private double SeenTaps(in Ragged batch, Taps taps)
    {
        int[] offsets = Read(batch.Offsets);
        double seen = 0;
        for (int s = 0; s < batch.Sentences; s++)
        {
            int rows = offsets[s + 1] - offsets[s];
            for (int tap = 0; tap < taps.Count; tap++) seen += Math.Max(0, rows - Math.Abs(taps.Offset(tap)));
        }

        return seen;
    }

    private double Positions(in CacheView view, AttentionMask mask) =>
        Read(view.Lengths).Sum(length => Math.Min(length, mask.Left + 1.0));

    private int[] Read(in Tensor tensor) => StudyTensors.Integers(Inner, tensor);
}
