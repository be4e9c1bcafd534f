// The encoder: N layers of self-attention, or what stands in its place, and feed-forward (Vaswani et al. 2017, 3.1, left half of figure 1).
using Engine.Backends;
using Engine.Layers;
using Engine.Tensors;

namespace Engine.Models;

/// <summary>One layer of the encoder.</summary>
/// <param name="Mixing">Self-attention, or what stands in its place.</param>
/// <param name="MixingNorm">Its norm.</param>
/// <param name="FeedForward">Feed-forward block, or null: there is none.</param>
/// <param name="FeedForwardNorm">Its norm.</param>
public sealed record EncoderLayer(
    MixingLayer Mixing, NormWeights MixingNorm, FeedForward? FeedForward, NormWeights FeedForwardNorm);

/// <summary>From source tokens to the memory that the decoder attends to.</summary>
/// <param name="embedding">Source embedding.</param>
/// <param name="layers">Layers.</param>
/// <param name="finalNorm">The norm after the last layer, or null.</param>
/// <param name="preNorm">Whether norms stand before the sub-layers.</param>
public sealed class Encoder(
    TokenEmbedding embedding, IReadOnlyList<EncoderLayer> layers, NormWeights? finalNorm, bool preNorm)
{
    /// <summary>The longest source that the positions allow.</summary>
    public int Limit => embedding.Limit;

    /// <summary>Layers, the first first.</summary>
    internal IReadOnlyList<EncoderLayer> Layers => layers;

    /// <summary>Source embedding.</summary>
    internal TokenEmbedding Embedding => embedding;

    /// <summary>The same stack after another embedding.</summary>
    internal Encoder With(TokenEmbedding other) => new(other, layers, finalNorm, preNorm);

    /// <summary>Runs the stack on a batch of sentences.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="ids">[1, rows], i32.</param>
    /// <param name="positionIds">[1, rows], i32.</param>
    /// <param name="batch">Where the sentences begin.</param>
    /// <returns>The memory, [rows, modelDim].</returns>
    public Tensor Forward(IBackend backend, in Tensor ids, in Tensor positionIds, in Ragged batch)
    {
        Tensor x = embedding.Forward(backend, ids, positionIds, batch.Longest);
        var stream = new ResidualStream(backend, preNorm, x);
        for (int i = 0; i < layers.Count; i++)
        {
            EncoderLayer layer = layers[i];
            Tensor h = stream.Enter(layer.MixingNorm);
            stream.Leave(layer.Mixing.Self(backend, h, batch), layer.MixingNorm);
            if (layer.FeedForward is null) continue;
            h = stream.Enter(layer.FeedForwardNorm);
            stream.Leave(layer.FeedForward.Forward(backend, h), layer.FeedForwardNorm);
        }

        return stream.Finish(finalNorm);
    }
}
