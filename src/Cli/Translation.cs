// What the commands need of a loaded model. The seam is here so that their tests need neither a model nor a backend.
using Engine.Backends;
using Engine.Decoding;
using Engine.Text;

namespace Engine.Cli;

/// <summary>What to load, and what to run it on.</summary>
internal sealed record TranslationSettings(string Model, string Backend)
{
    public BackendOptions BackendOptions { get; init; } = new();

    public int BatchSize { get; init; } = 32;

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

    Task<TranslationResult> TranslateAsync(TranslationRequest request, CancellationToken cancellation);

    Task<ScoreResult> ScoreAsync(ScoreRequest request, CancellationToken cancellation);
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
    private readonly IBackend _backend;
    private readonly Translator _translator;

    private Translation(IBackend backend, Translator translator)
    {
        _backend = backend;
        _translator = translator;
    }

    public ITokenizer Tokenizer => _translator.Tokenizer;

    public int SplitLongerThan => _translator.SplitLongerThan;

    public static ITranslation Load(TranslationSettings settings)
    {
        IBackend backend = BackendChoice.Open(settings.Backend, settings.BackendOptions, settings.Log);
        try
        {
            return new Translation(backend, Translator.Load(settings.Model, new TranslatorOptions(backend)
            {
                BatchSize = settings.BatchSize,
                ComputeType = settings.ComputeType,
                Tokenizer = settings.Tokenizer,
            }));
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    public Task<TranslationResult> TranslateAsync(TranslationRequest request, CancellationToken cancellation) =>
        _translator.TranslateAsync(request, cancellation);

    public Task<ScoreResult> ScoreAsync(ScoreRequest request, CancellationToken cancellation) =>
        _translator.ScoreAsync(request, cancellation);

    public void Dispose()
    {
        _translator.Dispose();
        _backend.Dispose();
    }
}
