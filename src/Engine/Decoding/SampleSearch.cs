// Several samples of one sentence: greedy searches side by side that draw different numbers.
using Engine.Backends;

namespace Engine.Decoding;

/// <summary>Independent searches in one; their hypotheses are sorted by score.</summary>
internal sealed class SampleSearch : Search
{
    private readonly Search[] _samples;
    private FinishedTrail[] _results = [];
    private bool _begun;
    private int _rows = 1;

    /// <summary>Takes the searches; each begins after the same start token.</summary>
    public SampleSearch(Search[] samples) => _samples = samples;

    public override int Rows => IsFinished ? 0 : _rows;

    public override int Candidates => _samples[0].Candidates;     // all have the same options

    public override bool WantsDistribution => _samples[0].WantsDistribution;

    // All begin with the same row, and each draws from it.
    public override int Draws => SearchGroup.Draws(_samples);

    public override IReadOnlyList<FinishedTrail> Results => _results;

    public override void Gather(LogitEdits edits, int firstRow)
    {
        if (!_begun)
        {
            _samples[0].Gather(edits, firstRow);
            return;
        }

        foreach (Search sample in _samples)
        {
            sample.Gather(edits, firstRow);
            firstRow += sample.Rows;
        }
    }

    public override void GatherDraws(Span<int> draws) => SearchGroup.GatherDraws(_samples, draws);

    // All samples see the same first step.
    public override void Advance(in StepOutput output, RowMoves moves)
    {
        int firstMoveRow = moves.FirstRow;
        int row = 0, draw = 0;
        foreach (Search sample in _samples)
        {
            int rows = sample.Rows, draws = sample.Draws;
            if (rows == 0) continue;
            moves.FirstRow = firstMoveRow + row;
            sample.Advance(SearchGroup.Part(output, row, rows, draw, draws), moves);
            if (_begun) row += rows;
            draw += draws;
        }

        _begun = true;
        _rows = 0;
        foreach (Search sample in _samples) _rows += sample.Rows;
        if (!Array.TrueForAll(_samples, static sample => sample.IsFinished)) return;
        IsFinished = true;
        _results = [.. _samples.Select(static sample => sample.Results[0]).OrderByDescending(static result => result.Score)];
    }
}

/// <summary>What the searches of a group ask for together, and the output of a step, cut for each.</summary>
internal static class SearchGroup
{
    /// <summary>Tokens that all draw.</summary>
    public static int Draws(IReadOnlyList<Search> searches)
    {
        int draws = 0;
        for (int i = 0; i < searches.Count; i++) draws += searches[i].Draws;
        return draws;
    }

    /// <summary>What these are drawn by, search after search.</summary>
    public static void GatherDraws(IReadOnlyList<Search> searches, Span<int> draws)
    {
        for (int i = 0; i < searches.Count; i++)
        {
            searches[i].GatherDraws(draws);
            draws = draws[(searches[i].Draws * TokenDraw.Columns)..];
        }
    }

    /// <summary>The output of some rows, and some draws.</summary>
    public static StepOutput Part(in StepOutput output, int row, int rows, int draw, int draws)
    {
        int vocabulary = output.Scores.Length == 0 ? 0 : output.Distribution.Length / (output.Scores.Length / output.Candidates);
        return new StepOutput
        {
            Scores = output.Scores.Slice(row * output.Candidates, rows * output.Candidates),
            Tokens = output.Tokens.Slice(row * output.Candidates, rows * output.Candidates),
            Candidates = output.Candidates,
            Distribution = output.Distribution.IsEmpty ? default : output.Distribution.Slice(row * vocabulary, rows * vocabulary),
            Named = output.Named.IsEmpty ? default : output.Named.Slice(row, rows),
            DrawnTokens = output.DrawnTokens.Slice(draw, draws),
            DrawnScores = output.DrawnScores.Slice(draw, draws),
            Alignment = output.Alignment.IsEmpty
                ? default
                : output.Alignment.Slice(row * output.AlignmentColumns, rows * output.AlignmentColumns),
            AlignmentColumns = output.AlignmentColumns,
            SourceLength = output.SourceLength,
        };
    }
}
