// The most probable token at each step, or one drawn at random.
using Engine.Backends;

namespace Engine.Decoding;

/// <summary>One hypothesis that takes one token a step.</summary>
internal sealed class GreedySearch : Search
{
    private readonly DecodingRules _rules;
    private readonly int[] _prefix;
    private readonly int _maxLength;
    private readonly int _minLength;
    private readonly int _hypothesis;
    private readonly Trail _trail;
    private readonly Sampler? _sampler;
    private int[] _allTokens = [];
    private float[] _allScores = [];
    private float _sum;
    private FinishedTrail? _result;

    /// <summary>Begins after the start token.</summary>
    /// <param name="rules">Rules of the sentence.</param>
    /// <param name="prefix">Tokens that are taken whatever their probability.</param>
    /// <param name="maxLength">The most tokens, the prefix included.</param>
    /// <param name="minLength">The fewest tokens.</param>
    /// <param name="hypothesis">Which of several samples this is.</param>
    public GreedySearch(DecodingRules rules, int[] prefix, int maxLength, int minLength, int hypothesis)
    {
        _rules = rules;
        _prefix = prefix;
        _maxLength = maxLength;
        _minLength = minLength;
        _hypothesis = hypothesis;
        _trail = new Trail(Math.Min(maxLength, 256), rules.WantsAlignment);
        _sampler = rules.Samples && !rules.DrawsFromAll ? new Sampler(rules.Options) : null;
    }

    public override int Rows => IsFinished ? 0 : 1;

    public override int Candidates => _rules.DrawsFromAll ? 0 : _sampler is null ? 1 : Math.Max(_rules.Options.SamplingTopK, 1);

    public override bool WantsDistribution => _sampler is not null && _rules.Options.SamplingTopK == 0;

    public override int Draws => _rules.DrawsFromAll ? Rows : 0;

    public override IReadOnlyList<FinishedTrail> Results => [_result!];

    public override void Gather(LogitEdits edits, int firstRow)
    {
        if (!IsFinished) edits.Gather(firstRow, _rules, _trail.Tokens, _minLength);
    }

    public override void GatherDraws(Span<int> draws)
    {
        if (Draws > 0) new TokenDraw(_rules.Options.Seed, _hypothesis, _trail.Length).CopyTo(draws);
    }

    public override void Advance(in StepOutput output, RowMoves moves)
    {
        int step = _trail.Length;
        (int token, float score) = step < _prefix.Length ? (_prefix[step], 0f) : Choose(output, step);
        _trail.Append(token, score, output.AlignmentOf(0));
        _sum += score;
        if ((_rules.IsEnd(token) && step >= _prefix.Length) || step + 1 >= _maxLength)
        {
            End();
            return;
        }

        moves.Add(0, token);
    }

    public override int StepsAlone =>
        _rules.Samples || _trail.Length < _prefix.Length ? 0 : _rules.StepsAlone(_trail.Length, _minLength);

    public override int StepsLeft => _maxLength - _trail.Length;

    public override BeamSentence Describe(Span<float> sums)
    {
        sums[0] = _sum;
        return new BeamSentence
        {
            Beams = 1, Live = 1, Length = _trail.Length, MaxLength = _maxLength, Candidates = 1, Wanted = 1,
        };
    }

    public override void Follow(in BeamLog log)
    {
        for (int step = 0; step < log.Steps; step++)
        {
            BeamMove ended = log.Ended(step, 0), move = ended.Parent < 0 ? log.Next(step, 0) : ended;
            _trail.Append(move.Token, move.Score, alignment: null);
            _sum = move.Sum;
        }

        if (log.Live == 0) End();
    }

    private void End()
    {
        _result = FinishedTrail.End(_trail, _sum, _rules.Options);
        IsFinished = true;
    }

    private (int Token, float Score) Choose(in StepOutput output, int step)
    {
        if (_rules.DrawsFromAll) return (output.DrawnTokens[0], output.DrawnScores[0]);
        if (_sampler is null) return (output.Tokens[0], output.Scores[0]);
        if (!WantsDistribution)
        {
            int drawn = _sampler.Draw(output.Scores[..Math.Min(Candidates, output.Candidates)], _hypothesis, step)[0];
            return (output.Tokens[drawn], output.Scores[drawn]);
        }

        (ReadOnlySpan<int> tokens, ReadOnlySpan<float> scores) = SortedDistribution(output.Distribution);
        int index = _sampler.Draw(scores, _hypothesis, step)[0];
        return (tokens[index], scores[index]);
    }

    private SortedCandidates SortedDistribution(ReadOnlySpan<float> distribution)
    {
        if (_allTokens.Length != distribution.Length)
        {
            _allTokens = new int[distribution.Length];
            _allScores = new float[distribution.Length];
        }

        for (int i = 0; i < distribution.Length; i++) (_allTokens[i], _allScores[i]) = (i, -distribution[i]);
        Array.Sort(_allScores, _allTokens);
        for (int i = 0; i < _allScores.Length; i++) _allScores[i] = -_allScores[i];
        return new SortedCandidates(_allTokens, _allScores);
    }

    private readonly ref struct SortedCandidates(ReadOnlySpan<int> tokens, ReadOnlySpan<float> scores)
    {
        private readonly ReadOnlySpan<int> _tokens = tokens;
        private readonly ReadOnlySpan<float> _scores = scores;

        public void Deconstruct(out ReadOnlySpan<int> tokens, out ReadOnlySpan<float> scores)
        {
            tokens = _tokens;
            scores = _scores;
        }
    }
}
