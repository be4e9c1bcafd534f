// The main job: tokens in, tokens out, many sentences at once. Any thread may ask; one thread (BatchWorker) works, so that all askers
// share one continuous batch and the backend has one user.
using System.Runtime.CompilerServices;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;

namespace Engine.Decoding;

/// <summary>
/// A loaded model that translates. Any number of threads may call it: their sentences share one continuous batch, and the
/// result of a sentence does not depend on the others.
/// </summary>
public sealed class Translator : IDisposable
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
        _worker = new BatchWorker(model, _reader, data.TargetVocabulary, options.BatchSize);
    }

    /// <summary>Shape of the model.</summary>
    public TransformerConfig Config => _model.Config;

    /// <summary>Format that it was loaded from.</summary>
    public string Format { get; }

    /// <summary>Bytes of its weights in the backend's memory.</summary>
    public long WeightBytes => _model.WeightBytes;

    /// <summary>Tokens of the source.</summary>
    public Vocabulary SourceVocabulary { get; }

    /// <summary>Tokens of the target.</summary>
    public Vocabulary TargetVocabulary { get; }

    /// <summary>How text becomes tokens.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Text of more tokens is cut in sentences; 0: never.</summary>
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
        if (options.BatchSize < 1)
            throw new ArgumentException($"The batch size is {options.BatchSize}, expected at least 1.", nameof(options));
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

    /// <summary>
    /// Translates plain text: tokenizes it, cuts it if it is long (<see cref="TranslatorOptions.SplitLongerThan"/>), translates, and
    /// joins the tokens of the best hypothesis.
    /// </summary>
    /// <param name="text">One line of text.</param>
    /// <param name="options">Options; null: those of the translator.</param>
    public string Translate(string text, DecodingOptions? options = null)
    {
        int split = LongText.IsFor(Tokenizer) ? SplitLongerThan : 0;
        IReadOnlyList<Hypothesis> hypotheses = LongText.TranslateAsync(
            text, split, Tokenizer, options, prefix: null, request => TranslateAsync(request)).GetAwaiter().GetResult().Hypotheses;
        return hypotheses.Count == 0 ? "" : Tokenizer.Detokenize(hypotheses[0].Tokens);
    }

    /// <summary>Translates a sentence and waits for it.</summary>
    /// <param name="request">The sentence.</param>
    /// <exception cref="ArgumentException">An option has a value that it cannot have.</exception>
    /// <exception cref="SequenceTooLongException">The source is longer than the model's table of positions.</exception>
    public TranslationResult Translate(TranslationRequest request) => TranslateAsync(request).GetAwaiter().GetResult();

    /// <summary>Translates sentences, results in their order.</summary>
    /// <param name="requests">The sentences.</param>
    /// <param name="cancellation">Stops the work.</param>
    public IReadOnlyList<TranslationResult> TranslateBatch(
        IReadOnlyList<TranslationRequest> requests, CancellationToken cancellation = default)
    {
        var tasks = new Task<TranslationResult>[requests.Count];
        for (int i = 0; i < tasks.Length; i++) tasks[i] = TranslateAsync(requests[i], cancellation);
        return Task.WhenAll(tasks).GetAwaiter().GetResult();
    }

    /// <summary>
    /// Translates a sentence; the task fails with an <see cref="ArgumentException"/> or a
    /// <see cref="SequenceTooLongException"/> if the request is wrong, and is cancelled with the token.
    /// </summary>
    /// <param name="request">The sentence.</param>
    /// <param name="cancellation">Takes the sentence out of the batch.</param>
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

    /// <summary>
    /// Translates sentences while they still come; at most four batches are under way, so memory stays flat.
    /// </summary>
    /// <param name="requests">The sentences.</param>
    /// <param name="ordered">Whether results come in the order of the requests, or as they finish.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <returns>Each result with the number of its request, from 0.</returns>
    public async IAsyncEnumerable<(long Index, TranslationResult Result)> TranslateStreamAsync(
        IAsyncEnumerable<TranslationRequest> requests, bool ordered = true,
        [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var pending = new List<Task<(long Index, TranslationResult Result)>>();
        long index = 0;
        bool ended = false;
        Task<bool>? next = null;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        IAsyncEnumerator<TranslationRequest> source = requests.GetAsyncEnumerator(stop.Token);
        try
        {
            while (true)
            {
                if (!ended && next is null && pending.Count < 4 * _options.BatchSize)
                    next = OfCaller(source.MoveNextAsync().AsTask(), cancellation);
                Task<(long Index, TranslationResult Result)>? done = ordered
                    ? pending.Count > 0 && pending[0].IsCompleted ? pending[0] : null
                    : pending.Find(static task => task.IsCompleted);
                if (done is not null)
                {
                    pending.Remove(done);
                    yield return await done.ConfigureAwait(false);
                }
                else if (next is { IsCompleted: true })
                {
                    if (await next.ConfigureAwait(false))
                        pending.Add(Numbered(index++, OfCaller(TranslateAsync(source.Current, stop.Token), cancellation)));
                    else ended = true;
                    next = null;
                }
                else if (next is not null || pending.Count > 0)
                {
                    IEnumerable<Task> awaited = ordered ? pending.Take(1) : pending;
                    await Task.WhenAny(next is null ? awaited : awaited.Append(next)).ConfigureAwait(false);
                }
                else yield break;
            }
        }
        finally
        {
            // Who leaves early wants neither the sentences under way nor the next one. A source that is still waiting for it
            // may not be disposed yet, and is not waited for.
            await stop.CancelAsync().ConfigureAwait(false);
            Task disposal = DisposeAsync(source, next);
            if (next is null or { IsCompleted: true }) await disposal.ConfigureAwait(false);
        }
    }

    /// <summary>Scores a given translation; fails and is cancelled like <see cref="TranslateAsync"/>.</summary>
    /// <param name="request">Source and target.</param>
    /// <param name="cancellation">Takes the request back.</param>
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

    /// <summary>Ends the work and frees the weights; requests that are not done fail.</summary>
    public void Dispose()
    {
        _worker.Dispose();
        if (_ownsModel) _model.Dispose();
    }

    // A task that is cancelled by the caller's token says so, and not by one that is linked to it.
    private static async Task<T> OfCaller<T>(Task<T> task, CancellationToken cancellation)
    {
        try
        {
            return await task.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            cancellation.ThrowIfCancellationRequested();
            throw;
        }
    }

    private static async Task DisposeAsync(IAsyncEnumerator<TranslationRequest> source, Task<bool>? next)
    {
        if (next is not null) await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await source.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task<(long Index, TranslationResult Result)> Numbered(long index, Task<TranslationResult> task) =>
        (index, await task.ConfigureAwait(false));
}
