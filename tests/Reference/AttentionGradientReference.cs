// The definition of the gradients of attention, dot-product and additive: a query and a head at a time.
using Engine.Backends;

namespace Engine.Reference;

/// <summary>Gradients of <see cref="AttentionReference"/>.</summary>
public static class AttentionGradientReference
{
    /// <summary>
    /// With P = softmax(S) and D the dropout: dV = (D ∘ P)ᵀ dy, dP = D ∘ (dy Vᵀ), dS = P ∘ (dP − Σ P ∘ dP); then for dot
    /// products dQ = dS K · scale and dK = dSᵀ Q · scale, and for additive attention with t = tanh(q + k) and u = dS ·
    /// scale · v · (1 − t²) dq = Σ u over keys, dk = Σ u over queries, dv = Σ dS · scale · t.
    /// </summary>
    /// <param name="query">[queryRows, heads · headDim].</param>
    /// <param name="key">[keyRows, heads · headDim].</param>
    /// <param name="value">[keyRows, heads · valueDim].</param>
    /// <param name="score">v of additive attention, [heads · headDim]; empty: dot-product attention.</param>
    /// <param name="dy">[queryRows, heads · valueDim].</param>
    /// <param name="queryOffsets">[sentences + 1]: where each sentence's queries begin.</param>
    /// <param name="keyOffsets">[sentences + 1]: where each sentence's keys begin.</param>
    /// <param name="keyColumns">heads · headDim.</param>
    /// <param name="valueColumns">heads · valueDim.</param>
    /// <param name="spec">Heads, scale, mask.</param>
    /// <param name="dropout">Of the weights, after the softmax.</param>
    public static AttentionGradients Rows(
        ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> value, ReadOnlySpan<double> score,
        ReadOnlySpan<double> dy, ReadOnlySpan<int> queryOffsets, ReadOnlySpan<int> keyOffsets, int keyColumns,
        int valueColumns, AttentionSpec spec, Dropout dropout = default)
    {
        var gradients = new AttentionGradients(
            new double[query.Length], new double[key.Length], new double[value.Length], new double[score.Length]);
        int headDim = keyColumns / spec.Heads, valueDim = valueColumns / spec.Heads, queryRows = queryOffsets[^1];
        for (int sentence = 0; sentence + 1 < queryOffsets.Length; sentence++)
        {
            int queries = queryOffsets[sentence + 1] - queryOffsets[sentence], firstKey = keyOffsets[sentence];
            int keys = keyOffsets[sentence + 1] - firstKey;
            ReadOnlySpan<double> k = key.Slice(firstKey * keyColumns, keys * keyColumns);
            for (int i = 0; i < queries && keys > 0; i++)
            {
                int row = queryOffsets[sentence] + i;
                ReadOnlySpan<double> q = query.Slice(row * keyColumns, keyColumns);
                for (int head = 0; head < spec.Heads; head++)
                {
                    double[] p = AttentionReference.Weights(q, k, score, head, i + (keys - queries), spec);
                    var dP = new double[keys];
                    double mean = 0;
                    for (int j = 0; j < keys; j++)
                    {
                        double factor = DropoutReference.Factor(dropout, ((long)head * queryRows) + row, j);
                        for (int c = head * valueDim; c < (head + 1) * valueDim; c++)
                        {
                            int place = ((firstKey + j) * valueColumns) + c;
                            gradients.Value[place] += factor * p[j] * dy[(row * valueColumns) + c];
                            dP[j] += factor * dy[(row * valueColumns) + c] * value[place];
                        }

                        mean += p[j] * dP[j];
                    }

                    for (int j = 0; j < keys; j++)
                    {
                        double dS = p[j] * (dP[j] - mean) * spec.Scale;
                        for (int c = head * headDim; c < (head + 1) * headDim; c++)
                            AddScore(gradients, query, key, score, row * keyColumns, (firstKey + j) * keyColumns, c, dS);
                    }
                }
            }
        }

        return gradients;
    }

    // What the gradient of one score, times the scale, gives to one column of its query, its key and v.
    private static void AddScore(
        AttentionGradients gradients, ReadOnlySpan<double> query, ReadOnlySpan<double> key, ReadOnlySpan<double> score,
        int queryStart, int keyStart, int column, double dS)
    {
        (int q, int k) = (queryStart + column, keyStart + column);
        if (score.IsEmpty)
        {
            gradients.Query[q] += dS * key[k];
            gradients.Key[k] += dS * query[q];
            return;
        }

        double t = Math.Tanh(query[q] + key[k]), u = dS * score[column] * (1 - (t * t));
        gradients.Query[q] += u;
        gradients.Key[k] += u;
        gradients.Score[column] += dS * t;
    }
}
