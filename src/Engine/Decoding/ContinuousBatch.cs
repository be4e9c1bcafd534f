// Continuous batching: each step has a row for every live hypothesis of every sentence; a hypothesis that ends leaves at once,
// and a waiting sentence takes its place. What a sentence gets does not depend on who else is in the batch.
using Engine.Backends;
using Engine.Models;
using Engine.Tensors;

namespace Engine.Decoding;

/// <summary>The sentences that are being decoded. Used by one thread.</summary>
internal sealed partial class ContinuousBatch : IDisposable
{
    // Rows of one encoder pass: enough to fill the machine, few enough that activations stay small.
    private const int EncoderRows = 8192;

    private readonly Transformer _model;
    private readonly IBackend _backend;
    private readonly DecoderCache _cache;
    private readonly LogitEdits _edits;
    private readonly Shortlist _shortlist;
    private readonly RowMoves _moves = new();
    private readonly List<Sentence> _sentences = [];
    private readonly List<Row> _spare = [];
    private readonly StepBuffers _buffers = new();
    private List<Row> _rows = [];
    private List<Row> _nextRows = [];
    private bool[] _moved = [];

    /// <summary>An empty batch.</summary>
    public ContinuousBatch(Transformer model)
    {
        _model = model;
        _backend = model.Backend;
        _cache = new DecoderCache(model, targetBlocks: 64, sourceBlocks: 64);
        _edits = new LogitEdits(model.Config.TargetVocabulary);
        _shortlist = new Shortlist(model);
    }

    /// <summary>Sentences that are being decoded.</summary>
    public int Count => _sentences.Count;

    /// <summary>The sentences, for when all must be told of a failure.</summary>
    public IReadOnlyList<Sentence> Sentences => _sentences;

    /// <summary>Encodes sentences and takes them into the batch: all of them, or none.</summary>
    /// <exception cref="OutOfMemoryException">There is no room for so many; the batch goes on without them.</exception>
    public void Admit(ReadOnlySpan<Sentence> sentences)
    {
        int firstSentence = _sentences.Count, firstRow = _rows.Count;
        try
        {
            while (sentences.Length > 0)
            {
                int count = 1, rows = sentences[0].SourceIds.Length;
                while (count < sentences.Length && rows + sentences[count].SourceIds.Length <= EncoderRows)
                    rows += sentences[count++].SourceIds.Length;
                Encode(sentences[..count], rows);
                sentences = sentences[count..];
            }
        }
        catch (OutOfMemoryException)
        {
            TakeOut(firstSentence, firstRow);
            throw;
        }

        _shortlist.Update(_sentences);
    }

    /// <summary>Takes one step with every live hypothesis, or some where the backend can do without a look at them.</summary>
    /// <param name="finished">Takes the sentences whose search ended.</param>
    /// <exception cref="OutOfMemoryException">There is no room for it; the sentences are where they were.</exception>
    public void Step(List<Sentence> finished)
    {
        DropCancelled(finished);
        if (_rows.Count == 0) return;
        int steps = StepsAlone();
        if (steps > 1)
        {
            Run(steps, finished);
            return;
        }

        StepPlan plan = Plan();
        int filled = 0, copies = 0;
        try
        {
            for (; filled < _rows.Count; filled++) FillRow(_rows[filled], filled, plan.Shape, ref copies);
            _buffers.FillUp(_rows.Count, copies);
            _cache.Reserve();
            RunFrame(plan, copies);
        }
        catch (OutOfMemoryException)
        {
            GiveBlocksBack(filled, copies);
            throw;
        }

        foreach (Row row in _rows) row.Length++;
        Advance(finished);
    }

    /// <summary>Takes the youngest sentences out, to be started anew.</summary>
    /// <param name="count">How many, at least 1.</param>
    public Sentence[] TakeOut(int count)
    {
        int first = _sentences.Count - count;
        Sentence[] taken = [.. _sentences[first..]];
        TakeOut(first, taken[0].FirstRow);
        return taken;
    }

    /// <summary>Frees the caches.</summary>
    public void Dispose()
    {
        if (!_state.IsNone) _backend.Free(_state);
        _shortlist.Dispose();
        _cache.Dispose();
    }

