// Embeddings times √d_model, plus positions (Vaswani et al. 2017, 3.4 and 3.5), and a norm where the model has one.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>From token ids to the first rows of a stack.</summary>
/// <param name="table">[vocabulary, modelDim].</param>
/// <param name="scale">Factor on the embedding.</param>
/// <param name="positions">Positions.</param>
/// <param name="norm">The norm after the sum, or null.</param>
public sealed class TokenEmbedding(Weight table, float scale, PositionTable positions, NormWeights? norm)
{
    /// <summary>The longest sequence that the positions allow.</summary>
    public int Limit => positions.Limit;

    /// <summary>Positions.</summary>
    internal PositionTable Positions => positions;

    /// <summary>The same embedding with other positions.</summary>
    internal TokenEmbedding With(PositionTable others) => new(table, scale, others, norm);

    /// <summary>Looks up.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="ids">[1, rows], i32; −1: zeros.</param>
    /// <param name="positionIds">[1, rows], i32: place of each token in its sentence, from 0.</param>
    /// <param name="longest">Positions of the longest sentence.</param>
    /// <returns>[rows, modelDim].</returns>
    public Tensor Forward(IBackend backend, in Tensor ids, in Tensor positionIds, int longest)
    {
        Tensor rows = positions.Rows(longest);
        Tensor x = backend.Embed(ids, table, scale, rows, rows.IsNone ? Tensor.None : positionIds);
        return norm is { } weights ? backend.Norm(x, weights) : x;
    }
}
