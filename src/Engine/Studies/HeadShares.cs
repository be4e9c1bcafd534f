// Where a head looks, as shares of its weight: on the token before, itself, the one after, the end, punctuation; and what that is called.
using Engine.Explaining;

namespace Engine.Studies;

/// <summary>Sums over sentences of what one head looks at.</summary>
internal sealed class HeadShares
{
    /// <summary>A head is named after what has more of its weight than this.</summary>
    public const double Bound = 0.5;

    private double _previous, _same, _next, _edge, _punctuation, _agreement;
    private int _queries, _laterQueries, _earlierQueries;

    /// <summary>Share on the token before, of the queries that have one.</summary>
    public double Previous => Share(_previous, _laterQueries);

    /// <summary>Share on the query's own token.</summary>
    public double Same => Share(_same, _queries);

    /// <summary>Share on the token after, of the queries that have one.</summary>
    public double Next => Share(_next, _earlierQueries);

    /// <summary>Share on the token at the edge: the source's end token, or the decoder's start token.</summary>
    public double Edge => Share(_edge, _queries);

    /// <summary>Share on tokens of nothing but punctuation.</summary>
    public double Punctuation => Share(_punctuation, _queries);

    /// <summary>Share of the queries whose most attended key is that of the alignment.</summary>
    public double Agreement => Share(_agreement, _queries);

    /// <summary>Adds a sentence.</summary>
    /// <param name="map">Weights.</param>
    /// <param name="layer">Layer.</param>
    /// <param name="head">Head.</param>
    /// <param name="keys">The tokens that are looked at.</param>
    /// <param name="edge">The place of the token at the edge.</param>
    public void Add(AttentionMap map, int layer, int head, IReadOnlyList<string> keys, int edge)
    {
        for (int query = 0; query < map.Queries; query++)
        {
            ReadOnlySpan<float> row = map.Row(layer, head, query);
            _queries++;
            _edge += row[edge];
            for (int key = 0; key < row.Length; key++)
                if (IsPunctuation(keys[key])) _punctuation += row[key];
            if (query < row.Length) _same += row[query];
            if (query > 0 && query <= row.Length) (_previous, _laterQueries) = (_previous + row[query - 1], _laterQueries + 1);
            if (query + 1 < row.Length) (_next, _earlierQueries) = (_next + row[query + 1], _earlierQueries + 1);
        }
    }

    /// <summary>Adds how often the head agrees with an alignment, for the queries of the sentence that was added last.</summary>
    /// <param name="map">Weights.</param>
    /// <param name="layer">Layer.</param>
    /// <param name="head">Head.</param>
    /// <param name="alignment">For each query the place of its key.</param>
    public void AddAgreement(AttentionMap map, int layer, int head, ReadOnlySpan<int> alignment)
    {
        for (int query = 0; query < map.Queries; query++)
            if (Largest(map.Row(layer, head, query)) == alignment[query]) _agreement++;
    }

    /// <summary>The word for what the head does; empty: nothing has more than <see cref="Bound"/>.</summary>
    /// <param name="isCross">Whether its keys are the source and its queries the translation, so that places do not compare.</param>
    /// <param name="edge">The word for the token at the edge.</param>
    public string Describe(bool isCross, string edge)
    {
        (string Word, double Share)[] kinds = isCross
            ? [(edge, Edge), ("punctuation", Punctuation), ("alignment", Agreement)]
            : [("previous token", Previous), ("same token", Same), ("next token", Next), (edge, Edge), ("punctuation", Punctuation)];
        (string word, double share) = kinds.MaxBy(static kind => kind.Share);
        return share > Bound ? word : "";
    }

    /// <summary>The place of the largest number, the first of equals.</summary>
    public static int Largest(ReadOnlySpan<float> row)
    {
        int best = 0;
        for (int i = 1; i < row.Length; i++) if (row[i] > row[best]) best = i;
        return best;
    }

    // The mark of a word's beginning is no part of it.
    private static bool IsPunctuation(string token)
    {
        string word = token.TrimStart('\u2581');
        return word.Length > 0 && word.All(static one => char.IsPunctuation(one));
    }

    private static double Share(double sum, int count) => count == 0 ? 0 : sum / count;
}
