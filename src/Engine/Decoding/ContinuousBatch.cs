// Continuous batching: each step has a row for every live hypothesis of every sentence; one that ends leaves at once, or, where the
// backend takes some steps alone, after these, and a waiting sentence takes its place. What a sentence gets does not depend on who else
// is in the batch.
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
    private readonly StepReader _reader;
    private List<Row> _rows = [];
    private List<Row> _nextRows = [];
    private bool[] _moved = [];

    // What rows see that have no hypothesis: where steps have such rows, a block that nobody writes to.
    private readonly int _idleBlock;

    /// <summary>An empty batch.</summary>
    public ContinuousBatch(Transformer model)
    {
        _model = model;
        _backend = model.Backend;
        _cache = new DecoderCache(model, targetBlocks: 64, sourceBlocks: 64);
        _edits = new LogitEdits(model.Config.TargetVocabulary);
        _shortlist = new Shortlist(model);
        _reader = new StepReader(model, _shortlist);
        if (_backend.PrefersEqualSteps || _backend.StepsAtOnce > 1) _idleBlock = _cache.TargetBlocks.Take();
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
        if (steps > 1 && TryRun(steps, finished)) return;
        StepPlan plan = Plan();
        int filled = 0, copies = 0;
        try
        {
            for (; filled < _rows.Count; filled++) FillRow(_rows[filled], filled, plan.Shape, ref copies);
            _buffers.FillUp(_rows.Count, copies, _idleBlock);
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
        FreeState();
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
            Tensor idsOfAll = StepBuffers.Upload(_backend, ids), positionsOfAll = StepBuffers.Upload(_backend, positions);
            Tensor memory = _model.Encoder.Forward(_backend, idsOfAll, positionsOfAll, batch);
            _model.Decoder.Remember(_backend, memory, _cache.Sources, StepBuffers.Upload(_backend, slots));
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
        _buffers.Resize(shape);
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
        Tensor input = StepBuffers.Upload(_backend, b.Input);
        if (shape.IsFilledUp && _rows.Count > _sentences.Count) copies = shape.Rows;   // several rows of one sentence may share
        DecoderStep step = StepOf(input, plan, copies);
        Tensor logits = _model.Decoder.Step(_backend, step, _cache.Targets, _cache.Sources, out Tensor alignment);
        GatherEdits(logits);
        _reader.Read(_sentences, _rows.Count, logits, alignment, plan);
    }

    private DecoderStep StepOf(in Tensor input, in StepPlan plan, int copies)
    {
        StepBuffers b = _buffers;
        StepShape shape = plan.Shape;
        return new DecoderStep
        {
            Ids = StepBuffers.Part(input, b.Ids),
            PositionIds = StepBuffers.Part(input, b.Positions),
            Slots = StepBuffers.Part(input, b.Slots),
            BlockCopies = copies == 0 ? Tensor.None : StepBuffers.Table(input, b.Copies, copies, 2),
            Target = new CacheView(
                StepBuffers.Table(input, b.TargetBlocks, shape.Rows, shape.TargetBlocks),
                StepBuffers.Part(input, b.TargetLengths), plan.TargetLongest),
            Source = new CacheView(
                StepBuffers.Table(input, b.SourceBlocks, shape.Rows, shape.SourceBlocks),
                StepBuffers.Part(input, b.SourceLengths), plan.SourceLongest),
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
        Span<int> input = b.Input;
        input[b.Ids][place] = isZero ? -1 : row.Token;
        input[b.Positions][place] = row.Length;
        input[b.Slots][place] = (row.Blocks[^1] * KeyValueCache.BlockPositions) + inBlock;
        input[b.TargetLengths][place] = row.Length + 1;
        Pad(row.Blocks, input[b.TargetBlocks].Slice(place * shape.TargetBlocks, shape.TargetBlocks));
        FillSource(row.Sentence!, place, shape);
    }

    private void FillSource(Sentence sentence, int place, in StepShape shape)
    {
        StepBuffers b = _buffers;
        b.Input[b.SourceLengths][place] = sentence.SourceIds.Length;
        Pad(sentence.SourceBlocks, b.Input[b.SourceBlocks].Slice(place * shape.SourceBlocks, shape.SourceBlocks));
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

    private void Advance(List<Sentence> finished)
    {
        _moves.Clear();
        int kept = 0;
        for (int s = 0; s < _sentences.Count; s++)
        {
            Sentence sentence = _sentences[s];
            StepOutput output = _reader.OutputOf(sentence);
            _moves.FirstRow = sentence.FirstRow;
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

    private static int Blocks(int positions) => (positions + KeyValueCache.BlockPositions - 1) / KeyValueCache.BlockPositions;

    private static void Pad(ReadOnlySpan<int> blocks, Span<int> row)
    {
        blocks.CopyTo(row);
        row[blocks.Length..].Clear();
    }
}
