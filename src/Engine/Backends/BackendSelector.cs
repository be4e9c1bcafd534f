// One word chooses the backend: auto takes the first that can be used and says why, any other word is taken literally.
namespace Engine.Backends;

/// <summary>Opens the backend that a configuration word names.</summary>
public static class BackendSelector
{
    /// <summary>The word for "the best that can be used here".</summary>
    public const string Auto = "auto";

    /// <summary>Opens a backend.</summary>
    /// <param name="word"><c>auto</c>, or the word of one of the providers; case does not matter.</param>
    /// <param name="options">Settings of the backend.</param>
    /// <param name="log">Is told, in a line each, why <c>auto</c> chose as it did.</param>
    /// <param name="providers">The backends that the host has, best first.</param>
    /// <exception cref="ArgumentException">No provider has this word.</exception>
    /// <exception cref="BackendUnavailableException">The backend cannot be used. An explicit word never falls back.</exception>
    public static IBackend Open(
        string word, BackendOptions? options = null, Action<string>? log = null, params ReadOnlySpan<IBackendProvider> providers)
    {
        options ??= new BackendOptions();
        if (string.Equals(word, Auto, StringComparison.OrdinalIgnoreCase)) return OpenBest(options, log, providers);
        foreach (IBackendProvider provider in providers)
        {
            if (!string.Equals(word, provider.Word, StringComparison.OrdinalIgnoreCase)) continue;
            if (!provider.IsAvailable(out string reason)) throw new BackendUnavailableException(provider.Word, reason);
            return provider.Create(options);
        }

        throw new ArgumentException($"The backend is '{word}', expected {Words(providers)}.", nameof(word));
    }

    private static IBackend OpenBest(BackendOptions options, Action<string>? log, ReadOnlySpan<IBackendProvider> providers)
    {
        string last = "the host offers none";
        foreach (IBackendProvider provider in providers)
        {
            if (provider.IsAvailable(out string reason))
            {
                log?.Invoke($"backend auto: {provider.Word} ({reason})");
                return provider.Create(options);
            }

            log?.Invoke($"backend auto: not {provider.Word} ({reason})");
            last = reason;
        }

        throw new BackendUnavailableException(Auto, last);
    }

    private static string Words(ReadOnlySpan<IBackendProvider> providers)
    {
        string words = $"'{Auto}'";
        foreach (IBackendProvider provider in providers) words += $" or '{provider.Word}'";
        return words;
    }
}
