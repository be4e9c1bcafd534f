// The definition of attention, dot-product and additive: the whole row of weights, one after the other.
using Engine.Backends;

namespace Engine.Reference;

/// <summary>softmax(scores + mask) V, head by head.</summary>
public static class AttentionReference
{
    /// <summary>Attention of the queries of each sentence to its keys.</summary>
    /// <param name="query">[queryRows, heads · headDim].</param>
    /// <param name="key">[keyRows, heads · headDim].</param>
    /// <param name="value">[keyRows, heads · valueDim].</param>
    /// <param name="score">v of additive attention, [heads · headDim]; empty: dot-product attention.</param>
    /// <param name="queryOffsets">[sentences + 1]: where each sentence's queries begin.</param>
    /// <param name="keyOffsets">[sentences + 1]: where each sentence's keys begin.</param>
    /// <param name="keyColumns">heads · headDim.</param>
    /// <param name="valueColumns">heads · valueDim.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="dropout">Of the weights, after the softmax.</param>
    /// <returns>[queryRows, heads · valueDim]; zeros for a query that sees no key.</returns>
    public static double[] Rows(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> value, ReadOnlySpan<double> score,
        ReadOnlySpan<int> queryOffsets, ReadOnlySpan<int> keyOffsets, int keyColumns, int valueColumns,
        AttentionSpec spec, Dropout dropout = default)
    {
        int queryRows = queryOffsets[^1];
        var y = new double[queryOffsets[^1] * valueColumns];
        for (int sentence = 0; sentence + 1 < queryOffsets.Length; sentence++)
        {
            int queries = queryOffsets[sentence + 1] - queryOffsets[sentence];
            int keys = keyOffsets[sentence + 1] - keyOffsets[sentence];
            ReadOnlySpan<double> k = key.Slice(keyOffsets[sentence] * keyColumns, keys * keyColumns);
            ReadOnlySpan<double> v = value.Slice(keyOffsets[sentence] * valueColumns, keys * valueColumns);
            for (int i = 0; i < queries; i++)
            {
                int row = queryOffsets[sentence] + i;
                double[] sum = Row(
                    query.Slice(row * keyColumns, keyColumns), k, v, score, i + (keys - queries), spec,
                    (head, j) => DropoutReference.Factor(dropout, ((long)head * queryRows) + row, j));
                sum.CopyTo(y, row * valueColumns);
            }
        }

        return y;
    }

    /// <summary>Attention of one query to the keys of its sentence.</summary>
    /// <param name="query">[heads · headDim].</param>
    /// <param name="key">[keys, heads · headDim].</param>
    /// <param name="value">[keys, heads · valueDim].</param>
    /// <param name="score">v of additive attention, [heads · headDim]; empty: dot-product attention.</param>
    /// <param name="position">Position of the query; key 0 is at position 0. May be negative.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="factor">What the weight of a head and a key is multiplied by; null: 1.</param>
    /// <returns>[heads · valueDim]; empty where there is no key to tell the width.</returns>
    public static double[] Row(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> value, ReadOnlySpan<double> score,
        int position, AttentionSpec spec, Func<int, int, double>? factor = null)
    {
        int keys = query.IsEmpty ? 0 : key.Length / query.Length;
        if (keys == 0) return [];
        int valueColumns = value.Length / keys, valueDim = valueColumns / spec.Heads;
        var y = new double[valueColumns];
        for (int head = 0; head < spec.Heads; head++)
        {
            double[] weights = Weights(query, key, score, head, position, spec);
            if (factor is not null) for (int j = 0; j < keys; j++) weights[j] *= factor(head, j);
            for (int column = head * valueDim; column < (head + 1) * valueDim; column++)
                for (int j = 0; j < keys; j++) y[column] += weights[j] * value[(j * valueColumns) + column];
        }

        return y;
    }

    /// <summary>
    /// How much one query attends to each key in one head: they sum to 1, or to 0 where no key is seen.
    /// </summary>
    /// <param name="query">[heads · headDim].</param>
    /// <param name="key">[keys, heads · headDim].</param>
    /// <param name="score">v of additive attention, [heads · headDim]; empty: dot-product attention.</param>
    /// <param name="head">The head.</param>
    /// <param name="position">Position of the query; key 0 is at position 0.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <returns>[keys].</returns>
    public static double[] Weights(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> score, int head, int position,
        AttentionSpec spec)
    {
        var weights = new double[key.Length / query.Length];
        double largest = double.NegativeInfinity, sum = 0;
        for (int j = 0; j < weights.Length; j++)
        {
            weights[j] = IsSeen(spec.Mask, position, j)
                ? Score(query, key.Slice(j * query.Length, query.Length), score, head, spec)
                : double.NegativeInfinity;
            largest = Math.Max(largest, weights[j]);
        }

        if (double.IsNegativeInfinity(largest)) return new double[weights.Length];
        for (int j = 0; j < weights.Length; j++) sum += weights[j] = Math.Exp(weights[j] - largest);
        for (int j = 0; j < weights.Length; j++) weights[j] /= sum;
        return weights;
    }

    /// <summary>The weights of every query and head of all sentences.</summary>
    /// <param name="query">[queryRows, heads · headDim].</param>
    /// <param name="key">[keyRows, heads · headDim].</param>
    /// <param name="score">v of additive attention, [heads · headDim]; empty: dot-product attention.</param>
    /// <param name="queryOffsets">[sentences + 1]: where each sentence's queries begin.</param>
    /// <param name="keyOffsets">[sentences + 1]: where each sentence's keys begin.</param>
    /// <param name="keyColumns">heads · headDim.</param>
    /// <param name="longest">Width of a row, at least the keys of each sentence.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <returns>[queryRows · heads, longest]; zeros beyond the sentence's keys.</returns>
    public static double[] WeightRows(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> score, ReadOnlySpan<int> queryOffsets,
        ReadOnlySpan<int> keyOffsets, int keyColumns, int longest, AttentionSpec spec)
    {
        var y = new double[queryOffsets[^1] * spec.Heads * longest];
        for (int sentence = 0; sentence + 1 < queryOffsets.Length; sentence++)
        {
            int queries = queryOffsets[sentence + 1] - queryOffsets[sentence];
            int keys = keyOffsets[sentence + 1] - keyOffsets[sentence];
            ReadOnlySpan<double> k = key.Slice(keyOffsets[sentence] * keyColumns, keys * keyColumns);
            for (int i = 0; i < queries; i++)
            {
                int row = queryOffsets[sentence] + i;
                ReadOnlySpan<double> q = query.Slice(row * keyColumns, keyColumns);
                for (int head = 0; head < spec.Heads; head++)
                    Weights(q, k, score, head, i + (keys - queries), spec).CopyTo(y, ((row * spec.Heads) + head) * longest);
            }
        }

        return y;
    }

    /// <summary>scale · q · k of one head, or scale · v · tanh(q + k).</summary>
    public static double Score(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> score, int head, AttentionSpec spec)
    {
        int headDim = query.Length / spec.Heads;
        double sum = 0;
        for (int i = head * headDim; i < (head + 1) * headDim; i++)
            sum += score.IsEmpty ? query[i] * key[i] : score[i] * Math.Tanh(query[i] + key[i]);
        return sum * spec.Scale;
    }

    /// <summary>Whether a query sees a key: key − query in −Left .. Right.</summary>
    public static bool IsSeen(AttentionMask mask, int queryPosition, int keyPosition) =>
        keyPosition - queryPosition >= -mask.Left && keyPosition - queryPosition <= mask.Right;
}