    private void Encode(ReadOnlySpan<Sentence> sentences, int rows)
    {
        int[] ids = new int[rows], positions = new int[rows], slots = new int[rows], lengths = new int[sentences.Length];
        int row = 0;
        for (int s = 0; s < sentences.Length; s++)
        {
            int[] source = sentences[s].SourceIds;
            lengths[s] = source.Length;
            var blocks = new int[(source.Length + KeyValueCache.BlockPositions - 1) / KeyValueCache.BlockPositions];
            for (int b = 0; b < blocks.Length; b++) blocks[b] = _cache.SourceBlocks.Take();
            sentences[s].SourceBlocks = blocks;
            _sentences.Add(sentences[s]);
            for (int i = 0; i < source.Length; i++, row++)
            {
                ids[row] = source[i];
                positions[row] = i;
                slots[row] = (blocks[i / KeyValueCache.BlockPositions] * KeyValueCache.BlockPositions) +
                    (i % KeyValueCache.BlockPositions);
            }

            AddRow(sentences[s]);
        }

        _cache.Reserve();
        _backend.BeginFrame();
        try
        {
            Ragged batch = Ragged.Create(_backend, lengths);
            Tensor memory = _model.Encoder.Forward(_backend, Upload(ids), Upload(positions), batch);
            _model.Decoder.Remember(_backend, memory, _cache.Sources, Upload(slots));
        }
        finally
        {
            _backend.EndFrame();
        }
    }

    private void AddRow(Sentence sentence)
    {
        Row row = TakeRow();
        row.Sentence = sentence;
        row.Token = sentence.StartToken;
        sentence.FirstRow = _rows.Count;
        _rows.Add(row);
    }

    // The rows of the youngest are the last.
    private void TakeOut(int firstSentence, int firstRow)
    {
        for (int r = firstRow; r < _rows.Count; r++) Release(_rows[r]);
        _rows.RemoveRange(firstRow, _rows.Count - firstRow);
        foreach (Sentence sentence in _sentences[firstSentence..])
        {
            Leave(sentence);
            sentence.Restart();
        }

        _sentences.RemoveRange(firstSentence, _sentences.Count - firstSentence);
        _cache.ForgetUnreserved();
    }

    private StepPlan Plan()
    {
        int targetLongest = 0, sourceLongest = 0, candidates = 0;
        bool wantsAlignment = false, wantsNamed = false;
        foreach (Sentence sentence in _sentences)
        {
            sourceLongest = Math.Max(sourceLongest, sentence.SourceIds.Length);
            wantsAlignment |= sentence.Rules.WantsAlignment;
            wantsNamed |= sentence.Search.WantsNamed;
            candidates = Math.Max(candidates, sentence.Search.Candidates);
        }

        foreach (Row row in _rows) targetLongest = Math.Max(targetLongest, row.Length + 1);
        candidates = Math.Min(candidates, _model.Config.TargetVocabulary);
        var shape = new StepShape(
            _rows.Count, Blocks(targetLongest), Blocks(sourceLongest), _backend.PrefersEqualSteps);
        _buffers.Resize(shape, candidates);
        return new StepPlan(shape, targetLongest, sourceLongest, candidates, wantsAlignment, wantsNamed);
    }

    private void RunFrame(in StepPlan plan, int copies)
    {
        _backend.BeginFrame(repeats: true);
        try
        {
            RunModel(plan, copies);
        }
        finally
        {
            _backend.EndFrame();
        }
    }

    private void RunModel(in StepPlan plan, int copies)
    {
        StepBuffers b = _buffers;
        StepShape shape = plan.Shape;
        Tensor input = Upload(b.Input);
        if (shape.IsFilledUp && _rows.Count > _sentences.Count) copies = shape.Rows;   // several rows of one sentence may share
        DecoderStep step = StepOf(input, plan, copies);
        Tensor logits = _model.Decoder.Step(_backend, step, _cache.Targets, _cache.Sources, out Tensor alignment);
        GatherEdits(logits);
        b.Candidates = plan.Candidates;
        if (_shortlist.IsUsed) ReadShortlists(logits);
        else if (plan.Candidates > 0)
        {
            Tensor scores = _backend.TopK(logits, plan.Candidates, out Tensor tokens);
            int count = shape.Rows * plan.Candidates;
            _backend.Read(scores, b.Scores.AsSpan(0, count), tokens, b.Tokens.AsSpan(0, count));
        }

        b.AlignmentColumns = 0;
        if (plan.WantsAlignment)
        {
            b.AlignmentColumns = alignment.Columns;
            _backend.Read(alignment, StepBuffers.Room(ref b.Alignment, shape.Rows * alignment.Columns));
        }

        if (!_shortlist.IsUsed)
        {
            if (plan.WantsNamed) ReadNamed(logits, shape.Rows);
            ReadDistributions(logits);
            ReadDraws(logits);
        }
    }

