// What a step found out, as far as searches ask for it: from the logits on the device to numbers on the host.
using Engine.Backends;
using Engine.Models;
using Engine.Tensors;

namespace Engine.Decoding;

/// <summary>Reads steps. Its arrays grow, never shrink.</summary>
internal sealed class StepReader(Transformer model, Shortlist shortlist)
{
    private readonly IBackend _backend = model.Backend;
    private int[] _tokens = [], _namedTokens = [], _draws = [], _drawnTokens = [];
    private float[] _scores = [], _alignment = [], _named = [], _distribution = [], _listed = [], _drawnScores = [];
    private int _candidates, _alignmentColumns, _distributionCount, _liveRows;

    // How far the outputs were given.
    private int _distributionGiven, _drawsGiven;

    /// <summary>Reads what the searches want of a step.</summary>
    /// <param name="sentences">The sentences, their rows one after the other.</param>
    /// <param name="liveRows">Rows of all.</param>
    /// <param name="logits">[rows, columns], rows that nobody reads behind the live ones.</param>
    /// <param name="alignment">Attention to the sources, if the plan says so.</param>
    /// <param name="plan">What the step is.</param>
    public void Read(List<Sentence> sentences, int liveRows, in Tensor logits, in Tensor alignment, in StepPlan plan)
    {
        int count = plan.Shape.Rows * plan.Candidates;
        StepBuffers.Room(ref _scores, count);
        StepBuffers.Room(ref _tokens, count);
        (_liveRows, _candidates, _alignmentColumns, _distributionGiven, _drawsGiven) = (liveRows, plan.Candidates, 0, 0, 0);
        if (shortlist.IsUsed) ReadShortlists(sentences, logits);
        else if (plan.Candidates > 0)
        {
            Tensor scores = _backend.TopK(logits, plan.Candidates, out Tensor tokens);
            _backend.Read(scores, _scores.AsSpan(0, count), tokens, _tokens.AsSpan(0, count));
        }

        if (plan.WantsAlignment)
        {
            _alignmentColumns = alignment.Columns;
            _backend.Read(alignment, StepBuffers.Room(ref _alignment, plan.Shape.Rows * alignment.Columns));
        }

        if (shortlist.IsUsed) return;
        if (plan.WantsNamed) ReadNamed(sentences, logits);
        ReadDistributions(sentences, logits);
        ReadDraws(sentences, logits);
    }

    /// <summary>The output of a sentence; asked for in the order of the sentences.</summary>
    public StepOutput OutputOf(Sentence sentence)
    {
        int first = sentence.FirstRow, rows = sentence.Search.Rows, draws = sentence.Search.Draws;
        int distribution = sentence.Search.WantsDistribution ? rows * model.Config.TargetVocabulary : 0;
        int candidates = shortlist.IsUsed ? sentence.Candidates : _candidates;
        var output = new StepOutput
        {
            Scores = _scores.AsSpan(first * _candidates, rows * candidates),
            Tokens = _tokens.AsSpan(first * _candidates, rows * candidates),
            Candidates = candidates,
            Distribution = _distribution.AsSpan(_distributionGiven, distribution),
            Named = sentence.Search.WantsNamed ? _named.AsSpan(first, rows) : default,
            DrawnTokens = _drawnTokens.AsSpan(_drawsGiven, draws),
            DrawnScores = _drawnScores.AsSpan(_drawsGiven, draws),
            Alignment = sentence.Rules.WantsAlignment
                ? _alignment.AsSpan(first * _alignmentColumns, rows * _alignmentColumns)
                : default,
            AlignmentColumns = _alignmentColumns,
            SourceLength = sentence.SourceIds.Length,
        };
        _distributionGiven += distribution;
        _drawsGiven += draws;
        return output;
    }

    private void ReadNamed(List<Sentence> sentences, in Tensor logits)
    {
        Span<int> tokens = StepBuffers.Room(ref _namedTokens, logits.Rows);
        tokens.Clear();
        foreach (Sentence sentence in sentences)
        {
            if (!sentence.Search.WantsNamed) continue;
            for (int row = 0; row < sentence.Search.Rows; row++) tokens[sentence.FirstRow + row] = sentence.Search.NamedToken(row);
        }

        _backend.Read(_backend.LogProbability(logits, StepBuffers.Upload(_backend, tokens)), StepBuffers.Room(ref _named, logits.Rows));
    }

    private void ReadDistributions(List<Sentence> sentences, in Tensor logits)
    {
        _distributionCount = 0;
        foreach (Sentence sentence in sentences)
        {
            if (!sentence.Search.WantsDistribution) continue;
            Tensor rows = _backend.LogSoftmax(logits.RowRange(sentence.FirstRow, sentence.Search.Rows));
            int start = _distributionCount;
            _distributionCount += (int)rows.Shape.Count;
            StepBuffers.Keep(ref _distribution, start, _distributionCount);
            _backend.Read(rows, _distribution.AsSpan(start, (int)rows.Shape.Count));
        }
    }

