// The best tokens after a prefix, and the best continuation of each: for someone who edits a translation.
namespace Engine.Decoding;

/// <summary>Follows the prefix, branches once, then runs a search from each branch.</summary>
internal sealed class AlternativesSearch : Search
{
    private readonly DecodingRules _rules;
    private readonly int[] _prefix;
    private readonly Func<int, int, int, Search> _continue;
    private readonly Trail _trail;
    private readonly List<Trail> _branches = [];
    private readonly List<Search> _searches = [];
    private FinishedTrail[] _results = [];

    /// <summary>Begins after the start token.</summary>
    /// <param name="rules">Rules of the sentence.</param>
    /// <param name="prefix">Tokens before the branch.</param>
    /// <param name="search">Makes a search with a maximum and a minimum length, and a number.</param>
    public AlternativesSearch(DecodingRules rules, int[] prefix, Func<int, int, int, Search> search)
    {
        _rules = rules;
        _prefix = prefix.Length > rules.MaxLength ? prefix[..rules.MaxLength] : prefix;
        _continue = search;
        _trail = new Trail(_prefix.Length + 1, rules.WantsAlignment);
    }

    public override int Rows => IsFinished ? 0 : _searches.Count == 0 ? 1 : _searches.Sum(static search => search.Rows);

    public override int Candidates =>
        _searches.Count == 0 ? _rules.Options.NumHypotheses : _searches.Max(static search => search.Candidates);

    public override bool WantsDistribution => _searches.Count > 0 && _searches[0].WantsDistribution;

    public override int Draws => SearchGroup.Draws(_searches);

    public override IReadOnlyList<FinishedTrail> Results => _results;

    // While the prefix is followed nothing is chosen. The branch itself may not be the end, whatever the minimum length. The
    // history of a branch begins with it, as in CTranslate2.
    public override void Gather(LogitEdits edits, int firstRow)
    {
        if (_searches.Count == 0)
        {
            edits.Gather(firstRow, _rules, default, minLength: 1);
            return;
        }

        foreach (Search search in _searches)
        {
            search.Gather(edits, firstRow);
            firstRow += search.Rows;
        }
    }

    public override void GatherDraws(Span<int> draws) => SearchGroup.GatherDraws(_searches, draws);

    public override void Advance(in StepOutput output, RowMoves moves)
    {
        if (_searches.Count == 0) Begin(output, moves);
        else Continue(output, moves);
    }

    private void Begin(in StepOutput output, RowMoves moves)
    {
        if (_trail.Length < _prefix.Length)
        {
            int token = _prefix[_trail.Length];
            _trail.Append(token, 0, output.AlignmentOf(0));
            if (_trail.Length == _rules.MaxLength)
            {
                FinishedTrail prefix = new([.. _trail.Tokens], [.. _trail.Scores], [.. _trail.Alignment], 0);
                Finish(Enumerable.Repeat(prefix, _rules.Options.NumHypotheses));
                return;
            }

            moves.Add(0, token);
            return;
        }

        int most = Math.Min(_rules.Options.NumHypotheses, output.Candidates);
        for (int i = 0; i < most; i++)
        {
            if (MathF.Exp(output.Scores[i]) < _rules.Options.MinAlternativeExpansionProbability) break;
            var branch = new Trail(_prefix.Length + 1, _rules.WantsAlignment);
            branch.CopyFrom(_trail, output.Tokens[i], output.Scores[i], output.AlignmentOf(0));
            _branches.Add(branch);
        }

        int length = _prefix.Length + 1;
        if (_branches.Count == 0 || length == _rules.MaxLength)
        {
            Finish(_branches.Select(branch => Joined(branch, null)));
            return;
        }

        foreach (Trail branch in _branches)
        {
            int minLength = Math.Max(_rules.Options.MinDecodingLength - length, 0);
            _searches.Add(_continue(_rules.MaxLength - length, minLength, _searches.Count));
            moves.Add(0, branch.Tokens[^1]);
        }
    }

    private void Continue(in StepOutput output, RowMoves moves)
    {
        int firstMoveRow = moves.FirstRow;
        int row = 0, draw = 0;
        foreach (Search search in _searches)
        {
            int rows = search.Rows, draws = search.Draws;
            if (rows == 0) continue;
            moves.FirstRow = firstMoveRow + row;
            search.Advance(SearchGroup.Part(output, row, rows, draw, draws), moves);
            row += rows;
            draw += draws;
        }

        if (_searches.TrueForAll(static search => search.IsFinished))
            Finish(_branches.Select((branch, i) => Joined(branch, _searches[i].Results[0])));
    }

    // The reported score: log-probability of the branch plus the normalised score of its continuation.
    private static FinishedTrail Joined(Trail branch, FinishedTrail? continuation) => continuation is null
        ? new FinishedTrail([.. branch.Tokens], [.. branch.Scores], [.. branch.Alignment], branch.Scores[^1])
        : new FinishedTrail(
            [.. branch.Tokens, .. continuation.Tokens], [.. branch.Scores, .. continuation.TokenScores],
            [.. branch.Alignment, .. continuation.Alignment], branch.Scores[^1] + continuation.Score);

    private void Finish(IEnumerable<FinishedTrail> results)
    {
        _results = [.. results];
        IsFinished = true;
    }
}
