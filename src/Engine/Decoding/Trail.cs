// A hypothesis while it grows: its tokens, their scores, and what they attended to.
namespace Engine.Decoding;

/// <summary>Tokens of one hypothesis; kept and reused by its search, so that a step allocates nothing.</summary>
internal sealed class Trail
{
    private int[] _tokens;
    private float[] _scores;
    private float[][]? _alignment;

    /// <summary>Makes room.</summary>
    /// <param name="capacity">Tokens before it must grow.</param>
    /// <param name="wantsAlignment">Whether attention is kept.</param>
    public Trail(int capacity, bool wantsAlignment)
    {
        _tokens = new int[capacity];
        _scores = new float[capacity];
        _alignment = wantsAlignment ? new float[capacity][] : null;
    }

    /// <summary>Number of tokens.</summary>
    public int Length { get; private set; }

    /// <summary>Tokens, the prefix included, the start token not.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Length);

    /// <summary>Log-probability of each token.</summary>
    public ReadOnlySpan<float> Scores => _scores.AsSpan(0, Length);

    /// <summary>Attention of each token to the source, if kept.</summary>
    public ReadOnlySpan<float[]> Alignment => _alignment is null ? default : _alignment.AsSpan(0, Length);

    /// <summary>Becomes another hypothesis and one token more.</summary>
    public void CopyFrom(Trail other, int token, float score, float[]? alignment)
    {
        Length = other.Length;
        Grow();
        other._tokens.AsSpan(0, Length).CopyTo(_tokens);
        other._scores.AsSpan(0, Length).CopyTo(_scores);
        if (_alignment is not null) other._alignment.AsSpan(0, Length).CopyTo(_alignment);
        Append(token, score, alignment);
    }

    /// <summary>Adds a token.</summary>
    public void Append(int token, float score, float[]? alignment)
    {
        Grow();
        _tokens[Length] = token;
        _scores[Length] = score;
        if (_alignment is not null) _alignment[Length] = alignment!;
        Length++;
    }

    private void Grow()
    {
        if (Length + 1 <= _tokens.Length) return;
        int capacity = Math.Max(2 * _tokens.Length, Length + 1);
        Array.Resize(ref _tokens, capacity);
        Array.Resize(ref _scores, capacity);
        if (_alignment is not null) Array.Resize(ref _alignment, capacity);
    }
}

/// <summary>A hypothesis that ended.</summary>
/// <param name="Tokens">Ids, the end token included.</param>
/// <param name="TokenScores">Log-probability of each.</param>
/// <param name="Alignment">Attention of each to the encoder's positions, if kept.</param>
/// <param name="Score">Normalised score.</param>
internal sealed record FinishedTrail(int[] Tokens, float[] TokenScores, float[][] Alignment, float Score)
{
    /// <summary>Ends a hypothesis: score = sum / length^penalty + coverage penalty (Wu et al. 2016, 7).</summary>
    public static FinishedTrail End(Trail trail, float sum, DecodingOptions options)
    {
        float score = trail.Length == 0 ? sum : sum / (float)Math.Pow(trail.Length, options.LengthPenalty);
        float[][] alignment = [.. trail.Alignment];
        if (options.CoveragePenalty != 0 && alignment.Length > 0) score += options.CoveragePenalty * Coverage(alignment);
        return new FinishedTrail([.. trail.Tokens], [.. trail.Scores], alignment, Math.Max(score, float.MinValue));
    }

    // Source positions that nothing attended to are left out, as in CTranslate2.
    private static float Coverage(float[][] alignment)
    {
        float sum = 0;
        for (int position = 0; position < alignment[0].Length; position++)
        {
            float coverage = 0;
            foreach (float[] row in alignment) coverage += row[position];
            if (coverage > 0) sum += MathF.Log(Math.Min(coverage, 1));
        }

        return sum;
    }
}
