// What a translator is asked, and what it answers.
namespace Engine.Decoding;

/// <summary>A sentence to translate.</summary>
/// <param name="Source">Tokens of the source.</param>
public sealed record TranslationRequest(IReadOnlyList<string> Source)
{
    /// <summary>Tokens that the translation begins with.</summary>
    public IReadOnlyList<string>? TargetPrefix { get; init; }

    /// <summary>Options; null: those of the translator.</summary>
    public DecodingOptions? Options { get; init; }
}

/// <summary>One translation.</summary>
/// <param name="Tokens">Tokens of the target.</param>
/// <param name="Score">Sum of log-probabilities, normalised as the options say.</param>
public sealed record Hypothesis(IReadOnlyList<string> Tokens, float Score)
{
    /// <summary>If asked for: log-probability of each token; 0 for tokens of a forced prefix.</summary>
    public IReadOnlyList<float>? TokenScores { get; init; }

    /// <summary>If asked for: for each token of the target its attention to each token of the source.</summary>
    public IReadOnlyList<IReadOnlyList<float>>? Attention { get; init; }
}

/// <summary>The translations of one sentence, best first; alternatives in the order of their first tokens.</summary>
/// <param name="Hypotheses">At least one, but for alternatives that are all too improbable.</param>
public sealed record TranslationResult(IReadOnlyList<Hypothesis> Hypotheses);

/// <summary>A translation to score.</summary>
/// <param name="Source">Tokens of the source.</param>
/// <param name="Target">Tokens of the target, without start and end.</param>
public sealed record ScoreRequest(IReadOnlyList<string> Source, IReadOnlyList<string> Target)
{
    /// <summary>Longer sources and targets are cut to this many tokens; 0: not cut.</summary>
    public int MaxInputLength { get; init; } = 1024;
}

/// <summary>Log-probabilities of a given translation.</summary>
/// <param name="Tokens">The target's tokens and the end token.</param>
/// <param name="TokenScores">Log-probability of each.</param>
public sealed record ScoreResult(IReadOnlyList<string> Tokens, IReadOnlyList<float> TokenScores)
{
    /// <summary>Sum of the log-probabilities.</summary>
    public float Sum => TokenScores.Sum();

    /// <summary>Mean log-probability of a token.</summary>
    public float Mean => TokenScores.Count == 0 ? 0 : Sum / TokenScores.Count;
}
