// What a position may attend to, and how the scores are scaled: a value, so that a variant is not another operator.
namespace Engine.Backends;

/// <summary>Which keys a query sees, by the distance of their positions: key − query in −Left .. Right.</summary>
/// <param name="Left">The most positions to the left, at least 0; <see cref="Unlimited"/>: all.</param>
/// <param name="Right">The most positions to the right, at least 0; <see cref="Unlimited"/>: all.</param>
public readonly record struct AttentionMask(int Left, int Right)
{
    /// <summary>No bound on this side.</summary>
    public const int Unlimited = int.MaxValue;

    /// <summary>Every key is seen (encoder and cross-attention).</summary>
    public static AttentionMask None => new(Unlimited, Unlimited);

    /// <summary>Keys up to the query's own position (masked self-attention of the decoder).</summary>
    public static AttentionMask Causal => new(Unlimited, 0);

    /// <summary>Restricted attention: neighbours up to a distance (Vaswani et al. 2017, 4).</summary>
    public static AttentionMask Window(int left, int right) => new(left, right);

    /// <summary>This mask and the causal one together.</summary>
    public AttentionMask AndCausal() => this with { Right = 0 };

    /// <summary>Whether every key is seen.</summary>
    public bool IsNone => Left == Unlimited && Right == Unlimited;
}

/// <summary>How attention is computed.</summary>
/// <param name="Heads">Heads; the width of queries and keys, and that of values, are multiples of it.</param>
/// <param name="Scale">Factor on q · k: 1/√headDim, or 1 for unscaled attention.</param>
/// <param name="Mask">
/// Which keys are seen. When a sentence has more keys than queries, its last query stands at its last key's position.
/// </param>
public readonly record struct AttentionSpec(int Heads, float Scale, AttentionMask Mask);
