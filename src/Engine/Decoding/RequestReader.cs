// From tokens to ids on the way in, and back on the way out: the rules of CTranslate2 about special tokens and lengths.
using Engine.Explaining;
using Engine.Formats;
using Engine.Models;
using Engine.Text;

namespace Engine.Decoding;

/// <summary>Makes sentences of requests and results of sentences.</summary>
internal sealed class RequestReader
{
    private readonly Vocabulary _source;
    private readonly Vocabulary _target;
    private readonly SpecialTokens _tokens;
    private readonly VocabularyMap? _map;
    private readonly int _sourceLimit;
    private readonly int _targetLimit;

    public RequestReader(ModelData data, int sourceLimit, int targetLimit)
    {
        _source = data.SourceVocabulary;
        _target = data.TargetVocabulary;
        _tokens = data.Tokens;
        _map = data.VocabularyMap;
        _sourceLimit = sourceLimit;
        _targetLimit = targetLimit;
    }

    /// <summary>Reads a request; null if its result needs no model, as that of an empty source.</summary>
    public Sentence? Read(
        TranslationRequest request, DecodingOptions defaults, CancellationToken cancellation, out TranslationResult? ready)
    {
        DecodingOptions options = request.Options ?? defaults;
        DecodingRules rules = DecodingRules.Resolve(options, _target, _tokens.End, _targetLimit);
        IReadOnlyList<string> given = request.TargetPrefix ?? [];
        if (_tokens.DecoderStart is null && given.Count == 0)
            throw new ArgumentException("The target prefix is empty, expected the decoder's start token first.", nameof(request));
        int start = _target.Id(_tokens.DecoderStart ?? given[0]);
        int[] prefix = Ids(_target, given.Skip(_tokens.DecoderStart is null ? 1 : 0));
        ready = HasContent(request.Source) ? null : EmptyResult(prefix, request.Source.Count, rules);
        if (ready is not null) return null;

        int[] source = SourceIds(request.Source, options.MaxInputLength);
        if (source.Length > _sourceLimit) throw new SequenceTooLongException("The source", source.Length, _sourceLimit);
        if (prefix.Length > _targetLimit) throw new SequenceTooLongException("The target prefix", prefix.Length, _targetLimit);
        return new Sentence
        {
            Request = request,
            SourceIds = source,
            Rules = rules,
            NewSearch = () => MakeSearch(rules, prefix),
            StartToken = start,
            Shortlist = options.UseVmap ? _map?.Candidates(request.Source, [start, .. prefix]) : null,
            Completion = new TaskCompletionSource<TranslationResult>(TaskCreationOptions.RunContinuationsAsynchronously),
            Cancellation = cancellation,
        };
    }

    /// <summary>Reads a request to score; null if its result needs no model.</summary>
    public ScoreJob? Read(ScoreRequest request, CancellationToken cancellation, out ScoreResult? ready)
    {
        ready = null;
        if (request.MaxInputLength < 0)
            throw new ArgumentException($"max_input_length is {request.MaxInputLength}, expected at least 0.", nameof(request));
        if (_tokens.DecoderStart is null && request.Target.Count == 0)
        {
            ready = new ScoreResult([], []);
            return null;
        }

        int end = _target.Id(_tokens.End);
        IEnumerable<string> start = _tokens.DecoderStart is { } token ? [token] : [];
        int[] target = Ids(_target, start.Concat(request.Target).Append(_tokens.End));
        target = Cut(target, request.MaxInputLength == 0 ? 0 : request.MaxInputLength + 1, end);
        int[] source = SourceIds(request.Source, request.MaxInputLength);
        if (source.Length == 0)
        {
            ready = new ScoreResult([.. target.Skip(1).Select(id => _target[id])], new float[target.Length - 1]);
            return null;
        }

        if (source.Length > _sourceLimit) throw new SequenceTooLongException("The source", source.Length, _sourceLimit);
        if (target.Length - 1 > _targetLimit) throw new SequenceTooLongException("The target", target.Length - 1, _targetLimit);
        return new ScoreJob
        {
            SourceIds = source,
            TargetIds = target,
            Completion = new TaskCompletionSource<ScoreResult>(TaskCreationOptions.RunContinuationsAsynchronously),
            Cancellation = cancellation,
        };
    }

    /// <summary>Makes of a request and its answer what the whole graph is run over.</summary>
    /// <param name="request">The request, with its options.</param>
    /// <param name="found">What the search found.</param>
    /// <param name="cancellation">Asks to stop.</param>
    /// <exception cref="ArgumentException">There is nothing to explain.</exception>
    public ExplanationJob Read(TranslationRequest request, TranslationResult found, CancellationToken cancellation)
    {
        if (!HasContent(request.Source))
            throw new ArgumentException("The source is empty, expected at least one token to explain.", nameof(request));
        if (found.Hypotheses.Count == 0)
            throw new ArgumentException("No translation was found, expected one to explain.", nameof(request));
        string start = _tokens.DecoderStart ?? request.TargetPrefix![0];
        int[] target = Ids(_target, found.Hypotheses[0].Tokens.Prepend(start).Append(_tokens.End));
        return new ExplanationJob
        {
            SourceIds = SourceIds(request.Source, request.Options!.MaxInputLength),
            TargetIds = target.Length - 1 > _targetLimit ? target[..(_targetLimit + 1)] : target,
            Hypotheses = found.Hypotheses,
            Completion = new TaskCompletionSource<Explanation>(TaskCreationOptions.RunContinuationsAsynchronously),
            Cancellation = cancellation,
        };
    }

