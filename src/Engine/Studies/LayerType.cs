// The layers of the paper's Table 1, and what it says of them.
using Engine.Models;

namespace Engine.Studies;

/// <summary>How large a layer is.</summary>
/// <param name="Width">d.</param>
/// <param name="Kernel">k, of convolutions.</param>
/// <param name="Reach">r, positions that restricted attention sees.</param>
internal readonly record struct LayerSize(int Width, int Kernel, int Reach);

/// <summary>A type of layer.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Complexity">Operations of a layer, as the paper has them.</param>
/// <param name="Sequential">Operations that wait for each other.</param>
/// <param name="Path">Longest path between two positions.</param>
/// <param name="Mixing">What mixes positions.</param>
internal sealed record LayerType(string Name, string Complexity, string Sequential, string Path, MixingKind Mixing)
{
    // The paper's width of a head.
    private const int HeadDim = 64;

    /// <summary>Whether it is attention, whose linear layers the paper leaves out.</summary>
    public bool IsAttention => Mixing == MixingKind.Attention;

    /// <summary>Whether it is a convolution.</summary>
    public bool IsConvolution => Mixing is MixingKind.Convolution or MixingKind.SeparableConvolution;

    /// <summary>Scoring function.</summary>
    public AttentionKind Score { get; init; }

    /// <summary>Whether attention sees a neighbourhood of r positions.</summary>
    public bool IsBand { get; init; }

    /// <summary>Whether attention stays in groups of r positions.</summary>
    public bool IsGrouped { get; init; }

    /// <summary>Whether the dilation grows by k from layer to layer.</summary>
    public bool IsDilated { get; init; }

    /// <summary>The longest path between n positions in causal layers, exactly; NaN: there is none.</summary>
    public Func<int, LayerSize, double> LongestPath { get; init; } = static (_, _) => 1;

    /// <summary>The layers that it takes until the last position has learned of the first.</summary>
    public double LayersOf(int positions, LayerSize size) => Mixing is MixingKind.Recurrent or MixingKind.Lstm or MixingKind.Gru
        ? 1
        : LongestPath(positions, size);

    /// <summary>All types, the paper's first.</summary>
    public static IReadOnlyList<LayerType> All { get; } =
    [
        new("self-attention", "O(n² · d)", "O(1)", "O(1)", MixingKind.Attention),
        new("recurrent", "O(n · d²)", "O(n)", "O(n)", MixingKind.Recurrent) { LongestPath = Steps },
        new("LSTM", "O(n · d²)", "O(n)", "O(n)", MixingKind.Lstm) { LongestPath = Steps },
        new("GRU", "O(n · d²)", "O(n)", "O(n)", MixingKind.Gru) { LongestPath = Steps },
        new("convolution", "O(k · n · d²)", "O(1)", "O(n/k)", MixingKind.Convolution)
        {
            LongestPath = static (n, size) => Math.Ceiling((n - 1.0) / (size.Kernel - 1)),
        },
        new("convolution, dilated", "O(k · n · d²)", "O(1)", "O(log_k n)", MixingKind.Convolution)
        {
            IsDilated = true,
            LongestPath = static (n, size) => Math.Ceiling(Math.Log(n, size.Kernel) - 1e-9),
        },
        new("separable convolution", "O(k · n · d + n · d²)", "O(1)", "O(n/k)", MixingKind.SeparableConvolution)
        {
            LongestPath = static (n, size) => Math.Ceiling((n - 1.0) / (size.Kernel - 1)),
        },
        new("restricted attention, band", "O(r · n · d)", "O(1)", "O(n/r)", MixingKind.Attention)
        {
            IsBand = true,
            LongestPath = static (n, size) => Math.Ceiling((n - 1.0) / (size.Reach - 1)),
        },
        new("restricted attention, groups", "O(r · n · d)", "O(1)", "none", MixingKind.Attention)
        {
            IsGrouped = true,
            LongestPath = static (_, _) => double.NaN,
        },
        new("additive attention", "O(n² · d)", "O(1)", "O(1)", MixingKind.Attention) { Score = AttentionKind.Additive },
    ];

    /// <summary>Attention of a size; causal: to positions before only.</summary>
    public AttentionConfig Attention(LayerSize size, bool isCausal) => new()
    {
        Kind = Score,
        Heads = Math.Max(1, size.Width / HeadDim),
        HeadDim = Math.Min(size.Width, HeadDim),
        WindowLeft = !IsBand ? null : isCausal ? size.Reach - 1 : size.Reach / 2,
        WindowRight = IsBand && !isCausal ? (size.Reach - 1) / 2 : null,
        Group = IsGrouped ? size.Reach : null,
    };

    /// <summary>A stack of such layers and nothing else.</summary>
    public StackConfig Stack(LayerSize size, int layers, bool isCausal) => new()
    {
        Layers = layers,
        HiddenDim = 0,
        Attention = Attention(size, isCausal),
        Mixing = new MixingConfig { Kind = Mixing, Kernel = size.Kernel, Dilation = IsDilated ? size.Kernel : 1 },
        Positions = new PositionConfig { Kind = PositionKind.None },
    };

    private static double Steps(int positions, LayerSize size) => positions - 1;
}
