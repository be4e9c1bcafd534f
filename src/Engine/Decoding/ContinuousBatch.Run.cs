// Some steps of the batch without a look at them: the backend chooses among the candidates itself (IBackend.AdvanceBeams), and the host
// learns afterwards what happened. Only while no search asks for more than that; the results are the same.
using System.Runtime.InteropServices;
using Engine.Backends;
using Engine.Models;
using Engine.Tensors;

namespace Engine.Decoding;

internal sealed partial class ContinuousBatch
{
    private Tensor _state = Tensor.None;
    private int[] _found = [];
    private float[] _sums = [];

    private int MostSteps => Math.Min(_backend.StepsAtOnce, BeamState.MostSteps);

    // Fewer steps than usual are the last of as many, so that all steps are alike.
    private int FirstStep(int steps) => MostSteps - steps;

    // How many steps the backend takes alone; less than two: none.
    private int StepsAlone()
    {
        int steps = MostSteps, left = 0;
        if (steps < 2 || _shortlist.IsUsed) return 1;
        foreach (Sentence sentence in _sentences)
        {
            steps = Math.Min(steps, sentence.Search.StepsAlone);
            if (steps < 2) return 1;
            left = Math.Max(left, sentence.Search.StepsLeft);
        }

        return Math.Min(steps, left);
    }

    // False: there is no room for several steps of the only sentence; perhaps there is for one.
    private bool TryRun(int steps, List<Sentence> finished)
    {
        StepPlan plan = PlanRun(steps);
        int filled = 0, copies = 0;
        try
        {
            FillRun(plan, steps, ref filled, ref copies);
            _cache.Reserve();
            RunFrames(plan, steps);
        }
        catch (OutOfMemoryException)
        {
            ReleaseSpare();
            GiveBlocksBack(filled, copies);
            if (_sentences.Count > 1) throw;
            FreeState();
            return false;
        }

        Follow(plan, steps, finished);
        return true;
    }

    // Each sentence has as many rows as it may need; the longest history is that of the last step.
    private StepPlan PlanRun(int steps)
    {
        int rows = 0, targetLongest = 0, sourceLongest = 0, candidates = 0, ends = 0;
        _edits.Clear();
        foreach (Sentence sentence in _sentences)
        {
            Search search = sentence.Search;
            search.GatherAlone(_edits, rows);
            rows += search.MostRows;
            targetLongest = Math.Max(targetLongest, _rows[sentence.FirstRow].Length + Math.Min(steps, search.StepsLeft));
            sourceLongest = Math.Max(sourceLongest, sentence.SourceIds.Length);
            candidates = Math.Max(candidates, search.Candidates);
            ends = Math.Max(ends, sentence.Rules.EndIds.Length);
        }

        var shape = new StepShape(rows, Blocks(targetLongest), Blocks(sourceLongest), _backend.PrefersEqualSteps);
        int places = _edits.Suppressed.Length / 2;
        if (shape.IsFilledUp && places > 0) places = (places + shape.Rows - 1) / shape.Rows * shape.Rows;
        _buffers.ResizeForRun(shape, MostSteps, ends, places);
        return new StepPlan(
            shape, targetLongest, sourceLongest, Math.Min(candidates, _model.Config.TargetVocabulary), WantsAlignment: false, WantsNamed: false);
    }