    private DecoderStep StepOf(in Tensor input, in StepPlan plan, int copies)
    {
        StepBuffers b = _buffers;
        StepShape shape = plan.Shape;
        return new DecoderStep
        {
            Ids = Part(input, b.Ids),
            PositionIds = Part(input, b.Positions),
            Slots = Part(input, b.Slots),
            BlockCopies = copies == 0 ? Tensor.None : Table(input, b.Copies, copies, 2),
            Target = new CacheView(
                Table(input, b.TargetBlocks, shape.Rows, shape.TargetBlocks), Part(input, b.TargetLengths), plan.TargetLongest),
            Source = new CacheView(
                Table(input, b.SourceBlocks, shape.Rows, shape.SourceBlocks), Part(input, b.SourceLengths), plan.SourceLongest),
            Output = _shortlist.Output,
            WantsAlignment = plan.WantsAlignment,
        };
    }

    // A block that other hypotheses share is copied before this one writes into it.
    private void FillRow(Row row, int place, in StepShape shape, ref int copies)
    {
        StepBuffers b = _buffers;
        int inBlock = row.Length % KeyValueCache.BlockPositions;
        if (inBlock == 0) row.AddBlock(_cache.TargetBlocks.Take());
        else if (_cache.TargetBlocks.IsShared(row.Blocks[^1]))
        {
            int copy = _cache.TargetBlocks.Take();
            b.Input[b.Copies][2 * copies] = row.Blocks[^1];
            b.Input[b.Copies][(2 * copies++) + 1] = copy;
            _cache.TargetBlocks.Release(row.Blocks[^1]);
            row.ReplaceLastBlock(copy);
        }

        bool isZero = row.Length == 0 && _model.Config.StartsFromZeroEmbedding;
        Sentence sentence = row.Sentence!;
        Span<int> input = b.Input;
        input[b.Ids][place] = isZero ? -1 : row.Token;
        input[b.Positions][place] = row.Length;
        input[b.Slots][place] = (row.Blocks[^1] * KeyValueCache.BlockPositions) + inBlock;
        input[b.TargetLengths][place] = row.Length + 1;
        input[b.SourceLengths][place] = sentence.SourceIds.Length;
        Pad(row.Blocks, input[b.TargetBlocks].Slice(place * shape.TargetBlocks, shape.TargetBlocks));
        Pad(sentence.SourceBlocks, input[b.SourceBlocks].Slice(place * shape.SourceBlocks, shape.SourceBlocks));
    }

    // What a step that failed has written is written again when it is tried anew; only its blocks must not stay taken.
    private void GiveBlocksBack(int rows, int copies)
    {
        StepBuffers b = _buffers;
        Span<int> pairs = b.Input[b.Copies];
        int copy = 0;
        for (int r = 0; r < rows; r++)
        {
            Row row = _rows[r];
            int taken = row.Blocks[^1];
            if (row.Length % KeyValueCache.BlockPositions == 0) row.RemoveLastBlock();
            else if (copy < copies && pairs[(2 * copy) + 1] == taken)
            {
                int shared = pairs[2 * copy++];
                _cache.TargetBlocks.Share(shared);
                row.ReplaceLastBlock(shared);
            }
            else continue;
            _cache.TargetBlocks.Release(taken);
        }

        _cache.ForgetUnreserved();
    }

    private void GatherEdits(in Tensor logits)
    {
        _edits.Clear(_shortlist.Columns);
        foreach (Sentence sentence in _sentences) sentence.Search.Gather(_edits, sentence.FirstRow);
        _edits.Apply(_backend, logits);
    }

