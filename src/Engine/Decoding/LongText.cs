// Text longer than a model's sentences: each part is translated by itself, and the parts' hypotheses are joined rank by rank.
using Engine.Text;
using Engine.Text.SentencePiece;

namespace Engine.Decoding;

/// <summary>Translates lines of any length.</summary>
public static class LongText
{
    /// <summary>Whether lines of such tokens may be cut: tokens between spaces or single characters were given by the caller as they are.</summary>
    public static bool IsFor(ITokenizer tokenizer) => tokenizer.Word == SentencePieceTokenizer.Name;

    /// <summary>Translates a line of text; the task fails as that of a request does.</summary>
    /// <param name="text">A line.</param>
    /// <param name="mostTokens">A line of more tokens is cut (<see cref="SentenceSplitter"/>); 0: never.</param>
    /// <param name="tokenizer">How text becomes tokens.</param>
    /// <param name="options">Options of each part; null: those of the translator.</param>
    /// <param name="prefix">Tokens that the translation, so its first part, begins with.</param>
    /// <param name="translate">Translates a part.</param>
    /// <returns>
    /// As many hypotheses as every part has: their tokens one after the other, the mean of their scores by tokens, and their
    /// attention each to its own part of the source.
    /// </returns>
    public static async Task<TranslationResult> TranslateAsync(
        string text, int mostTokens, ITokenizer tokenizer, DecodingOptions? options, IReadOnlyList<string>? prefix,
        Func<TranslationRequest, Task<TranslationResult>> translate)
    {
        IReadOnlyList<IReadOnlyList<string>> parts = mostTokens == 0
            ? [tokenizer.Tokenize(text)]
            : SentenceSplitter.Parts(text, mostTokens, tokenizer);
        var running = new Task<TranslationResult>[parts.Count];
        for (int i = 0; i < running.Length; i++)
        {
            running[i] = translate(
                new TranslationRequest(parts[i]) { Options = options, TargetPrefix = i == 0 ? prefix : null });
        }

        if (running.Length == 1) return await running[0].ConfigureAwait(false);
        TranslationResult[] results = await Task.WhenAll(running).ConfigureAwait(false);
        int count = results.Min(static result => result.Hypotheses.Count);
        return new TranslationResult(
            [.. Enumerable.Range(0, count).Select(rank => Join(parts, [.. results.Select(result => result.Hypotheses[rank])]))]);
    }

    private static Hypothesis Join(IReadOnlyList<IReadOnlyList<string>> sources, Hypothesis[] parts)
    {
        string[] tokens = [.. parts.SelectMany(static part => part.Tokens)];
        float weighted = parts.Sum(static part => part.Score * Math.Max(1, part.Tokens.Count));
        return new Hypothesis(tokens, weighted / parts.Sum(static part => Math.Max(1, part.Tokens.Count)))
        {
            TokenScores = parts.All(static part => part.TokenScores is not null)
                ? [.. parts.SelectMany(static part => part.TokenScores!)]
                : null,
            Attention = parts.All(static part => part.Attention is not null) ? JoinAttention(sources, parts) : null,
        };
    }

    private static List<IReadOnlyList<float>> JoinAttention(IReadOnlyList<IReadOnlyList<string>> sources, Hypothesis[] parts)
    {
        int width = sources.Sum(static source => source.Count), before = 0;
        var rows = new List<IReadOnlyList<float>>();
        for (int i = 0; i < parts.Length; i++)
        {
            foreach (IReadOnlyList<float> attention in parts[i].Attention!)
            {
                var row = new float[width];
                for (int k = 0; k < Math.Min(attention.Count, width - before); k++) row[before + k] = attention[k];
                rows.Add(row);
            }

            before += sources[i].Count;
        }

        return rows;
    }
}