    private void FillRun(in StepPlan plan, int steps, ref int filled, ref int copies)
    {
        StepBuffers b = _buffers;
        StepShape shape = plan.Shape;
        Span<int> input = b.Input, places = input[b.Places];
        Span<BeamSentence> sentences = MemoryMarshal.Cast<int, BeamSentence>(input[b.Sentences]);
        Span<float> sums = MemoryMarshal.Cast<int, float>(input[b.Sums]);
        int ends = input[b.Ends].Length / shape.Rows, first = 0;
        for (int s = 0; s < _sentences.Count; s++)
        {
            Sentence sentence = _sentences[s];
            BeamSentence search = sentence.Search.Describe(sums[first..]);
            search.FirstRow = first;
            search.Taken = FirstStep(steps);
            sentences[s] = search;
            sentence.Rules.EndIds.CopyTo(input[b.Ends].Slice(s * ends, ends));
            for (int row = 0; row < search.Beams; row++)
            {
                if (row >= search.Live) Await(sentence, first + row, shape);
                else FillRow(_rows[filled++], first + row, shape, ref copies);
            }

            first += search.Beams;
        }

        b.FillUp(first, copies, _idleBlock);
        _edits.Suppressed.CopyTo(places);
        for (int i = _edits.Suppressed.Length; i < places.Length; i++) places[i] = places[i - 2];      // once more what was said already
        for (int s = 0; s < _sentences.Count; s++) TakeSpare(sentences[s], steps);
    }

    // A row that has no hypothesis yet: it sees its source, and is written nowhere.
    private void Await(Sentence sentence, int place, in StepShape shape)
    {
        _buffers.FillIdle(place, 1, _idleBlock);
        FillSource(sentence, place, shape);
    }

    // Blocks for the positions behind the next one: a hypothesis alone needs one where a block is full, several may part in each.
    private void TakeSpare(in BeamSentence search, int steps)
    {
        const int Positions = KeyValueCache.BlockPositions;
        int last = search.Length + Math.Min(steps, search.MaxLength - search.Length) - 1, begun = search.Length / Positions;
        if (search.Beams > 1) begun = ((search.Length + 1) / Positions) - 1;
        int count = search.Beams * ((last / Positions) - begun);
        Span<int> spare = _buffers.Input[_buffers.Spare].Slice(search.FirstRow * StepBuffers.SpareOfRow, search.Beams * StepBuffers.SpareOfRow);
        for (int i = 0; i < count; i++) spare[i] = _cache.TargetBlocks.Take();
    }

    private void ReleaseSpare()
    {
        foreach (int block in _buffers.Input[_buffers.Spare])
        {
            if (block >= 0) _cache.TargetBlocks.Release(block);
        }
    }

    // One copy in; frames that nobody waits for; one copy out.
    private void RunFrames(in StepPlan plan, int steps)
    {
        StepBuffers b = _buffers;
        int given = b.Moves.Start.Value, first = b.TargetBlocks.Start.Value, all = b.Moves.End.Value;
        if (_state.Columns < all) GrowState(all);
        _backend.Write(_state.ColumnRange(0, given), b.Input[..given]);
        for (int step = 0; step < steps; step++)
        {
            _backend.BeginFrame(repeats: true);
            try
            {
                RunAlone(plan);
            }
            finally
            {
                _backend.EndFrame();
            }
        }

        _backend.Read(_state.ColumnRange(first, all - first), StepBuffers.Room(ref _found, all - first));
    }

    private void RunAlone(in StepPlan plan)
    {
        StepBuffers b = _buffers;
        int rows = plan.Shape.Rows, ends = b.Input[b.Ends].Length / rows, places = b.Input[b.Places].Length / 2;
        bool mayPart = _sentences.Exists(static sentence => sentence.Search.MostRows > 1);
        DecoderStep step = StepOf(_state, plan, mayPart ? rows : 0);
        Tensor logits = _model.Decoder.Step(_backend, step, _cache.Targets, _cache.Sources, out _);
        if (places > 0) _backend.Suppress(logits, StepBuffers.Table(_state, b.Places, places, 2));
        Tensor scores = _backend.TopK(logits, plan.Candidates, out Tensor tokens);
        _backend.AdvanceBeams(scores, tokens, new BeamState
        {
            Sentences = StepBuffers.Table(_state, b.Sentences, rows, BeamSentence.Columns),
            Ends = StepBuffers.Table(_state, b.Ends, rows, ends),
            Sums = StepBuffers.Part(_state, b.Sums),
            Ids = step.Ids,
            Positions = step.PositionIds,
            Slots = step.Slots,
            Lengths = step.Target.Lengths,
            Blocks = step.Target.Blocks,
            Copies = StepBuffers.Table(_state, b.Copies, rows, 2),
            Spare = StepBuffers.Table(_state, b.Spare, rows, StepBuffers.SpareOfRow),
            Moves = StepBuffers.Table(_state, b.Moves, MostSteps * rows, 2 * BeamMove.Columns),
        });
    }

