// What all translators do alike, whoever does the work: text, lists and streams of sentences in terms of single ones.
using System.Runtime.CompilerServices;

namespace Engine.Decoding;

/// <summary>Calls of a translator that are made of <see cref="ITranslator.TranslateAsync"/>.</summary>
internal static class TranslationCalls
{
    /// <summary>Plain text.</summary>
    public static string Translate(ITranslator translator, string text, DecodingOptions? options)
    {
        int split = LongText.IsFor(translator.Tokenizer) ? translator.SplitLongerThan : 0;
        IReadOnlyList<Hypothesis> hypotheses = LongText.TranslateAsync(
            text, split, translator.Tokenizer, options, prefix: null, request => translator.TranslateAsync(request))
            .GetAwaiter().GetResult().Hypotheses;
        return hypotheses.Count == 0 ? "" : translator.Tokenizer.Detokenize(hypotheses[0].Tokens);
    }

    /// <summary>Sentences, results in their order.</summary>
    public static IReadOnlyList<TranslationResult> TranslateBatch(
        ITranslator translator, IReadOnlyList<TranslationRequest> requests, CancellationToken cancellation)
    {
        var tasks = new Task<TranslationResult>[requests.Count];
        for (int i = 0; i < tasks.Length; i++) tasks[i] = translator.TranslateAsync(requests[i], cancellation);
        return Task.WhenAll(tasks).GetAwaiter().GetResult();
    }

    /// <summary>Sentences while they still come.</summary>
    /// <param name="translator">Does the work.</param>
    /// <param name="requests">The sentences.</param>
    /// <param name="most">Sentences that are under way at most.</param>
    /// <param name="ordered">Whether results come in the order of the requests.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static async IAsyncEnumerable<(long Index, TranslationResult Result)> TranslateStreamAsync(
        ITranslator translator, IAsyncEnumerable<TranslationRequest> requests, int most, bool ordered,
        [EnumeratorCancellation] CancellationToken cancellation)
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
                if (!ended && next is null && pending.Count < most)
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
                        pending.Add(Numbered(index++, OfCaller(translator.TranslateAsync(source.Current, stop.Token), cancellation)));
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
