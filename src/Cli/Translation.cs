// What the commands need of a loaded model. The seam is here so that their tests need neither a model nor a backend.
using Engine.Backends;
using Engine.Decoding;
using Engine.Explaining;
using Engine.Text;

namespace Engine.Cli;

/// <summary>What to load, and what to run it on.</summary>
internal sealed record TranslationSettings(string Model, string Backend)
{
    public BackendOptions BackendOptions { get; init; } = new();

    public int BatchSize { get; init; } = 32;

    /// <summary>Translators on each device; 0: as many as keep it busy.</summary>
    public int Replicas { get; init; }

    public string ComputeType { get; init; } = "default";

    public string? Tokenizer { get; init; }

    /// <summary>Is told why <c>auto</c> chose as it did.</summary>
    public Action<string>? Log { get; init; }
}

/// <summary>A loaded model with its backend.</summary>
internal interface ITranslation : IDisposable
{
    ITokenizer Tokenizer { get; }

    int SplitLongerThan { get; }

    /// <summary>Translators that work side by side.</summary>
    int Translators { get; }

    Task<TranslationResult> TranslateAsync(TranslationRequest request, CancellationToken cancellation);

    Task<ScoreResult> ScoreAsync(ScoreRequest request, CancellationToken cancellation);

    Task<Explanation> ExplainAsync(TranslationRequest request, CancellationToken cancellation);
}

/// <summary>A translation while a command has it. No stop waits for a step that runs, or for a load.</summary>
internal sealed class TranslationInUse : IAsyncDisposable
{
    // Steps are short, but for sentences of many thousand tokens: those are left to the end of the process.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    private TranslationInUse(ITranslation translation) => Translation = translation;

    public ITranslation Translation { get; }

    /// <exception cref="OperationCanceledException">The command is to stop.</exception>
    public static async Task<TranslationInUse> LoadAsync(
        Shell shell, TranslationSettings settings, CancellationToken cancellation)
    {
        Task<ITranslation> load = Task.Run(() => shell.Load(settings), CancellationToken.None);
        return new TranslationInUse(await load.WaitAsync(cancellation));
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await Task.Run(Translation.Dispose).WaitAsync(Grace);
        }
        catch (TimeoutException)
        {
            // Its threads are of the background, so that they keep no process alive.
        }
    }
}

/// <summary>The real one.</summary>
internal sealed class Translation : ITranslation
{
    private readonly IReadOnlyList<IBackend> _backends;
    private readonly ITranslator _translator;

    private Translation(IReadOnlyList<IBackend> backends, ITranslator translator)
    {
        _backends = backends;
        _translator = translator;
    }

    public ITokenizer Tokenizer => _translator.Tokenizer;

    public int SplitLongerThan => _translator.SplitLongerThan;

    public int Translators => _backends.Count;

    public static ITranslation Load(TranslationSettings settings)
    {
        IReadOnlyList<IBackend> backends = BackendChoice.OpenAll(
            settings.Backend, settings.Replicas, settings.BackendOptions, settings.Log);
        try
        {
            var options = new TranslatorOptions(backends[0])
            {
                BatchSize = settings.BatchSize,
                ComputeType = settings.ComputeType,
                Tokenizer = settings.Tokenizer,
            };
            return new Translation(backends, backends.Count == 1
                ? Translator.Load(settings.Model, options)
                : TranslatorPool.Load(settings.Model, options, [.. backends.Skip(1)]));
        }
        catch (OutOfMemoryException) when (settings.Replicas == 0 && backends.Count > settings.Backend.Split(',').Length)
        {
            Close(backends);
        }
        catch
        {
            Close(backends);
            throw;
        }

        // Nobody asked for more than one on a device.
        return Load(settings with { Replicas = 1 });
    }

    public Task<TranslationResult> TranslateAsync(TranslationRequest request, CancellationToken cancellation) =>
        _translator.TranslateAsync(request, cancellation);

    public Task<ScoreResult> ScoreAsync(ScoreRequest request, CancellationToken cancellation) =>
        _translator.ScoreAsync(request, cancellation);

    public Task<Explanation> ExplainAsync(TranslationRequest request, CancellationToken cancellation) =>
        _translator.ExplainAsync(request, cancellation);

    public void Dispose()
    {
        _translator.Dispose();
        Close(_backends);
    }

    private static void Close(IReadOnlyList<IBackend> backends)
    {
        foreach (IBackend backend in backends) backend.Dispose();
    }
}
