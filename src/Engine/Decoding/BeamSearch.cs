// Beam search with the rules of CTranslate2, so that its users get what they know: 2 · beam candidates a step, finished
// hypotheses give their slot to the next candidate, no early bound on the score. A backend may take some steps alone, by the same rules
// (IBackend.AdvanceBeams); this object then follows.
using Engine.Backends;

namespace Engine.Decoding;

/// <summary>Several hypotheses of one sentence, the best of all their continuations kept.</summary>
internal sealed class BeamSearch : Search
{
    private const float Unlikely = -1e10f;

    private readonly DecodingRules _rules;
    private readonly int[] _prefix;
    private readonly bool _isBiased;
    private readonly int _maxLength;
    private readonly int _minLength;
    private readonly int _beams;
    private readonly int _mostFinished;
    private readonly bool _stopsAtTop;          // without normalisation a longer hypothesis is never better
    private readonly List<FinishedTrail> _finished = [];
    private readonly BeamMove[] _candidates;
    private readonly Sampler? _sampler;
    private Trail[] _trails;
    private Trail[] _next;
    private float[] _sums;
    private float[] _nextSums;
    private bool[] _diverged;
    private (float Score, int Index)[] _pool = [];
    private float[] _poolScores = [];
    private int _rows = 1;
    private int _candidateCount;
    private bool _topFinished;
    private FinishedTrail[] _results = [];

    /// <summary>Begins after the start token.</summary>
    /// <param name="rules">Rules of the sentence.</param>
    /// <param name="prefix">Tokens that are taken whatever their probability, or favoured if the rules have a bias.</param>
    /// <param name="maxLength">The most tokens, the prefix included.</param>
    /// <param name="minLength">The fewest tokens.</param>
    public BeamSearch(DecodingRules rules, int[] prefix, int maxLength, int minLength)
    {
        _rules = rules;
        _prefix = prefix;
        _isBiased = rules.Options.PrefixBiasBeta > 0 && prefix.Length > 0;
        _maxLength = maxLength;
        _minLength = minLength;
        _beams = rules.Options.BeamSize;
        _mostFinished = (int)MathF.Round(_beams * rules.Options.Patience, MidpointRounding.AwayFromZero);
        _stopsAtTop = rules.Options.LengthPenalty == 0 && rules.Options.CoveragePenalty == 0;
        _candidates = new BeamMove[2 * _beams];
        _trails = MakeTrails();
        _next = MakeTrails();
        _sums = new float[_beams];
        _nextSums = new float[_beams];
        _diverged = new bool[_beams];
        if (rules.Samples) _sampler = new Sampler(rules.Options);
    }

    public override int Rows => IsFinished ? 0 : _rows;

    // One more where the favoured token of a biased prefix may displace one.
    public override int Candidates => (_rules.Samples
        ? Math.Max(2 * _beams, _rules.Options.SamplingTopK == 0 ? _rules.Vocabulary : _rules.Options.SamplingTopK)
        : 2 * _beams) + (_isBiased ? 1 : 0);

    public override bool WantsNamed => _isBiased && _trails[0].Length < _prefix.Length;

    public override IReadOnlyList<FinishedTrail> Results => _results;

    public override int NamedToken(int row) => _prefix[_trails[0].Length];

    public override void Gather(LogitEdits edits, int firstRow)
    {
        for (int row = 0; row < Rows; row++) edits.Gather(firstRow + row, _rules, _trails[row].Tokens, _minLength);
    }

    public override void Advance(in StepOutput output, RowMoves moves)
    {
        int step = _trails[0].Length;
        int mark = moves.Count;
        bool isLast = step + 1 >= _maxLength;
        if (!_isBiased && step < _prefix.Length)
        {
            FollowPrefix(output, step, isLast, moves);
            return;
        }

        Choose(output, step);
        if (_isBiased) FollowDivergence(step);
        int secondary = _beams;
        int rows = 0;
        for (int k = 0; k < Math.Min(_beams, _candidateCount); k++)
        {
            BeamMove candidate = _candidates[k];
            if (_rules.IsEnd(candidate.Token) || isLast)
            {
                _topFinished |= k == 0;
                Finish(output, candidate);
                while (secondary < _candidateCount && _rules.IsEnd(_candidates[secondary].Token)) secondary++;
                if (secondary >= _candidateCount) continue;                // nobody is left for the slot
                candidate = _candidates[secondary++];
            }

            Place(output, candidate, rows++, moves);
        }

        bool stops = _stopsAtTop
            ? _topFinished && _finished.Count >= _rules.Options.NumHypotheses
            : _finished.Count >= _mostFinished;
        Swap(rows);
        if (!isLast && !stops && rows > 0) return;
        moves.Truncate(mark);
        End();
    }

