// Several translators as one: on as many devices, or side by side on one, which then holds the weights once.
using Engine.Backends;
using Engine.Explaining;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;

namespace Engine.Decoding;

/// <summary>
/// A model that is loaded on several backends. Each request goes to the translator with the least work; its result does not depend on
/// which that is, where the backends compute alike.
/// </summary>
public sealed class TranslatorPool : ITranslator
{
    private readonly Place[] _places;
    private readonly Transformer[] _models;
    private readonly int _sentencesUnderWay;
    private readonly Lock _gate = new();

    private TranslatorPool(Transformer[] models, ModelData data, TranslatorOptions options, ITokenizer tokenizer)
    {
        _models = models;
        _places = [.. models.Select(model => new Place(Translator.Over(model, data, options, tokenizer)))];
        _sentencesUnderWay = 4 * options.BatchSize * models.Length;
    }

    /// <summary>Translators.</summary>
    public int Count => _places.Length;

    /// <inheritdoc />
    public TransformerConfig Config => First.Config;

    /// <inheritdoc />
    public string Format => First.Format;

    /// <inheritdoc />
    public long WeightBytes => _models.Sum(static model => model.WeightBytes);

    /// <inheritdoc />
    public Vocabulary SourceVocabulary => First.SourceVocabulary;

    /// <inheritdoc />
    public Vocabulary TargetVocabulary => First.TargetVocabulary;

    /// <inheritdoc />
    public ITokenizer Tokenizer => First.Tokenizer;

    /// <inheritdoc />
    public int SplitLongerThan => First.SplitLongerThan;

    private Translator First => _places[0].Translator;

    /// <summary>Loads a model: a directory of CTranslate2 or of the engine's own format.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="options">The first backend, type of the weights, size of each translator's batch.</param>
    /// <param name="others">The other backends.</param>
    /// <exception cref="ModelFormatException">The directory holds no model, or a broken one.</exception>
    /// <exception cref="ArgumentException">An option has a value that it cannot have, or a backend is there twice.</exception>
    public static TranslatorPool Load(string path, TranslatorOptions options, params IReadOnlyList<IBackend> others)
    {
        using ModelData data = ModelReader.Open(path);
        return Load(data, options, others);
    }

    /// <summary>Loads a model that a reader has opened, or that was made in memory.</summary>
    /// <param name="data">The model; not needed afterwards.</param>
    /// <param name="options">The first backend, type of the weights, size of each translator's batch.</param>
    /// <param name="others">The other backends.</param>
    /// <exception cref="ModelFormatException">A weight is broken.</exception>
    /// <exception cref="ArgumentException">An option has a value that it cannot have, or a backend is there twice.</exception>
    public static TranslatorPool Load(ModelData data, TranslatorOptions options, params IReadOnlyList<IBackend> others)
    {
        Translator.Check(options);
        IBackend[] backends = [options.Backend, .. others];
        if (backends.Distinct<IBackend>(ReferenceEqualityComparer.Instance).Count() < backends.Length)
            throw new ArgumentException("A backend is there twice, expected one for each translator.", nameof(others));
        DType? type = ComputeType.Parse(options.ComputeType);
        ITokenizer tokenizer = Text.Tokenizer.Open(options.Tokenizer ?? data.Tokenizer, data.Path);
        var models = new List<Transformer>();
        try
        {
            foreach (IBackend backend in backends)
            {
                Transformer? owner = models.Find(model => model.WeightBytes > 0 && backend.SharesWeightsWith(model.Backend));
                models.Add(owner is null ? new Transformer(backend, data, type) : new Transformer(backend, owner));
            }

            return new TranslatorPool([.. models], data, options, tokenizer);
        }
        catch
        {
            Free(models);
            throw;
        }
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
    public Task<TranslationResult> TranslateAsync(TranslationRequest request, CancellationToken cancellation = default) =>
        Run(request.Source.Count, translator => translator.TranslateAsync(request, cancellation));

    /// <inheritdoc />
    public IAsyncEnumerable<(long Index, TranslationResult Result)> TranslateStreamAsync(
        IAsyncEnumerable<TranslationRequest> requests, bool ordered = true, CancellationToken cancellation = default) =>
        TranslationCalls.TranslateStreamAsync(this, requests, _sentencesUnderWay, ordered, cancellation);

    /// <inheritdoc />
    public Task<ScoreResult> ScoreAsync(ScoreRequest request, CancellationToken cancellation = default) =>
        Run(request.Source.Count + request.Target.Count, translator => translator.ScoreAsync(request, cancellation));

    /// <inheritdoc />
    public Task<Explanation> ExplainAsync(TranslationRequest request, CancellationToken cancellation = default) =>
        Run(2 * request.Source.Count, translator => translator.ExplainAsync(request, cancellation));

    /// <summary>Ends the work and frees the weights; requests that are not done fail.</summary>
    public void Dispose()
    {
        foreach (Place place in _places) place.Translator.Dispose();
        Free(_models);
    }

    // A device that is lost answers quickly, and would draw all work to itself.
    private async Task<T> Run<T>(int tokens, Func<Translator, Task<T>> start)
    {
        int work = tokens + 1;
        Place place = Take(work);
        try
        {
            return await start(place.Translator).ConfigureAwait(false);
        }
        catch (Exception failure) when (IsOfDevice(failure))
        {
            place.HasFailed = true;
            throw;
        }
        finally
        {
            lock (_gate) place.Work -= work;
        }
    }

    private Place Take(int work)
    {
        lock (_gate)
        {
            Place least = _places.MinBy(static place => (place.HasFailed, place.Work))!;
            least.Work += work;
            return least;
        }
    }

    private static bool IsOfDevice(Exception failure) => failure is not
        (ArgumentException or SequenceTooLongException or OperationCanceledException or OutOfMemoryException or ObjectDisposedException);

    // Those that hold weights come before those that share them.
    private static void Free(IReadOnlyList<Transformer> models)
    {
        for (int i = models.Count - 1; i >= 0; i--) models[i].Dispose();
    }

    private sealed class Place(Translator translator)
    {
        public Translator Translator { get; } = translator;

        // Tokens of the sources that it was given and has not answered.
        public long Work { get; set; }

        // By something else than a request that was wrong or too large.
        public bool HasFailed { get; set; }
    }
}
