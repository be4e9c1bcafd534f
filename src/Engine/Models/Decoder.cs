// The decoder: N layers of masked self-attention, attention to the memory and feed-forward (Vaswani et al. 2017, 3.1, right
// half of figure 1), for whole targets at once or a position at a time.
using Engine.Backends;
using Engine.Layers;
using Engine.Tensors;

namespace Engine.Models;

/// <summary>One layer of the decoder.</summary>
/// <param name="Mixing">Masked self-attention, or what stands in its place.</param>
/// <param name="MixingNorm">Its norm.</param>
/// <param name="CrossAttention">Attention to the memory.</param>
/// <param name="CrossAttentionNorm">Its norm.</param>
/// <param name="FeedForward">Feed-forward block, or null: there is none.</param>
/// <param name="FeedForwardNorm">Its norm.</param>
public sealed record DecoderLayer(
    MixingLayer Mixing, NormWeights MixingNorm, AttentionLayer CrossAttention,
    NormWeights CrossAttentionNorm, FeedForward? FeedForward, NormWeights FeedForwardNorm);

/// <summary>What one decoding step is given: a row for each live hypothesis.</summary>
public readonly ref struct DecoderStep
{
    /// <summary>[1, rows], i32: the newest token of each hypothesis; −1: an embedding of zeros.</summary>
    public required Tensor Ids { get; init; }

    /// <summary>[1, rows], i32: its place in the target, from 0.</summary>
    public required Tensor PositionIds { get; init; }

    /// <summary>[1, rows], i32: where its keys and values go.</summary>
    public required Tensor Slots { get; init; }

    /// <summary>[n, 2], i32: blocks to copy before that, or none.</summary>
    public required Tensor BlockCopies { get; init; }

    /// <summary>What each row sees of the target, the new position included.</summary>
    public required CacheView Target { get; init; }

    /// <summary>What each row sees of its source.</summary>
    public required CacheView Source { get; init; }

    /// <summary>Some outputs of <see cref="Decoder.Output"/>, for shortlists; null: all of them.</summary>
    public LinearWeights? Output { get; init; }

    /// <summary>Whether the attention of the alignment layer is wanted.</summary>
    public required bool WantsAlignment { get; init; }
}