    private void ReadNamed(in Tensor logits, int rows)
    {
        Span<int> tokens = StepBuffers.Room(ref _buffers.NamedTokens, rows);
        tokens.Clear();
        foreach (Sentence sentence in _sentences)
        {
            if (!sentence.Search.WantsNamed) continue;
            for (int row = 0; row < sentence.Search.Rows; row++) tokens[sentence.FirstRow + row] = sentence.Search.NamedToken(row);
        }

        _backend.Read(_backend.LogProbability(logits, Upload(tokens)), StepBuffers.Room(ref _buffers.Named, rows));
    }

    private void ReadDistributions(in Tensor logits)
    {
        _buffers.DistributionCount = 0;
        foreach (Sentence sentence in _sentences)
        {
            if (!sentence.Search.WantsDistribution) continue;
            Tensor rows = _backend.LogSoftmax(logits.RowRange(sentence.FirstRow, sentence.Search.Rows));
            int start = _buffers.DistributionCount;
            _buffers.DistributionCount += (int)rows.Shape.Count;
            StepBuffers.Keep(ref _buffers.Distribution, start, _buffers.DistributionCount);
            _backend.Read(rows, _buffers.Distribution.AsSpan(start, (int)rows.Shape.Count));
        }
    }

    // Neighbours of one temperature draw together; rows that nobody reads, too, so that steps stay equal.
    private void ReadDraws(in Tensor logits)
    {
        int draws = 0;
        foreach (Sentence sentence in _sentences) draws += sentence.Search.Draws;
        if (draws == 0) return;
        Tensor keys = UploadDraws(Math.Max(draws, logits.Rows));
        for (int s = 0, first = 0; s < _sentences.Count;)
        {
            Sentence sentence = _sentences[s++];
            int count = sentence.Search.Draws, rows = sentence.Search.Rows;
            if (count == 0) continue;
            while (count == rows && s < _sentences.Count && DrawsBeside(sentence, _sentences[s]))
                (count, rows) = (count + _sentences[s].Search.Draws, rows + _sentences[s++].Search.Rows);
            if (count == rows && count == _rows.Count) count = rows = logits.Rows;
            Draw(logits.RowRange(sentence.FirstRow, rows), keys.RowRange(first, count), sentence, first);
            first += count;
        }
    }

    private static bool DrawsBeside(Sentence sentence, Sentence next) => next.Search.Draws > 0
        && next.Search.Draws == next.Search.Rows
        && next.Rules.Options.SamplingTemperature == sentence.Rules.Options.SamplingTemperature;

    // Several draws of one row see it several times: rows that are no distance apart.
    private void Draw(Tensor logits, in Tensor keys, Sentence sentence, int first)
    {
        if (keys.Rows != logits.Rows) logits = logits with { Shape = new Shape(keys.Rows, logits.Columns), Stride = 0 };
        Tensor scores = _backend.Sample(logits, keys, sentence.Rules.Options.SamplingTemperature, out Tensor tokens);
        StepBuffers b = _buffers;
        _backend.Read(scores, b.DrawnScores.AsSpan(first, keys.Rows), tokens, b.DrawnTokens.AsSpan(first, keys.Rows));
    }

    private Tensor UploadDraws(int draws)
    {
        StepBuffers.Room(ref _buffers.DrawnTokens, draws);
        StepBuffers.Room(ref _buffers.DrawnScores, draws);
        Span<int> all = StepBuffers.Room(ref _buffers.Draws, draws * TokenDraw.Columns), left = all;
        foreach (Sentence sentence in _sentences)
        {
            sentence.Search.GatherDraws(left);
            left = left[(sentence.Search.Draws * TokenDraw.Columns)..];
        }

        left.Clear();
        return Table(Upload(all), .., draws, TokenDraw.Columns);
    }

