// The shape of a Transformer: everything about the graph that is not a weight.
using Engine.Backends;

namespace Engine.Models;

/// <summary>How positions enter the embedding.</summary>
public enum PositionKind
{
    /// <summary>No positions.</summary>
    None,

    /// <summary>Sines and cosines, computed for any position (Vaswani et al. 2017, 3.5).</summary>
    Sinusoidal,

    /// <summary>A table in the model, with a hard limit (Gehring et al. 2017).</summary>
    Learned,
}

/// <summary>Positions of a stack.</summary>
public sealed record PositionConfig
{
    /// <summary>Kind.</summary>
    public PositionKind Kind { get; init; } = PositionKind.Sinusoidal;

    /// <summary>
    /// Sinusoidal: whether column 2i is the sine and 2i + 1 the cosine, as in the paper; else the first half of the columns are
    /// the sines and the second half the cosines.
    /// </summary>
    public bool Interleaved { get; init; } = true;

    /// <summary>Sinusoidal: position of the first token.</summary>
    public int Start { get; init; }

    /// <summary>
    /// Sinusoidal: whether the wavelengths reach 10000 · 2π exactly, frequencies 10000^(−i / (modelDim/2 − 1)), as in
    /// tensor2tensor and OpenNMT, whose float32 arithmetic is part of the definition; else 10000^(−2i / modelDim) as in the
    /// paper, in double precision.
    /// </summary>
    public bool ReachesLongest { get; init; }
}

/// <summary>The function that scores a query against a key.</summary>
public enum AttentionKind
{
    /// <summary>q · k · scale (Vaswani et al. 2017, 3.2.1).</summary>
    DotProduct,

    /// <summary>vᵀ tanh(q + k) (Bahdanau et al. 2015).</summary>
    Additive,
}

/// <summary>Attention of a stack.</summary>
public sealed record AttentionConfig
{
    /// <summary>Scoring function.</summary>
    public AttentionKind Kind { get; init; }

    /// <summary>Heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Width of a head's queries, keys and values.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Factor on the score; null: 1/√HeadDim for dot products, 1 for additive attention.</summary>
    public float? Scale { get; init; }

    /// <summary>Restricted self-attention: positions seen to the left; null: all.</summary>
    public int? WindowLeft { get; init; }

    /// <summary>Restricted self-attention: positions seen to the right; null: all. The decoder sees none in any case.</summary>
    public int? WindowRight { get; init; }

    /// <summary>
    /// Restricted self-attention of the encoder: a sentence is cut in groups of so many positions, which see each other only; null: it
    /// is not cut.
    /// </summary>
    public int? Group { get; init; }
}

/// <summary>The sub-layer through which a position learns of the others.</summary>
public enum MixingKind
{
    /// <summary>Self-attention, as <see cref="StackConfig.Attention"/> says.</summary>
    Attention,

    /// <summary>A recurrent layer with tanh cells (Elman 1990).</summary>
    Recurrent,

    /// <summary>Long short-term memory (Hochreiter and Schmidhuber 1997).</summary>
    Lstm,

    /// <summary>Gated recurrent units (Cho et al. 2014).</summary>
    Gru,

    /// <summary>A convolution (LeCun et al. 1989).</summary>
    Convolution,

    /// <summary>A filter for each column, then a linear layer (Chollet 2017).</summary>
    SeparableConvolution,
}

/// <summary>What mixes positions in a stack.</summary>
public sealed record MixingConfig
{
    private const int MostDilation = 1 << 24;

    /// <summary>Kind.</summary>
    public MixingKind Kind { get; init; }

    /// <summary>Convolutions: k, the width of the filter. The encoder's looks to both sides, the decoder's back.</summary>
    public int Kernel { get; init; } = 3;

    /// <summary>
    /// Convolutions: by what the dilation grows from layer to layer, so that layer i, from 0, has Dilation to the i-th power; 1: all are
    /// contiguous.
    /// </summary>
    public int Dilation { get; init; } = 1;

    /// <summary>The dilation of a layer. Beyond the longest of sentences it grows no more.</summary>
    internal int DilationOf(int layer) => (int)Math.Min(Math.Pow(Dilation, layer), MostDilation);
}

/// <summary>Which cell a kind of mixing has.</summary>
internal static class MixingKinds
{
    /// <summary>The cell of a recurrent kind.</summary>
    public static CellKind Cell(this MixingKind kind) => kind switch
    {
        MixingKind.Recurrent => CellKind.Tanh,
        MixingKind.Lstm => CellKind.Lstm,
        MixingKind.Gru => CellKind.Gru,
        _ => throw new ArgumentException($"The kind is {kind}, expected a recurrent one.", nameof(kind)),
    };
}

/// <summary>One stack of layers: the encoder or the decoder.</summary>
public sealed record StackConfig
{
    /// <summary>Number of layers.</summary>
    public required int Layers { get; init; }

    /// <summary>d_ff: width between the two linear layers of a feed-forward block; 0: there is no such block.</summary>
    public required int HiddenDim { get; init; }

    /// <summary>Self-attention, and in the decoder cross-attention.</summary>
    public required AttentionConfig Attention { get; init; }

    /// <summary>What mixes positions; where it is not attention, <see cref="Attention"/> is the decoder's cross-attention only.</summary>
    public MixingConfig Mixing { get; init; } = new();

    /// <summary>The function of the feed-forward block.</summary>
    public Activation Activation { get; init; } = Activation.Relu;

    /// <summary>Whether the feed-forward block is gated: activation(x W₁) ⊙ (x V) (Shazeer 2020).</summary>
    public bool Gated { get; init; }

    /// <summary>Whether norms stand before the sub-layers, x + F(norm(x)); else after them, norm(x + F(x)).</summary>
    public bool PreNorm { get; init; }

    /// <summary>Whether a norm follows the last layer.</summary>
    public bool FinalNorm { get; init; }

    /// <summary>Whether a norm follows the embedding.</summary>
    public bool EmbeddingNorm { get; init; }

    /// <summary>Whether norms are of the root-mean-square form.</summary>
    public bool RmsNorm { get; init; }

    /// <summary>Added to the variance in every norm.</summary>
    public float NormEpsilon { get; init; } = 1e-5f;

    /// <summary>Factor on the embeddings; null: √modelDim.</summary>
    public float? EmbeddingScale { get; init; }

    /// <summary>Positions.</summary>
    public PositionConfig Positions { get; init; } = new();
}

/// <summary>Shape of an encoder-decoder Transformer.</summary>
public sealed record TransformerConfig
{
    /// <summary>d_model.</summary>
    public required int ModelDim { get; init; }

    /// <summary>Rows of the source embedding.</summary>
    public required int SourceVocabulary { get; init; }

    /// <summary>Rows of the target embedding, and outputs.</summary>
    public required int TargetVocabulary { get; init; }

    /// <summary>Encoder.</summary>
    public required StackConfig Encoder { get; init; }

    /// <summary>Decoder.</summary>
    public required StackConfig Decoder { get; init; }

    /// <summary>Whether the embedding of the decoder's start token is all zeros (Marian).</summary>
    public bool StartsFromZeroEmbedding { get; init; }

    /// <summary>Layer whose cross-attention is returned as alignment; negative: from the end.</summary>
    public int AlignmentLayer { get; init; } = -1;

    /// <summary>How many heads of it, from the first, are averaged; 0: all.</summary>
    public int AlignmentHeads { get; init; } = 1;
}
