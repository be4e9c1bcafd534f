// Small models that between them have every part of the graph.
using Engine.Backends;
using Engine.Models;
using Engine.Reference;

namespace Engine.Tests.Decoding;

/// <summary>Shapes by name.</summary>
internal static class ModelShapes
{
    /// <summary>Those whose positions learn of each other by attention only.</summary>
    public static readonly string[] Attending =
        ["paper", "prenorm", "gated-rms", "additive", "window", "learned", "odd", "marian", "unscaled", "groups"];

    public static readonly string[] Names =
        [.. Attending, "recurrent", "lstm", "gru", "convolution", "dilated", "separable", "without feed-forward"];

    public static TransformerConfig Config(string name) => name switch
    {
        "paper" => RandomModel.Config(32, 4, 64, 2, 50),
        "prenorm" => RandomModel.Config(32, 2, 48, 2, 67, static s => s with
        {
            PreNorm = true, FinalNorm = true, EmbeddingNorm = true, Activation = Activation.GeluTanh,
            Positions = new PositionConfig { Interleaved = false, Start = 1, ReachesLongest = true },
        }),
        "gated-rms" => RandomModel.Config(48, 3, 80, 1, 50, static s => s with
        {
            PreNorm = true, FinalNorm = true, RmsNorm = true, Gated = true, Activation = Activation.Silu, EmbeddingScale = 1,
        }),
        "additive" => RandomModel.Config(32, 2, 64, 2, 50, static s => s with
        {
            Attention = s.Attention with { Kind = AttentionKind.Additive }, Activation = Activation.Gelu,
        }),
        "window" => RandomModel.Config(32, 4, 64, 2, 50, static s => s with
        {
            Attention = s.Attention with { WindowLeft = 3, WindowRight = 2 },
        }),
        "learned" => RandomModel.Config(32, 4, 64, 1, 50, static s => s with
        {
            Positions = new PositionConfig { Kind = PositionKind.Learned },
        }),
        "odd" => RandomModel.Config(21, 3, 37, 2, 101, static s => s with
        {
            Attention = new AttentionConfig { Heads = 3, HeadDim = 5 }, Activation = Activation.Tanh,
        }),
        "marian" => RandomModel.Config(32, 4, 64, 2, 50, static s => s with
        {
            Activation = Activation.Silu, Positions = new PositionConfig { Interleaved = false },
        }) with { StartsFromZeroEmbedding = true },
        "unscaled" => RandomModel.Config(32, 4, 64, 1, 50, static s => s with
        {
            Attention = s.Attention with { Scale = 1 }, Positions = new PositionConfig { Kind = PositionKind.None },
        }),
        "groups" => Groups(RandomModel.Config(32, 4, 64, 2, 50), 5),
        "recurrent" => Mixing(MixingKind.Recurrent),
        "lstm" => Mixing(MixingKind.Lstm),
        "gru" => Mixing(MixingKind.Gru),
        "convolution" => Mixing(MixingKind.Convolution, 4),
        "dilated" => Mixing(MixingKind.Convolution, 3, 3),
        "separable" => Mixing(MixingKind.SeparableConvolution, 5),
        "without feed-forward" => RandomModel.Config(32, 4, 0, 2, 50, static s => s with { PreNorm = true, FinalNorm = true }),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "Unknown shape."),
    };

    private static TransformerConfig Mixing(MixingKind kind, int kernel = 3, int dilation = 1) =>
        RandomModel.Config(24, 2, 48, 2, 50, stack => stack with
        {
            Mixing = new MixingConfig { Kind = kind, Kernel = kernel, Dilation = dilation },
        });

    private static TransformerConfig Groups(TransformerConfig config, int size) => config with
    {
        Encoder = config.Encoder with { Attention = config.Encoder.Attention with { Group = size } },
    };
}