    private void GrowState(int numbers)
    {
        int columns = Math.Max(numbers, 2 * _state.Columns);
        FreeState();
        _state = _backend.Allocate(new Shape(1, columns), DType.Int32);
    }

    private void FreeState()
    {
        if (!_state.IsNone) _backend.Free(_state);
        _state = Tensor.None;
    }

    // What happened, told to the searches; and the rows as the backend left them.
    private void Follow(in StepPlan plan, int steps, List<Sentence> finished)
    {
        StepBuffers b = _buffers;
        int rows = plan.Shape.Rows, columns = plan.Shape.TargetBlocks, start = b.TargetBlocks.Start.Value, kept = 0;
        ReadOnlySpan<int> table = Found(b.TargetBlocks);
        ReadOnlySpan<BeamSentence> searches = MemoryMarshal.Cast<int, BeamSentence>(Found(b.Sentences));
        ReadOnlySpan<BeamMove> moves = MemoryMarshal.Cast<int, BeamMove>(Found(b.Moves))[(2 * FirstStep(steps) * rows)..];
        _nextRows.Clear();
        for (int s = 0; s < _sentences.Count; s++)
        {
            Sentence sentence = _sentences[s];
            BeamSentence search = searches[s];
            search.Taken -= FirstStep(steps);
            Require(search.Taken == steps || (search.Live == 0 && search.Taken > 0), "steps", search.Taken, steps);
            sentence.Search.Follow(new BeamLog(moves, rows, search.FirstRow, search));
            if (search.Live > 0) Compare(search, sentence.Search.Describe(StepBuffers.Room(ref _sums, search.Beams)));
            if (search.Live == 0)
            {
                Leave(sentence);
                finished.Add(sentence);
                continue;
            }

            sentence.FirstRow = _nextRows.Count;
            _sentences[kept++] = sentence;
            for (int row = 0; row < search.Live; row++)
            {
                int token = moves[2 * (((search.Taken - 1) * rows) + search.FirstRow + row)].Token;
                _nextRows.Add(NewRow(sentence, token, search.Length, table.Slice((search.FirstRow + row) * columns, Blocks(search.Length))));
            }
        }

        _sentences.RemoveRange(kept, _sentences.Count - kept);
        foreach (Row row in _rows) Release(row);
        ReleaseSpare();
        (_rows, _nextRows) = (_nextRows, _rows);

        ReadOnlySpan<int> Found(Range part) => _found.AsSpan(part.Start.Value - start, part.End.Value - part.Start.Value);
    }

    // What the backend says of a search, and what its moves make of it here: a device that went wrong must not go on unnoticed.
    private static void Compare(in BeamSentence found, in BeamSentence expected)
    {
        Require(found.Length == expected.Length, "tokens", found.Length, expected.Length);
        Require(found.Ended == expected.Ended, "ended hypotheses", found.Ended, expected.Ended);
        Require(found.TopEnded == expected.TopEnded, "ended best candidates", found.TopEnded, expected.TopEnded);
    }

    private static void Require(bool holds, string what, int found, int expected)
    {
        if (!holds) throw new InvalidOperationException($"The backend says that a search has {found} {what}, expected {expected} by its moves.");
    }

    private Row NewRow(Sentence sentence, int token, int length, ReadOnlySpan<int> blocks)
    {
        Row row = TakeRow();
        row.Sentence = sentence;
        row.Token = token;
        row.Length = length;
        foreach (int block in blocks)
        {
            _cache.TargetBlocks.Share(block);
            row.AddBlock(block);
        }

        return row;
    }
}