    // Each sentence sees the columns of its list only, side by side, as if it were alone.
    private void ReadShortlists(in Tensor logits)
    {
        StepBuffers b = _buffers;
        b.DistributionCount = 0;
        StepBuffers.Room(ref b.Named, _rows.Count);
        int draws = 0;
        foreach (Sentence sentence in _sentences)
        {
            int first = sentence.FirstRow, rows = sentence.Search.Rows;
            Tensor own = logits.RowRange(first, rows);
            if (sentence.Columns is { } columns) own = _backend.SelectColumns(own, Upload(columns));
            int candidates = sentence.Candidates = Math.Min(b.Candidates, own.Columns), count = rows * candidates;
            Span<int> chosen = b.Tokens.AsSpan(first * b.Candidates, count);
            if (candidates > 0)
            {
                _backend.Read(_backend.TopK(own, candidates, out Tensor tokens), b.Scores.AsSpan(first * b.Candidates, count));
                _backend.Read(tokens, chosen);
                Name(chosen, sentence);
            }

            if (sentence.Search.WantsNamed) ReadNamed(sentence, own);
            if (sentence.Search.WantsDistribution) ReadDistribution(sentence, own);
            draws = ReadDraws(sentence, own, draws);
        }
    }

    // What is drawn from a list is drawn by the place in it; the list is the sentence's own.
    private int ReadDraws(Sentence sentence, in Tensor own, int first)
    {
        int draws = sentence.Search.Draws;
        if (draws == 0) return first;
        StepBuffers b = _buffers;
        StepBuffers.Keep(ref b.DrawnTokens, first, first + draws);
        StepBuffers.Keep(ref b.DrawnScores, first, first + draws);
        Span<int> keys = StepBuffers.Room(ref b.Draws, draws * TokenDraw.Columns);
        sentence.Search.GatherDraws(keys);
        Draw(own, Table(Upload(keys), .., draws, TokenDraw.Columns), sentence, first);
        Name(b.DrawnTokens.AsSpan(first, draws), sentence);
        return first + draws;
    }

    // Places in a list become the tokens that stand there.
    private static void Name(Span<int> chosen, Sentence sentence)
    {
        if (sentence.Shortlist is { } list) foreach (ref int token in chosen) token = list[token];
    }

    // A prefix is on its sentence's list, so what is named is.
    private void ReadNamed(Sentence sentence, in Tensor own)
    {
        Span<int> named = StepBuffers.Room(ref _buffers.NamedTokens, own.Rows);
        for (int row = 0; row < named.Length; row++)
        {
            int token = sentence.Search.NamedToken(row);
            named[row] = sentence.Shortlist is { } list ? Array.BinarySearch(list, token) : token;
        }

        _backend.Read(_backend.LogProbability(own, Upload(named)), _buffers.Named.AsSpan(sentence.FirstRow, own.Rows));
    }

    private void ReadDistribution(Sentence sentence, in Tensor own)
    {
        int vocabulary = _model.Config.TargetVocabulary, start = _buffers.DistributionCount;
        _buffers.DistributionCount += own.Rows * vocabulary;
        StepBuffers.Keep(ref _buffers.Distribution, start, _buffers.DistributionCount);
        Span<float> all = _buffers.Distribution.AsSpan(start, own.Rows * vocabulary);
        Tensor values = _backend.LogSoftmax(own);
        if (sentence.Shortlist is not { } list)
        {
            _backend.Read(values, all);
            return;
        }

        Span<float> some = StepBuffers.Room(ref _buffers.Listed, (int)values.Shape.Count);
        _backend.Read(values, some);
        all.Fill(float.NegativeInfinity);
        for (int i = 0; i < some.Length; i++) all[(i / list.Length * vocabulary) + list[i % list.Length]] = some[i];
    }

    private void Advance(List<Sentence> finished)
    {
        StepBuffers b = _buffers;
        _moves.Clear();
        int distribution = 0, drawn = 0, kept = 0;
        for (int s = 0; s < _sentences.Count; s++)
        {
            Sentence sentence = _sentences[s];
            int first = sentence.FirstRow, rows = sentence.Search.Rows;
            int distributionCount = sentence.Search.WantsDistribution ? rows * _model.Config.TargetVocabulary : 0;
            int draws = sentence.Search.Draws, candidates = _shortlist.IsUsed ? sentence.Candidates : b.Candidates;
            var output = new StepOutput
            {
                Scores = b.Scores.AsSpan(first * b.Candidates, rows * candidates),
                Tokens = b.Tokens.AsSpan(first * b.Candidates, rows * candidates),
                Candidates = candidates,
                Distribution = b.Distribution.AsSpan(distribution, distributionCount),
                Named = sentence.Search.WantsNamed ? b.Named.AsSpan(first, rows) : default,
                DrawnTokens = b.DrawnTokens.AsSpan(drawn, draws),
                DrawnScores = b.DrawnScores.AsSpan(drawn, draws),
                Alignment = sentence.Rules.WantsAlignment
                    ? b.Alignment.AsSpan(first * b.AlignmentColumns, rows * b.AlignmentColumns)
                    : default,
                AlignmentColumns = b.AlignmentColumns,
                SourceLength = sentence.SourceIds.Length,
            };
            distribution += distributionCount;
            drawn += draws;
            _moves.FirstRow = first;
            int mark = _moves.Count;
            sentence.Search.Advance(output, _moves);
            if (sentence.Search.IsFinished)
            {
                Leave(sentence);
                finished.Add(sentence);
                continue;
            }

            sentence.FirstRow = mark;
            _sentences[kept++] = sentence;
        }

        _sentences.RemoveRange(kept, _sentences.Count - kept);
        MoveRows();
    }