    // The step after a forced prefix has a rule of its own.
    public override int StepsAlone =>
        _rules.Samples || _isBiased || _beams > BeamState.MostBeams || (_prefix.Length > 0 && _trails[0].Length <= _prefix.Length)
            ? 0
            : _rules.StepsAlone(_trails[0].Length, _minLength);

    public override int MostRows => _beams;

    public override int StepsLeft => _maxLength - _trails[0].Length;

    // All have the length of the first, and nothing else matters then.
    public override void GatherAlone(LogitEdits edits, int firstRow)
    {
        for (int row = 0; row < _beams; row++) edits.Gather(firstRow + row, _rules, _trails[0].Tokens, _minLength);
    }

    public override BeamSentence Describe(Span<float> sums)
    {
        _sums.AsSpan(0, _rows).CopyTo(sums);
        return new BeamSentence
        {
            Beams = _beams,
            Live = _rows,
            Length = _trails[0].Length,
            MaxLength = _maxLength,
            Candidates = Math.Min(Candidates, _rules.Vocabulary),
            Wanted = _stopsAtTop ? _rules.Options.NumHypotheses : _mostFinished,
            NeedsTop = _stopsAtTop ? 1 : 0,
            TopEnded = _topFinished ? 1 : 0,
            Ended = _finished.Count,
        };
    }

    public override void Follow(in BeamLog log)
    {
        for (int step = 0; step < log.Steps; step++)
        {
            for (int k = 0; k < _beams; k++)
            {
                BeamMove move = log.Ended(step, k);
                if (move.Parent < 0) continue;
                _topFinished |= k == 0;
                var trail = new Trail(_trails[0].Length + step + 1, wantsAlignment: false);
                Trace(log, step, move, trail);
                _finished.Add(FinishedTrail.End(trail, move.Sum, _rules.Options));
            }
        }

        for (int row = 0; row < log.Live; row++)
        {
            BeamMove move = log.Next(log.Steps - 1, row);
            Trace(log, log.Steps - 1, move, _next[row]);
            _nextSums[row] = move.Sum;
        }

        Swap(log.Live);
        if (log.Live == 0) End();
    }

    // A hypothesis as it was before the first of the steps, and the tokens from there to a move.
    private void Trace(in BeamLog log, int step, BeamMove move, Trail trail)
    {
        Span<BeamMove> moves = stackalloc BeamMove[step + 1];
        moves[step] = move;
        while (--step >= 0) moves[step] = log.Next(step, moves[step + 1].Parent);
        trail.CopyFrom(_trails[moves[0].Parent], moves[0].Token, moves[0].Score, alignment: null);
        foreach (BeamMove next in moves[1..]) trail.Append(next.Token, next.Score, alignment: null);
    }

    // All beams are alike while a prefix is forced, so one row stands for them.
    private void FollowPrefix(in StepOutput output, int step, bool isLast, RowMoves moves)
    {
        float[]? alignment = output.AlignmentOf(0);
        _trails[0].Append(_prefix[step], 0, alignment);
        if (!isLast)
        {
            moves.Add(0, _prefix[step]);
            return;
        }

        for (int k = 0; k < _beams; k++) _finished.Add(FinishedTrail.End(_trails[0], k == 0 ? 0 : Unlikely, _rules.Options));
        End();
    }

    // The 2 · beams best continuations, best first; of equal ones that of the lower beam, then the lower token.
    private void Choose(in StepOutput output, int step)
    {
        _candidateCount = 0;
        if (_sampler is not null) Sample(output, step);
        else
        {
            for (int row = 0; row < _rows; row++)
            {
                if (IsFavoured(row, step)) ChooseFavoured(output, row, _prefix[step]);
                else ChoosePlain(output, row);
            }
        }

        // After a forced prefix only the best candidate may end at once: a short hypothesis would win without competition.
        if (_isBiased || _prefix.Length == 0 || step != _prefix.Length) return;
        for (int k = 1; k < _candidateCount; k++)
        {
            if (_rules.IsEnd(_candidates[k].Token)) _candidates[k] = _candidates[k] with { Parent = 0, Token = 0, Sum = Unlikely };
        }
    }

