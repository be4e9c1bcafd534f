// What a model did with one sentence: the translation that it found, and what every head of every layer looked at meanwhile.
using Engine.Decoding;

namespace Engine.Explaining;

/// <summary>A translation with the attention that made it.</summary>
public sealed class Explanation
{
    /// <summary>The source's tokens as the encoder saw them, those that the model adds included.</summary>
    public required IReadOnlyList<string> SourceTokens { get; init; }

    /// <summary>What the decoder was given: the start token, and the translation.</summary>
    public required IReadOnlyList<string> InputTokens { get; init; }

    /// <summary>What is wanted at each of these places: the translation, and the end token.</summary>
    public required IReadOnlyList<string> TargetTokens { get; init; }

    /// <summary>
    /// Log-probability of each target token, given those before it: the model's own, whatever rules the search had.
    /// </summary>
    public required IReadOnlyList<float> TokenScores { get; init; }

    /// <summary>For each target token the most probable tokens of its place, best first.</summary>
    public required IReadOnlyList<IReadOnlyList<Candidate>> Candidates { get; init; }

    /// <summary>The translations that the search returned, best first; the first is the one that is explained.</summary>
    public required IReadOnlyList<Hypothesis> Hypotheses { get; init; }

    /// <summary>The encoder's self-attention: source by source.</summary>
    public required AttentionMap Encoder { get; init; }

    /// <summary>The decoder's masked self-attention: inputs by inputs.</summary>
    public required AttentionMap Decoder { get; init; }

    /// <summary>Cross attention: inputs by source. The row of an input is about the target token that follows it.</summary>
    public required AttentionMap Cross { get; init; }

    /// <summary>How much of each source token is in each position of the encoder, after each of its layers.</summary>
    public required AttentionMap EncoderRollout { get; init; }

    /// <summary>How much of each input token is in each position of the decoder, after each of its layers.</summary>
    public required AttentionMap TargetRollout { get; init; }

    /// <summary>How much of each source token is in each position of the decoder; with the target's, rows sum to 1.</summary>
    public required AttentionMap SourceRollout { get; init; }

    /// <summary>The alignment, one layer with one head: what the option to return attention gives, for the added tokens too.</summary>
    public required AttentionMap Alignment { get; init; }
}