    /// <summary>Makes the result of an ended search.</summary>
    public TranslationResult Answer(Sentence sentence) =>
        new([.. sentence.Search.Results.Select(result => Answer(sentence, result))]);

    private Hypothesis Answer(Sentence sentence, FinishedTrail trail)
    {
        DecodingOptions options = sentence.Rules.Options;
        int length = trail.Tokens.Length;
        while (!options.ReturnEndToken && length > 0 && sentence.Rules.IsEnd(trail.Tokens[length - 1])) length--;
        var tokens = new string[length];
        for (int i = 0; i < length; i++) tokens[i] = _target[trail.Tokens[i]];
        float[][]? attention = null;
        if (sentence.Rules.WantsAlignment)
        {
            attention = [.. trail.Alignment.Take(length).Select(row => OfGivenTokens(row, sentence.Request.Source.Count))];
            if (options.ReplaceUnknowns) ReplaceUnknowns(tokens, attention, sentence.Request.Source);
        }

        return new Hypothesis(tokens, trail.Score)
        {
            TokenScores = options.ReturnTokenScores ? trail.TokenScores[..length] : null,
            Attention = options.ReturnAttention ? attention : null,
        };
    }

    private void ReplaceUnknowns(string[] tokens, float[][] attention, IReadOnlyList<string> source)
    {
        for (int i = 0; i < tokens.Length; i++)
        {
            if (tokens[i] != _target.Unknown) continue;
            int best = 0;
            for (int s = 1; s < attention[i].Length; s++)
            {
                if (attention[i][s] > attention[i][best]) best = s;
            }

            tokens[i] = source[best];
        }
    }

    // Without the columns of tokens that the model added, and as long as the source was given, even if it was cut.
    private float[] OfGivenTokens(float[] row, int count)
    {
        int first = _tokens.AddSourceBegin ? 1 : 0;
        int last = row.Length - (_tokens.AddSourceEnd ? 1 : 0);
        var result = new float[count];
        row.AsSpan(first, Math.Min(Math.Max(last - first, 0), count)).CopyTo(result);
        return result;
    }

    private static Search MakeSearch(DecodingRules rules, int[] prefix)
    {
        DecodingOptions options = rules.Options;
        if (options.ReturnAlternatives)
            return new AlternativesSearch(rules, prefix, (most, fewest, number) => MakeOne(rules, [], most, fewest, number));
        if (options.NumHypotheses == 1 || !IsGreedy(options)) return MakeOne(rules, prefix, rules.MaxLength, options.MinDecodingLength, 0);
        var samples = new Search[options.NumHypotheses];
        for (int i = 0; i < samples.Length; i++) samples[i] = MakeOne(rules, prefix, rules.MaxLength, options.MinDecodingLength, i);
        return new SampleSearch(samples);
    }

    private static Search MakeOne(DecodingRules rules, int[] prefix, int maxLength, int minLength, int number) =>
        IsGreedy(rules.Options)
            ? new GreedySearch(rules, prefix, maxLength, minLength, number)
            : new BeamSearch(rules, prefix, maxLength, minLength);

    private static bool IsGreedy(DecodingOptions options) => options.BeamSize == 1 && options.PrefixBiasBeta == 0;

    // A source that holds only tokens which the caller put around nothing is as good as none.
    private bool HasContent(IReadOnlyList<string> source)
    {
        int count = source.Count;
        if (source.Count == 1 && (source[0] == _tokens.Begin || source[0] == _tokens.End)) count--;
        else if (source.Count >= 2)
        {
            if (source[0] == _tokens.Begin) count--;
            if (source[^1] == _tokens.End) count--;
            else if (source[^2] == _tokens.End) count -= 2;                // a language code is last
        }

        return count > 0;
    }

    private TranslationResult EmptyResult(int[] prefix, int sourceCount, DecodingRules rules)
    {
        DecodingOptions options = rules.Options;
        string[] tokens = [.. prefix.Take(options.MaxDecodingLength).Select(id => _target[id])];
        var hypothesis = new Hypothesis(tokens, 0)
        {
            TokenScores = options.ReturnTokenScores ? new float[tokens.Length] : null,
            Attention = options.ReturnAttention ? [.. tokens.Select(_ => new float[sourceCount])] : null,
        };
        return new TranslationResult([.. Enumerable.Repeat(hypothesis, options.NumHypotheses)]);
    }

    private int[] SourceIds(IReadOnlyList<string> tokens, int maxLength)
    {
        IEnumerable<string> all = tokens;
        if (_tokens.AddSourceBegin) all = all.Prepend(_tokens.Begin);
        if (_tokens.AddSourceEnd) all = all.Append(_tokens.End);
        return Cut(Ids(_source, all), maxLength, _source.Id(_tokens.End));
    }

    // The end token, and a language code after it, survive the cut.
    private static int[] Cut(int[] ids, int maxLength, int end)
    {
        if (maxLength == 0 || ids.Length <= maxLength) return ids;
        int[] cut = ids[..maxLength];
        if (ids[^1] == end) cut[^1] = end;
        else if (ids[^2] == end && maxLength >= 2)
        {
            cut[^2] = end;
            cut[^1] = ids[^1];
        }

        return cut;
    }

    private static int[] Ids(Vocabulary vocabulary, IEnumerable<string> tokens) => [.. tokens.Select(vocabulary.Id)];
}