/// <summary>From the memory and the target so far to logits of the next token.</summary>
/// <param name="embedding">Target embedding.</param>
/// <param name="layers">Layers.</param>
/// <param name="finalNorm">The norm after the last layer, or null.</param>
/// <param name="preNorm">Whether norms stand before the sub-layers.</param>
/// <param name="memory">Keys and values of all layers' cross-attention in one product: [layers · 2 · width, modelDim].</param>
/// <param name="output">The output layer, [vocabulary, modelDim].</param>
/// <param name="alignmentLayer">Layer whose cross-attention is the alignment, from 0.</param>
/// <param name="alignmentHeads">Heads of it that are averaged, at least 1.</param>
public sealed class Decoder(
    TokenEmbedding embedding, IReadOnlyList<DecoderLayer> layers, NormWeights? finalNorm, bool preNorm,
    LinearWeights memory, LinearWeights output, int alignmentLayer, int alignmentHeads)
{
    /// <summary>The longest target that the positions allow.</summary>
    public int Limit => embedding.Limit;

    /// <summary>The output layer, [vocabulary, modelDim].</summary>
    public LinearWeights Output => output;

    /// <summary>Number of layers.</summary>
    public int LayerCount => layers.Count;

    /// <summary>The layer whose cross-attention is the alignment.</summary>
    internal int AlignmentLayer => alignmentLayer;

    /// <summary>How many heads of it, from the first, are averaged.</summary>
    internal int AlignmentHeads => alignmentHeads;

    /// <summary>Layers, the first first.</summary>
    internal IReadOnlyList<DecoderLayer> Layers => layers;

    /// <summary>What the cache of a layer's mixing holds for each position of the target.</summary>
    internal CacheColumns TargetCache(int layer) => layers[layer].Mixing.Cache;

    /// <summary>What the cache of a layer's cross-attention holds for each position of the source.</summary>
    internal CacheColumns SourceCache(int layer) => layers[layer].CrossAttention.Cache;

    /// <summary>Target embedding.</summary>
    internal TokenEmbedding Embedding => embedding;

    /// <summary>The same stack after another embedding.</summary>
    internal Decoder With(TokenEmbedding other) =>
        new(other, layers, finalNorm, preNorm, memory, output, alignmentLayer, alignmentHeads);

    /// <summary>Runs the stack on whole targets, each position seeing those before it: for scoring and training.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="ids">[1, rows], i32: the start token and the target; −1: an embedding of zeros.</param>
    /// <param name="positionIds">[1, rows], i32.</param>
    /// <param name="targets">Where the targets begin.</param>
    /// <param name="encoded">The encoder's output, [sourceRows, modelDim].</param>
    /// <param name="sources">Where the sources begin.</param>
    /// <returns>Logits of each position's next token, [rows, vocabulary].</returns>
    public Tensor Forward(
        IBackend backend, in Tensor ids, in Tensor positionIds, in Ragged targets, in Tensor encoded, in Ragged sources)
    {
        Tensor keysValues = backend.Linear(encoded, memory);
        Tensor x = embedding.Forward(backend, ids, positionIds, targets.Longest);
        var stream = new ResidualStream(backend, preNorm, x);
        for (int i = 0; i < layers.Count; i++)
        {
            DecoderLayer layer = layers[i];
            Tensor h = stream.Enter(layer.MixingNorm);
            stream.Leave(layer.Mixing.Self(backend, h, targets), layer.MixingNorm);
            h = stream.Enter(layer.CrossAttentionNorm);
            Tensor context = layer.CrossAttention.Cross(backend, h, OfLayer(keysValues, i), targets, sources);
            stream.Leave(context, layer.CrossAttentionNorm);
            if (layer.FeedForward is null) continue;
            h = stream.Enter(layer.FeedForwardNorm);
            stream.Leave(layer.FeedForward.Forward(backend, h), layer.FeedForwardNorm);
        }

        return backend.Linear(stream.Finish(finalNorm), output);
    }

    /// <summary>Computes keys and values of sentences once, for all steps and hypotheses.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="encoded">The encoder's output, [sourceRows, modelDim].</param>
    /// <param name="caches">Cross-attention cache of each layer.</param>
    /// <param name="slots">[1, sourceRows], i32: where each row goes.</param>
    public void Remember(IBackend backend, in Tensor encoded, ReadOnlySpan<KeyValueCache> caches, in Tensor slots)
    {
        Tensor keysValues = backend.Linear(encoded, memory);
        for (int i = 0; i < layers.Count; i++)
            layers[i].CrossAttention.Remember(backend, OfLayer(keysValues, i), caches[i], slots);
    }

    /// <summary>Runs one step.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="step">The newest tokens.</param>
    /// <param name="targetCaches">Self-attention cache of each layer.</param>
    /// <param name="sourceCaches">Cross-attention cache of each layer.</param>
    /// <param name="alignment">[rows, longest source], if wanted; else none.</param>
    /// <returns>Logits, [rows, vocabulary], or of the outputs that the step names.</returns>
    public Tensor Step(
        IBackend backend, in DecoderStep step, ReadOnlySpan<KeyValueCache> targetCaches,
        ReadOnlySpan<KeyValueCache> sourceCaches, out Tensor alignment)
    {
        alignment = Tensor.None;
        if (!step.BlockCopies.IsNone) backend.CopyBlocks(targetCaches, step.BlockCopies);
        Tensor x = embedding.Forward(backend, step.Ids, step.PositionIds, step.Target.Longest);
        var stream = new ResidualStream(backend, preNorm, x);
        for (int i = 0; i < layers.Count; i++)
        {
            DecoderLayer layer = layers[i];
            Tensor h = stream.Enter(layer.MixingNorm);
            Tensor mixed = layer.Mixing.SelfStep(backend, h, targetCaches[i], step.Slots, step.Target);
            stream.Leave(mixed, layer.MixingNorm);
            h = stream.Enter(layer.CrossAttentionNorm);
            int heads = step.WantsAlignment && i == alignmentLayer ? alignmentHeads : 0;
            Tensor context = layer.CrossAttention.CrossStep(backend, h, sourceCaches[i], step.Source, heads, out Tensor weights);
            if (heads > 0) alignment = weights;
            stream.Leave(context, layer.CrossAttentionNorm);
            if (layer.FeedForward is null) continue;
            h = stream.Enter(layer.FeedForwardNorm);
            stream.Leave(layer.FeedForward.Forward(backend, h), layer.FeedForwardNorm);
        }

        return backend.Linear(stream.Finish(finalNorm), step.Output ?? output);
    }

    private Tensor OfLayer(in Tensor keysValues, int layer)
    {
        int width = keysValues.Columns / layers.Count;
        return keysValues.ColumnRange(layer * width, width);
    }
}
