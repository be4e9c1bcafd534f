// Asks a translator the cases, all at once, and tells where an answer is not the one that the file has.
using Engine.Decoding;

namespace Engine.ModelCases;

/// <summary>What was answered to a case: a translation or, where the case is a scoring, scores.</summary>
internal sealed record CaseAnswer(Case Case, TranslationResult? Translation, ScoreResult? Score)
{
    /// <summary>How it differs from the case; null: not at all.</summary>
    public string? Difference(float tolerance) =>
        Score is { } score ? CaseRun.Difference(Case, score, tolerance) : CaseRun.Difference(Case, Translation!, tolerance);

    /// <summary>Whether another answer has the same tokens.</summary>
    public bool HasTokensOf(CaseAnswer other) =>
        Score is { } score ? score.Tokens.SequenceEqual(other.Score!.Tokens)
        : Translation!.Hypotheses.Count == other.Translation!.Hypotheses.Count
            && Translation.Hypotheses.Zip(other.Translation.Hypotheses)
                .All(static pair => pair.First.Tokens.SequenceEqual(pair.Second.Tokens));

    /// <summary>Whether another answer has the same tokens and the same bits of every number.</summary>
    public bool HasBitsOf(CaseAnswer other) =>
        Score is { } score ? score.Tokens.SequenceEqual(other.Score!.Tokens) && Same(score.TokenScores, other.Score.TokenScores)
        : Translation!.Hypotheses.Count == other.Translation!.Hypotheses.Count
            && Translation.Hypotheses.Zip(other.Translation.Hypotheses).All(static pair => Same(pair.First, pair.Second));

    private static bool Same(Hypothesis one, Hypothesis other) =>
        one.Tokens.SequenceEqual(other.Tokens) && Same([one.Score], [other.Score])
        && Same(one.TokenScores ?? [], other.TokenScores ?? [])
        && (one.Attention is null) == (other.Attention is null)
        && (one.Attention is null
            || (one.Attention.Count == other.Attention!.Count
                && one.Attention.Zip(other.Attention).All(static pair => Same(pair.First, pair.Second))));

    private static bool Same(IReadOnlyList<float> one, IReadOnlyList<float> other) =>
        one.Select(BitConverter.SingleToInt32Bits).SequenceEqual(other.Select(BitConverter.SingleToInt32Bits));
}

/// <summary>Asks, and compares.</summary>
internal static class CaseRun
{
    /// <summary>Asks all cases at once; the answers are in their order.</summary>
    public static IReadOnlyList<CaseAnswer> Ask(
        Translator translator, IEnumerable<Case> cases, CancellationToken cancellation = default)
    {
        Task<CaseAnswer>[] answers = [.. cases.Select(one => AskAsync(translator, one, cancellation))];
        return Task.WhenAll(answers).GetAwaiter().GetResult();
    }

    /// <summary>The largest difference of a token's score, of given targets: there the same tokens are compared.</summary>
    public static double LargestError(IReadOnlyList<CaseAnswer> expected, IReadOnlyList<CaseAnswer> found) =>
        expected.Zip(found).Where(static pair => pair.First.Case.IsScore).Max(static pair =>
            pair.First.Score!.TokenScores.Zip(pair.Second.Score!.TokenScores).Max(static scores => Math.Abs((double)scores.First - scores.Second)));

    /// <summary>How many answers have other tokens.</summary>
    public static int Different(IReadOnlyList<CaseAnswer> one, IReadOnlyList<CaseAnswer> other) =>
        one.Zip(other).Count(static pair => !pair.First.HasTokensOf(pair.Second));

    /// <summary>How scores differ from what is expected; null: not at all.</summary>
    public static string? Difference(Case c, ScoreResult result, float tolerance)
    {
        if (!result.Tokens.SequenceEqual(CaseFile.Strings(c.Json.GetProperty("tokens")))) return $"{c.Id}: tokens";
        float error = Largest(CaseFile.Floats(c.Json.GetProperty("tokens_score")), result.TokenScores);
        return error <= tolerance ? null : $"{c.Id}: scores differ by {error}";
    }

    /// <summary>How hypotheses, their scores or their attention differ from what is expected; null: not at all.</summary>
    public static string? Difference(Case c, TranslationResult result, float tolerance)
    {
        string[][] expected = c.Hypotheses;
        string[][] found = [.. result.Hypotheses.Select(static h => h.Tokens.ToArray())];
        string Show(string[][] lists) => string.Join(" | ", lists.Select(static l => string.Concat(l)));
        if (expected.Length != found.Length || !expected.Zip(found).All(static pair => pair.First.SequenceEqual(pair.Second)))
            return $"{c.Id}: expected {Show(expected)}, found {Show(found)}";
        float error = Largest(c.Scores, [.. result.Hypotheses.Select(static h => h.Score)]);
        if (!(error <= tolerance)) return $"{c.Id}: scores differ by {error}";
        if (c.Attention is not { } attention) return null;
        for (int h = 0; h < attention.Length; h++)
        {
            if (attention[h].Length != result.Hypotheses[h].Attention!.Count) return $"{c.Id}: attention of other length";
            for (int t = 0; t < attention[h].Length; t++)
            {
                if (!(Largest(attention[h][t], result.Hypotheses[h].Attention![t]) <= tolerance)) return $"{c.Id}: attention";
            }
        }

        return null;
    }

    private static async Task<CaseAnswer> AskAsync(Translator translator, Case one, CancellationToken cancellation) =>
        one.IsScore
            ? new CaseAnswer(one, null, await translator.ScoreAsync(one.ScoreRequest, cancellation).ConfigureAwait(false))
            : new CaseAnswer(one, await translator.TranslateAsync(one.Request, cancellation).ConfigureAwait(false), null);

    private static float Largest(float[] expected, IReadOnlyList<float> found) =>
        expected.Length != found.Count ? float.NaN
        : expected.Length == 0 ? 0 : expected.Zip(found).Max(static pair => Math.Abs(pair.First - pair.Second));
}
