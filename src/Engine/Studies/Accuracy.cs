// How often a model was right, in sentences and in tokens.
namespace Engine.Studies;

/// <summary>Shares of what was right.</summary>
/// <param name="Sentences">Share of sentences without a mistake.</param>
/// <param name="Tokens">Share of the expected tokens that stand in their place.</param>
internal readonly record struct Accuracy(double Sentences, double Tokens)
{
    /// <summary>Compares answers with what they should be.</summary>
    public static Accuracy Of(IReadOnlyList<IReadOnlyList<string>> found, IReadOnlyList<IReadOnlyList<string>> expected)
    {
        int sentences = 0, right = 0, tokens = 0;
        for (int i = 0; i < expected.Count; i++)
        {
            if (found[i].SequenceEqual(expected[i])) sentences++;
            tokens += expected[i].Count;
            for (int j = 0; j < Math.Min(found[i].Count, expected[i].Count); j++)
                if (found[i][j] == expected[i][j]) right++;
        }

        return new Accuracy((double)sentences / expected.Count, (double)right / tokens);
    }
}