    // The first child of a row takes it over, the others share its blocks; a row without children lets go of them.
    private void MoveRows()
    {
        if (_moved.Length < _rows.Count) _moved = new bool[2 * _rows.Count];
        Array.Clear(_moved, 0, _rows.Count);
        _nextRows.Clear();
        for (int i = 0; i < _moves.Count; i++)
        {
            (int parent, int token) = _moves[i];
            Row row = _rows[parent];
            if (_moved[parent])
            {
                Row twin = TakeRow();
                twin.Share(row, _cache.TargetBlocks);
                row = twin;
            }

            _moved[parent] = true;
            row.Token = token;
            _nextRows.Add(row);
        }

        for (int r = 0; r < _rows.Count; r++)
        {
            if (!_moved[r]) Release(_rows[r]);
        }

        (_rows, _nextRows) = (_nextRows, _rows);
    }

    private void DropCancelled(List<Sentence> finished)
    {
        int kept = 0, rowsKept = 0;
        for (int s = 0; s < _sentences.Count; s++)
        {
            Sentence sentence = _sentences[s];
            int first = sentence.FirstRow, rows = sentence.Search.Rows;
            if (sentence.Cancellation.IsCancellationRequested)
            {
                for (int r = 0; r < rows; r++) Release(_rows[first + r]);
                Leave(sentence);
                finished.Add(sentence);
                continue;
            }

            sentence.FirstRow = rowsKept;
            for (int r = 0; r < rows; r++) _rows[rowsKept++] = _rows[first + r];
            _sentences[kept++] = sentence;
        }

        _rows.RemoveRange(rowsKept, _rows.Count - rowsKept);
        _sentences.RemoveRange(kept, _sentences.Count - kept);
    }

    private void Leave(Sentence sentence)
    {
        foreach (int block in sentence.SourceBlocks) _cache.SourceBlocks.Release(block);
        sentence.SourceBlocks = [];
    }

    private Row TakeRow()
    {
        if (_spare.Count == 0) return new Row();
        Row row = _spare[^1];
        _spare.RemoveAt(_spare.Count - 1);
        return row;
    }

    private void Release(Row row)
    {
        row.Clear(_cache.TargetBlocks);
        _spare.Add(row);
    }

    private static Tensor Part(in Tensor input, Range part)
    {
        (int start, int count) = part.GetOffsetAndLength(input.Columns);
        return input.ColumnRange(start, count);
    }

    private static Tensor Table(in Tensor input, Range part, int rows, int columns) =>
        Part(input, part) with { Shape = new Shape(rows, columns), Stride = columns };

    private Tensor Upload(ReadOnlySpan<int> values)
    {
        Tensor tensor = _backend.Rent(new Shape(1, values.Length), DType.Int32);
        _backend.Write(tensor, values);
        return tensor;
    }

    private static int Blocks(int positions) => (positions + KeyValueCache.BlockPositions - 1) / KeyValueCache.BlockPositions;

    private static void Pad(ReadOnlySpan<int> blocks, Span<int> row)
    {
        blocks.CopyTo(row);
        row[blocks.Length..].Clear();
    }

    // What a step is, found out before anything is taken for it.
    private readonly record struct StepPlan(
        StepShape Shape, int TargetLongest, int SourceLongest, int Candidates, bool WantsAlignment, bool WantsNamed);
}