    // Neighbours of one temperature draw together; rows that nobody reads, too, so that steps stay equal.
    private void ReadDraws(List<Sentence> sentences, in Tensor logits)
    {
        int draws = 0;
        foreach (Sentence sentence in sentences) draws += sentence.Search.Draws;
        if (draws == 0) return;
        Tensor keys = UploadDraws(sentences, Math.Max(draws, logits.Rows));
        for (int s = 0, first = 0; s < sentences.Count;)
        {
            Sentence sentence = sentences[s++];
            int count = sentence.Search.Draws, rows = sentence.Search.Rows;
            if (count == 0) continue;
            while (count == rows && s < sentences.Count && DrawsBeside(sentence, sentences[s]))
                (count, rows) = (count + sentences[s].Search.Draws, rows + sentences[s++].Search.Rows);
            if (count == rows && count == _liveRows) count = rows = logits.Rows;
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
        _backend.Read(scores, _drawnScores.AsSpan(first, keys.Rows), tokens, _drawnTokens.AsSpan(first, keys.Rows));
    }

    private Tensor UploadDraws(List<Sentence> sentences, int draws)
    {
        StepBuffers.Room(ref _drawnTokens, draws);
        StepBuffers.Room(ref _drawnScores, draws);
        Span<int> all = StepBuffers.Room(ref _draws, draws * TokenDraw.Columns), left = all;
        foreach (Sentence sentence in sentences)
        {
            sentence.Search.GatherDraws(left);
            left = left[(sentence.Search.Draws * TokenDraw.Columns)..];
        }

        left.Clear();
        return StepBuffers.Table(StepBuffers.Upload(_backend, all), .., draws, TokenDraw.Columns);
    }

    // Each sentence sees the columns of its list only, side by side, as if it were alone.
    private void ReadShortlists(List<Sentence> sentences, in Tensor logits)
    {
        _distributionCount = 0;
        StepBuffers.Room(ref _named, _liveRows);
        int draws = 0;
        foreach (Sentence sentence in sentences)
        {
            int first = sentence.FirstRow, rows = sentence.Search.Rows;
            Tensor own = logits.RowRange(first, rows);
            if (sentence.Columns is { } columns) own = _backend.SelectColumns(own, StepBuffers.Upload(_backend, columns));
            int candidates = sentence.Candidates = Math.Min(_candidates, own.Columns), count = rows * candidates;
            Span<int> chosen = _tokens.AsSpan(first * _candidates, count);
            if (candidates > 0)
            {
                _backend.Read(_backend.TopK(own, candidates, out Tensor tokens), _scores.AsSpan(first * _candidates, count));
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
        StepBuffers.Keep(ref _drawnTokens, first, first + draws);
        StepBuffers.Keep(ref _drawnScores, first, first + draws);
        Span<int> keys = StepBuffers.Room(ref _draws, draws * TokenDraw.Columns);
        sentence.Search.GatherDraws(keys);
        Draw(own, StepBuffers.Table(StepBuffers.Upload(_backend, keys), .., draws, TokenDraw.Columns), sentence, first);
        Name(_drawnTokens.AsSpan(first, draws), sentence);
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
        Span<int> named = StepBuffers.Room(ref _namedTokens, own.Rows);
        for (int row = 0; row < named.Length; row++)
        {
            int token = sentence.Search.NamedToken(row);
            named[row] = sentence.Shortlist is { } list ? Array.BinarySearch(list, token) : token;
        }

        _backend.Read(_backend.LogProbability(own, StepBuffers.Upload(_backend, named)), _named.AsSpan(sentence.FirstRow, own.Rows));
    }

    private void ReadDistribution(Sentence sentence, in Tensor own)
    {
        int vocabulary = model.Config.TargetVocabulary, start = _distributionCount;
        _distributionCount += own.Rows * vocabulary;
        StepBuffers.Keep(ref _distribution, start, _distributionCount);
        Span<float> all = _distribution.AsSpan(start, own.Rows * vocabulary);
        Tensor values = _backend.LogSoftmax(own);
        if (sentence.Shortlist is not { } list)
        {
            _backend.Read(values, all);
            return;
        }

        Span<float> some = StepBuffers.Room(ref _listed, (int)values.Shape.Count);
        _backend.Read(values, some);
        all.Fill(float.NegativeInfinity);
        for (int i = 0; i < some.Length; i++) all[(i / list.Length * vocabulary) + list[i % list.Length]] = some[i];
    }
}
