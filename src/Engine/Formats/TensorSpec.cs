// Which tensors a model has, by its configuration: one list for the readers, the writer and the checks.
using Engine.Backends;
using Engine.Models;

namespace Engine.Formats;

/// <summary>What a tensor of a model is, apart from its numbers.</summary>
internal enum TensorRole
{
    /// <summary>A matrix of a linear layer or an embedding: any weight type, quantised or not.</summary>
    Weight,

    /// <summary>
    /// A filter for each column: float; or a table of positions, with as many rows as the model's sequences may be long.
    /// </summary>
    Table,

    /// <summary>A bias, a gain or a score vector: float.</summary>
    Vector,
}

/// <summary>A tensor that a model has by its configuration.</summary>
/// <param name="Name">The name, as <see cref="ModelData"/> lists them.</param>
/// <param name="Role">What it is.</param>
/// <param name="Rows">Rows; 0: any number from 1.</param>
/// <param name="Columns">Columns.</param>
/// <param name="IsOptional">Whether it may be absent.</param>
internal readonly record struct TensorSpec(string Name, TensorRole Role, int Rows, int Columns, bool IsOptional)
{
    /// <summary>All tensors of a model, encoder first, in the order in which the graph uses them.</summary>
    /// <remarks>Lazy: absurdly many layers cost nothing until the first tensor is found missing.</remarks>
    public static IEnumerable<TensorSpec> Of(TransformerConfig config)
    {
        int width = config.ModelDim;
        foreach (TensorSpec spec in Stack("encoder", config.Encoder, width, config.SourceVocabulary, false))
            yield return spec;
        foreach (TensorSpec spec in Stack("decoder", config.Decoder, width, config.TargetVocabulary, true))
            yield return spec;
        foreach (TensorSpec spec in Linear("output", config.TargetVocabulary, width)) yield return spec;
    }

    private static IEnumerable<TensorSpec> Stack(
        string side, StackConfig stack, int width, int vocabulary, bool crossAttention)
    {
        yield return new($"{side}.embedding.weight", TensorRole.Weight, vocabulary, width, false);
        if (stack.Positions.Kind == PositionKind.Learned)
            yield return new($"{side}.positions.weight", TensorRole.Table, 0, width, false);
        if (stack.EmbeddingNorm)
            foreach (TensorSpec spec in Norm($"{side}.embedding_norm", stack, width)) yield return spec;
        for (int i = 0; i < stack.Layers; i++)
            foreach (TensorSpec spec in Layer($"{side}.layers.{i}", stack, width, crossAttention)) yield return spec;
        if (stack.FinalNorm)
            foreach (TensorSpec spec in Norm($"{side}.final_norm", stack, width)) yield return spec;
    }

    private static IEnumerable<TensorSpec> Layer(string name, StackConfig stack, int width, bool crossAttention) =>
    [
        .. stack.Mixing.Kind == MixingKind.Attention ? Attention($"{name}.self_attention", stack, width) : Mixing(name, stack, width),
        .. crossAttention ? Attention($"{name}.cross_attention", stack, width) : [],
        .. stack.HiddenDim > 0 ? FeedForward(name, stack, width) : [],
    ];

    private static IEnumerable<TensorSpec> FeedForward(string name, StackConfig stack, int width) =>
    [
        .. Linear($"{name}.feed_forward.up", stack.HiddenDim, width),
        .. stack.Gated ? Linear($"{name}.feed_forward.gate", stack.HiddenDim, width) : [],
        .. Linear($"{name}.feed_forward.down", width, stack.HiddenDim),
        .. Norm($"{name}.feed_forward_norm", stack, width),
    ];

    private static IEnumerable<TensorSpec> Mixing(string name, StackConfig stack, int width)
    {
        MixingConfig mixing = stack.Mixing;
        IEnumerable<TensorSpec> layer = mixing.Kind switch
        {
            MixingKind.Convolution => Linear($"{name}.mixing.filter", width, mixing.Kernel * width),
            MixingKind.SeparableConvolution =>
            [
                new($"{name}.mixing.depthwise.weight", TensorRole.Table, mixing.Kernel, width, false),
                new($"{name}.mixing.depthwise.bias", TensorRole.Vector, 1, width, true),
                .. Linear($"{name}.mixing.pointwise", width, width),
            ],
            _ =>
            [
                .. Linear($"{name}.mixing.input", mixing.Kind.Cell().Gates() * width, width),
                .. Linear($"{name}.mixing.hidden", mixing.Kind.Cell().Gates() * width, width),
            ],
        };
        return layer.Concat(Norm($"{name}.mixing_norm", stack, width));
    }

    private static IEnumerable<TensorSpec> Attention(string name, StackConfig stack, int width)
    {
        int inner = stack.Attention.Heads * stack.Attention.HeadDim;
        foreach (string part in (string[])["query", "key", "value"])
            foreach (TensorSpec spec in Linear($"{name}.{part}", inner, width)) yield return spec;
        foreach (TensorSpec spec in Linear($"{name}.output", width, inner)) yield return spec;
        if (stack.Attention.Kind == AttentionKind.Additive)
            yield return new($"{name}.score.weight", TensorRole.Vector, 1, inner, false);
        foreach (TensorSpec spec in Norm($"{name}_norm", stack, width)) yield return spec;
    }

    private static IEnumerable<TensorSpec> Linear(string name, int outputs, int inputs) =>
    [
        new($"{name}.weight", TensorRole.Weight, outputs, inputs, false),
        new($"{name}.bias", TensorRole.Vector, 1, outputs, true),
    ];

    private static IEnumerable<TensorSpec> Norm(string name, StackConfig stack, int width)
    {
        yield return new($"{name}.weight", TensorRole.Vector, 1, width, false);
        if (!stack.RmsNorm) yield return new($"{name}.bias", TensorRole.Vector, 1, width, true);
    }
}