    private void ChoosePlain(in StepOutput output, int row)
    {
        for (int i = 0; i < output.Candidates; i++)
        {
            int index = (row * output.Candidates) + i;
            if (!Insert(new BeamMove(row, output.Tokens[index], output.Scores[index], _sums[row] + output.Scores[index]))) break;
        }
    }

    // p ← (1 − β) p, and β more for the prefix' token.
    private void ChooseFavoured(in StepOutput output, int row, int favoured)
    {
        float beta = _rules.Options.PrefixBiasBeta;
        float score = MathF.Log((MathF.Exp(output.Named[row]) * (1 - beta)) + beta);
        Insert(new BeamMove(row, favoured, score, _sums[row] + score));
        for (int i = 0; i < output.Candidates; i++)
        {
            int index = (row * output.Candidates) + i;
            if (output.Tokens[index] == favoured) continue;
            float other = MathF.Log(MathF.Exp(output.Scores[index]) * (1 - beta));
            Insert(new BeamMove(row, output.Tokens[index], other, _sums[row] + other));
        }
    }

    private bool IsFavoured(int row, int step) => _isBiased && step < _prefix.Length && !_diverged[row];

    // A flag belongs to a slot, not to the hypothesis that comes to stand in it: CTranslate2 has it so.
    private void FollowDivergence(int step)
    {
        for (int k = 0; k < _beams; k++)
            _diverged[k] |= step >= _prefix.Length || k >= _candidateCount || _candidates[k].Token != _prefix[step];
    }

    private void Sample(in StepOutput output, int step)
    {
        int count = _rows * output.Candidates;
        Span<(float Score, int Index)> pool = StepBuffers.Room(ref _pool, count);
        for (int i = 0; i < count; i++) pool[i] = (_sums[i / output.Candidates] + output.Scores[i], i);
        pool.Sort(static (a, b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.Index.CompareTo(b.Index));
        Span<float> scores = StepBuffers.Room(ref _poolScores, count);
        for (int i = 0; i < count; i++) scores[i] = pool[i].Score;
        foreach (int drawn in _sampler!.Draw(scores, hypothesis: 0, step))
        {
            if (_candidateCount == _candidates.Length) break;
            int index = pool[drawn].Index;
            _candidates[_candidateCount++] = new BeamMove(
                index / output.Candidates, output.Tokens[index], output.Scores[index], pool[drawn].Score);
        }
    }

    private bool Insert(in BeamMove candidate)
    {
        int place = _candidateCount;
        while (place > 0 && candidate.Sum > _candidates[place - 1].Sum) place--;
        if (place == _candidates.Length) return false;
        if (_candidateCount < _candidates.Length) _candidateCount++;
        for (int i = _candidateCount - 1; i > place; i--) _candidates[i] = _candidates[i - 1];
        _candidates[place] = candidate;
        return true;
    }

    private void Place(in StepOutput output, in BeamMove candidate, int row, RowMoves moves)
    {
        _next[row].CopyFrom(_trails[candidate.Parent], candidate.Token, candidate.Score, output.AlignmentOf(candidate.Parent));
        _nextSums[row] = candidate.Sum;
        moves.Add(candidate.Parent, candidate.Token);
    }

    private void Finish(in StepOutput output, in BeamMove candidate)
    {
        var trail = new Trail(_trails[candidate.Parent].Length + 1, _rules.WantsAlignment);
        trail.CopyFrom(_trails[candidate.Parent], candidate.Token, candidate.Score, output.AlignmentOf(candidate.Parent));
        _finished.Add(FinishedTrail.End(trail, candidate.Sum, _rules.Options));
    }

    private void Swap(int rows)
    {
        (_trails, _next) = (_next, _trails);
        (_sums, _nextSums) = (_nextSums, _sums);
        _rows = rows;
    }

    private void End()
    {
        IsFinished = true;
        _results = [.. _finished.OrderByDescending(static trail => trail.Score).Take(_rules.Options.NumHypotheses)];
    }

    private Trail[] MakeTrails()
    {
        var trails = new Trail[_beams];
        for (int i = 0; i < trails.Length; i++) trails[i] = new Trail(Math.Min(_maxLength, 256), _rules.WantsAlignment);
        return trails;
    }
}
