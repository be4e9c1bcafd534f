// A translation that needs no model: every token in capital letters, after a delay or when the test says so.
using Engine.Cli;
using Engine.Decoding;
using Engine.Explaining;
using Engine.Models;
using Engine.Text;

namespace Cli.Tests;

internal sealed class FakeTranslation : ITranslation
{
    private int _running;

    public ITokenizer Tokenizer { get; init; } = Engine.Text.Tokenizer.Space;

    public int SplitLongerThan { get; init; } = 128;

    public int Translators { get; init; } = 1;

    /// <summary>Is awaited before an answer is given.</summary>
    public Func<string, CancellationToken, Task> Wait { get; init; } = (_, _) => Task.CompletedTask;

    /// <summary>Throws where a request is to fail.</summary>
    public Action<TranslationRequest> Check { get; init; } = _ => { };

    /// <summary>Gives the scores of the hypotheses.</summary>
    public float Score { get; init; } = -0.5f;

    /// <summary>Is waited for at the end, as for a step that runs.</summary>
    public Action DisposeSlowly { get; init; } = () => { };

    public List<TranslationRequest> Requests { get; } = [];

    public List<ScoreRequest> Scores { get; } = [];

    public int MostRunning { get; private set; }

    public bool IsDisposed { get; private set; }

    public static SequenceTooLongException TooLong { get; } = new("The source", 2000, 512);

    public async Task<TranslationResult> TranslateAsync(TranslationRequest request, CancellationToken cancellation)
    {
        lock (Requests)
        {
            Requests.Add(request);
            MostRunning = Math.Max(MostRunning, ++_running);
        }

        try
        {
            Check(request);
            await Wait(string.Join(' ', request.Source), cancellation);
        }
        finally
        {
            lock (Requests) _running--;
        }

        string[] tokens = [.. request.TargetPrefix ?? [], .. request.Source.Select(token => token.ToUpperInvariant())];
        DecodingOptions options = request.Options!;
        float[] attention = [.. request.Source.Select(_ => 0.125f)];
        IEnumerable<Hypothesis> hypotheses = Enumerable.Range(0, options.NumHypotheses).Select(
            i => new Hypothesis(tokens, Score - i)
            {
                TokenScores = options.ReturnTokenScores ? [.. tokens.Select(_ => -0.25f)] : null,
                Attention = options.ReturnAttention ? [.. tokens.Select(_ => attention)] : null,
            });
        return new TranslationResult([.. hypotheses]);
    }

    public Task<ScoreResult> ScoreAsync(ScoreRequest request, CancellationToken cancellation)
    {
        lock (Scores) Scores.Add(request);
        string[] tokens = [.. request.Target, "</s>"];
        return Task.FromResult(new ScoreResult(tokens, [.. tokens.Select((_, i) => -0.1f * (i + 1))]));
    }

    public Task<Explanation> ExplainAsync(TranslationRequest request, CancellationToken cancellation) =>
        throw new NotSupportedException("An explanation needs a model.");

    public void Dispose()
    {
        IsDisposed = true;
        DisposeSlowly();
    }
}
