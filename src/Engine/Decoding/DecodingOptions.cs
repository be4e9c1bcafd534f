// How a translation is searched for: names and meaning as in CTranslate2, which its users know.
namespace Engine.Decoding;

/// <summary>Options of one translation; they may differ from sentence to sentence of a batch.</summary>
public sealed record DecodingOptions
{
    /// <summary>Hypotheses kept at each step; 1: greedy search.</summary>
    public int BeamSize { get; init; } = 2;

    /// <summary>The search of a sentence ends when BeamSize · Patience hypotheses are finished (Kasai et al. 2022).</summary>
    public float Patience { get; init; } = 1;

    /// <summary>A hypothesis' score is the sum of its log-probabilities / length^LengthPenalty; 0: the plain sum.</summary>
    public float LengthPenalty { get; init; } = 1;

    /// <summary>Weight of the coverage penalty (Wu et al. 2016, 7); 0: none.</summary>
    public float CoveragePenalty { get; init; }

    /// <summary>Logits of tokens that were already generated are made smaller by this factor (Keskar et al. 2019); 1: not.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>No n-gram of this size is generated twice; 0: no such rule.</summary>
    public int NoRepeatNgramSize { get; init; }

    /// <summary>Whether the unknown token may not be generated.</summary>
    public bool DisableUnknown { get; init; }

    /// <summary>Sequences of tokens that may not be generated; every token must be in the target vocabulary.</summary>
    public IReadOnlyList<IReadOnlyList<string>>? SuppressSequences { get; init; }

    /// <summary>Instead of forcing the target prefix, how strongly to favour it: greater than 0, less than 1; 0: forced.</summary>
    public float PrefixBiasBeta { get; init; }

    /// <summary>Tokens that end a hypothesis; null or one empty string: the model's end token.</summary>
    public IReadOnlyList<string>? EndTokens { get; init; }

    /// <summary>Whether the end token is part of the result.</summary>
    public bool ReturnEndToken { get; init; }

    /// <summary>Longer sources are cut to this many tokens, those that the model adds included; 0: not cut.</summary>
    public int MaxInputLength { get; init; } = 1024;

    /// <summary>The most tokens of a hypothesis, the target prefix included.</summary>
    public int MaxDecodingLength { get; init; } = 256;

    /// <summary>The fewest tokens of a hypothesis.</summary>
    public int MinDecodingLength { get; init; } = 1;

    /// <summary>
    /// Sampling: tokens to draw from, best first; 1: no sampling, 0: the whole vocabulary, which the backend draws from, unless
    /// <see cref="SamplingTopP"/> is below 1: then the host sorts it at each step, which is slow.
    /// </summary>
    public int SamplingTopK { get; init; } = 1;

    /// <summary>Sampling: the smallest set of tokens whose probability reaches this (Holtzman et al. 2020).</summary>
    public float SamplingTopP { get; init; } = 1;

    /// <summary>Sampling: log-probabilities are divided by this; 0: no sampling.</summary>
    public float SamplingTemperature { get; init; } = 1;

    /// <summary>Sampling: the same seed gives the same translation, whatever the batch.</summary>
    public long Seed { get; init; }

    /// <summary>Hypotheses returned.</summary>
    public int NumHypotheses { get; init; } = 1;

    /// <summary>Whether the attention of each target token to the source is returned.</summary>
    public bool ReturnAttention { get; init; }

    /// <summary>Whether the log-probability of each token is returned.</summary>
    public bool ReturnTokenScores { get; init; }

    /// <summary>Whether the hypotheses are the best continuations of each of the best tokens after the target prefix.</summary>
    public bool ReturnAlternatives { get; init; }

    /// <summary>Alternatives whose first token is less probable than this are left out.</summary>
    public float MinAlternativeExpansionProbability { get; init; }

    /// <summary>
    /// Whether a sentence may choose only from the tokens that the model's vocabulary map gives for it; without a map it may
    /// choose from all. Unlike in CTranslate2 the tokens of other sentences of a batch are not among them.
    /// </summary>
    public bool UseVmap { get; init; }

    /// <summary>Whether each unknown token is replaced by the source token that it attends to most.</summary>
    public bool ReplaceUnknowns { get; init; }
}
