// What can be chosen about BLEU. The standard is what WMT reports and sacrebleu calls BLEU without more words.
namespace Engine.Evaluation;

/// <summary>Options of <see cref="Bleu"/>.</summary>
public sealed record BleuOptions
{
    /// <summary>How sentences are cut into words.</summary>
    public BleuTokenizer Tokenizer { get; init; }

    /// <summary>Whether case does not count.</summary>
    public bool Lowercase { get; init; }

    /// <summary>What becomes of zero counts.</summary>
    public BleuSmoothing Smoothing { get; init; }

    /// <summary>
    /// The number of <see cref="BleuSmoothing.Floor"/> and <see cref="BleuSmoothing.AddK"/>; null: 0.1 and 1.
    /// </summary>
    public double? SmoothValue { get; init; }

    /// <summary>The longest n-grams that count.</summary>
    public int MaxOrder { get; init; } = 4;

    /// <summary>
    /// Whether n-grams longer than any in the hypotheses are left out of the mean. For single sentences, which may be
    /// shorter than <see cref="MaxOrder"/>.
    /// </summary>
    public bool EffectiveOrder { get; init; }
}
