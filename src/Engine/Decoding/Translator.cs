// The main job: tokens in, tokens out, many sentences at once. Any thread may ask; one thread (BatchWorker) works, so that all askers
// share one continuous batch and the backend has one user.
using Engine.Explaining;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;

namespace Engine.Decoding;

/// <summary>
/// A loaded model that translates. Any number of threads may call it: their sentences share one continuous batch, and the
/// result of a sentence does not depend on the others.
/// </summary>
public sealed class Translator : ITranslator
{
    private readonly Transformer _model;
    private readonly RequestReader _reader;
    private readonly TranslatorOptions _options;
    private readonly BatchWorker _worker;
    private readonly bool _ownsModel;

    private Translator(Transformer model, ModelData data, TranslatorOptions options, ITokenizer tokenizer, bool ownsModel)
    {
        _model = model;
        _ownsModel = ownsModel;
        _options = options;
        Format = data.Format;
        SourceVocabulary = data.SourceVocabulary;
        TargetVocabulary = data.TargetVocabulary;
        Tokenizer = tokenizer;
        SplitLongerThan = options.SplitLongerThan ?? data.SplitLongerThan;
        _reader = new RequestReader(data, model.Encoder.Limit, model.Decoder.Limit);
        _worker = new BatchWorker(model, _reader, data.SourceVocabulary, data.TargetVocabulary, options.BatchSize);
    }

    /// <inheritdoc />
    public TransformerConfig Config => _model.Config;

    /// <inheritdoc />
    public string Format { get; }

    /// <inheritdoc />
    public long WeightBytes => _model.WeightBytes;

    /// <inheritdoc />
    public Vocabulary SourceVocabulary { get; }

    /// <inheritdoc />
    public Vocabulary TargetVocabulary { get; }

    /// <inheritdoc />
    public ITokenizer Tokenizer { get; }

    /// <inheritdoc />
    public int SplitLongerThan { get; }

    /// <summary>Loads a model: a directory of CTranslate2 or of the engine's own format.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="options">Backend, type of the weights, size of the batch.</param>
    /// <exception cref="ModelFormatException">The directory holds no model, or a broken one.</exception>
    /// <exception cref="ArgumentException">An option has a value that it cannot have.</exception>
    public static Translator Load(string path, TranslatorOptions options)
    {
        using ModelData data = ModelReader.Open(path);
        return Load(data, options);
    }

    /// <summary>Loads a model that a reader has opened, or that was made in memory.</summary>
    /// <param name="data">The model; not needed afterwards.</param>
    /// <param name="options">Backend, type of the weights, size of the batch.</param>
    /// <exception cref="ModelFormatException">A weight is broken.</exception>
    /// <exception cref="ArgumentException">An option has a value that it cannot have.</exception>
    public static Translator Load(ModelData data, TranslatorOptions options)
    {
        Check(options);
        DType? type = ComputeType.Parse(options.ComputeType);
        ITokenizer tokenizer = Text.Tokenizer.Open(options.Tokenizer ?? data.Tokenizer, data.Path);
        var model = new Transformer(options.Backend, data, type);
        try
        {
            return new Translator(model, data, options, tokenizer, ownsModel: true);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Translates with a graph that is there and stays its owner's, such as one that is being trained.</summary>
    /// <param name="model">The graph; nobody else runs it meanwhile.</param>
    /// <param name="data">Vocabularies and tokens.</param>
    /// <param name="options">Size of the batch and options; the backend is the graph's.</param>
    /// <param name="tokenizer">How text becomes tokens.</param>
    internal static Translator Over(Transformer model, ModelData data, TranslatorOptions options, ITokenizer tokenizer) =>
        new(model, data, options, tokenizer, ownsModel: false);

    /// <summary>Refuses what cannot be.</summary>
    internal static void Check(TranslatorOptions options)
    {
        if (options.BatchSize < 1)
            throw new ArgumentException($"The batch size is {options.BatchSize}, expected at least 1.", nameof(options));
    }

    /// <inheritdoc />
    public string Translate(string text, DecodingOptions? options = null) => TranslationCalls.Translate(this, text, options);

    /// <inheritdoc />
    public TranslationResult Translate(TranslationRequest request) => TranslateAsync(request).GetAwaiter().GetResult();

    /// <inheritdoc />
    public IReadOnlyList<TranslationResult> TranslateBatch(
        IReadOnlyList<TranslationRequest> requests, CancellationToken cancellation = default) =>
        TranslationCalls.TranslateBatch(this, requests, cancellation);

    /// <inheritdoc />
    public Task<TranslationResult> TranslateAsync(TranslationRequest request, CancellationToken cancellation = default)
    {
        if (cancellation.IsCancellationRequested) return Task.FromCanceled<TranslationResult>(cancellation);
        Sentence? sentence;
        try
        {
            sentence = _reader.Read(request, _options.Decoding, cancellation, out TranslationResult? ready);
            if (sentence is null) return Task.FromResult(ready!);
        }
        catch (Exception wrong) when (wrong is ArgumentException or SequenceTooLongException)
        {
            return Task.FromException<TranslationResult>(wrong);
        }

        _worker.Add(sentence);
        return sentence.Completion.Task;
    }

    /// <inheritdoc />
    public IAsyncEnumerable<(long Index, TranslationResult Result)> TranslateStreamAsync(
        IAsyncEnumerable<TranslationRequest> requests, bool ordered = true, CancellationToken cancellation = default) =>
        TranslationCalls.TranslateStreamAsync(this, requests, 4 * _options.BatchSize, ordered, cancellation);

    /// <inheritdoc />
    public Task<ScoreResult> ScoreAsync(ScoreRequest request, CancellationToken cancellation = default)
    {
        if (cancellation.IsCancellationRequested) return Task.FromCanceled<ScoreResult>(cancellation);
        ScoreJob? job;
        try
        {
            job = _reader.Read(request, cancellation, out ScoreResult? ready);
            if (job is null) return Task.FromResult(ready!);
        }
        catch (Exception wrong) when (wrong is ArgumentException or SequenceTooLongException)
        {
            return Task.FromException<ScoreResult>(wrong);
        }

        _worker.Add(job);
        return job.Completion.Task;
    }

    /// <inheritdoc />
    public async Task<Explanation> ExplainAsync(TranslationRequest request, CancellationToken cancellation = default)
    {
        DecodingOptions options = request.Options ?? _options.Decoding;
        var asked = request with { Options = options with { ReturnEndToken = false, ReplaceUnknowns = false } };
        TranslationResult found = await TranslateAsync(asked, cancellation).ConfigureAwait(false);
        ExplanationJob job = _reader.Read(asked, found, cancellation);
        _worker.Add(job);
        return await job.Completion.Task.ConfigureAwait(false);
    }

    /// <summary>Ends the work and frees the weights; requests that are not done fail.</summary>
    public void Dispose()
    {
        _worker.Dispose();
        if (_ownsModel) _model.Dispose();
    }
}
