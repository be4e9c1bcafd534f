// Weights of one kind of attention as a reader wants them: by layer, head and query. What is derived from them has the same form.
namespace Engine.Explaining;

/// <summary>How much each query looks at each key, in every layer and head.</summary>
public sealed class AttentionMap
{
    private readonly float[][] _layers;

    /// <summary>Takes numbers as they are.</summary>
    /// <param name="layers">For each layer [queries · heads, keys]: head by head of a query.</param>
    /// <param name="heads">Heads of a layer.</param>
    /// <param name="queries">Queries.</param>
    /// <param name="keys">Keys.</param>
    internal AttentionMap(float[][] layers, int heads, int queries, int keys)
    {
        _layers = layers;
        (Heads, Queries, Keys) = (heads, queries, keys);
    }

    /// <summary>Layers; 0: the model has no such attention.</summary>
    public int Layers => _layers.Length;

    /// <summary>Heads of a layer.</summary>
    public int Heads { get; }

    /// <summary>Queries, one a row.</summary>
    public int Queries { get; }

    /// <summary>Keys, one a column.</summary>
    public int Keys { get; }

    /// <summary>The weights of one query, one for each key.</summary>
    /// <param name="layer">0 .. Layers − 1.</param>
    /// <param name="head">0 .. Heads − 1.</param>
    /// <param name="query">0 .. Queries − 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such head.</exception>
    public ReadOnlySpan<float> Row(int layer, int head, int query)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)layer, (uint)Layers, nameof(layer));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)head, (uint)Heads, nameof(head));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)query, (uint)Queries, nameof(query));
        return _layers[layer].AsSpan(((query * Heads) + head) * Keys, Keys);
    }

    /// <summary>The mean of the first heads of a layer, [queries, keys]: their sum from the first on, divided by their number.</summary>
    internal float[] Mean(int layer, int firstHeads)
    {
        var mean = new float[Queries * Keys];
        for (int query = 0; query < Queries; query++)
        {
            Span<float> row = mean.AsSpan(query * Keys, Keys);
            for (int head = 0; head < firstHeads; head++)
            {
                ReadOnlySpan<float> weights = Row(layer, head, query);
                for (int j = 0; j < row.Length; j++) row[j] += weights[j];
            }

            for (int j = 0; j < row.Length; j++) row[j] /= firstHeads;
        }

        return mean;
    }
}
