// One word chooses the backend: auto takes the first that can be used and says why, any other word is taken literally. A number behind
// it is that of a device, and a list of words is as many backends.
using System.Globalization;

namespace Engine.Backends;

/// <summary>Opens the backends that a configuration word names.</summary>
public static class BackendSelector
{
    /// <summary>The word for "the best that can be used here".</summary>
    public const string Auto = "auto";

    /// <summary>Opens a backend.</summary>
    /// <param name="word">
    /// <c>auto</c>, or the word of one of the providers, with the number of a device where it has several, as in <c>cuda:1</c>; case
    /// does not matter.
    /// </param>
    /// <param name="options">Settings of the backend.</param>
    /// <param name="log">Is told, in a line each, why <c>auto</c> chose as it did.</param>
    /// <param name="providers">The backends that the host has, best first.</param>
    /// <exception cref="ArgumentException">No provider has this word, or these are several.</exception>
    /// <exception cref="BackendUnavailableException">The backend cannot be used. An explicit word never falls back.</exception>
    public static IBackend Open(
        string word, BackendOptions? options = null, Action<string>? log = null, params ReadOnlySpan<IBackendProvider> providers)
    {
        Check(word, providers);
        if (word.Contains(',', StringComparison.Ordinal))
            throw new ArgumentException($"The backend is '{word}', expected one, not several.", nameof(word));
        return OpenOne(word, options ?? new BackendOptions(), log, providers);
    }

    /// <summary>Opens several backends, for a translator each.</summary>
    /// <param name="words">Words with commas between them, as in <c>cuda:0,cuda:1</c>, or one.</param>
    /// <param name="replicas">How many backends of each word; 0: <see cref="IBackend.TranslatorsAtOnce"/> of its device.</param>
    /// <param name="options">Settings of each backend; threads that are not given are shared out among those that were asked for.</param>
    /// <param name="log">Is told, in a line each, why <c>auto</c> chose as it did.</param>
    /// <param name="providers">The backends that the host has, best first.</param>
    /// <exception cref="ArgumentException">No provider has a word.</exception>
    /// <exception cref="BackendUnavailableException">A backend cannot be used.</exception>
    public static IReadOnlyList<IBackend> OpenAll(
        string words, int replicas = 1, BackendOptions? options = null, Action<string>? log = null,
        params ReadOnlySpan<IBackendProvider> providers)
    {
        Check(words, providers);
        ArgumentOutOfRangeException.ThrowIfNegative(replicas);
        options ??= new BackendOptions();
        string[] all = words.Split(',');
        int count = all.Length * Math.Max(replicas, 1);
        if (options.Threads == 0 && count > 1) options = options with { Threads = Math.Max(1, Environment.ProcessorCount / count) };
        var opened = new List<IBackend>();
        try
        {
            foreach (string word in all)
            {
                IBackend first = OpenOne(word, options, opened.Count == 0 ? log : null, providers);
                opened.Add(first);
                for (int more = (replicas == 0 ? first.TranslatorsAtOnce : replicas) - 1; more > 0; more--)
                {
                    if (TryOpenMore(word, options, isAsked: replicas > 0, providers) is { } another) opened.Add(another);
                }
            }

            return opened;
        }
        catch
        {
            foreach (IBackend backend in opened) backend.Dispose();
            throw;
        }
    }

    /// <summary>What is expected instead of words that name no backends, in words after "expected"; null: they do.</summary>
    /// <param name="words">One word or several with commas between them.</param>
    /// <param name="providers">The backends that the host has.</param>
    public static string? Refusal(string words, params ReadOnlySpan<IBackendProvider> providers)
    {
        string[] all = words.Split(',');
        foreach (string word in all)
        {
            (string name, string? number) = Split(word);
            IBackendProvider? provider = Find(name, providers);
            if (provider is null && !IsAuto(name)) return Words(providers);
            if (provider is null && all.Length > 1) return $"'{Auto}' alone or a list without it";
            if (number is null) continue;
            if (provider is not { HasDevices: true }) return $"no number of a device after '{name}'";
            if (!TryNumber(number, out _)) return $"the number of a device after '{name}:', as in '{name}:0'";
        }

        return null;
    }

    private static void Check(string words, ReadOnlySpan<IBackendProvider> providers)
    {
        if (Refusal(words, providers) is { } expected)
            throw new ArgumentException($"The backend is '{words}', expected {expected}.", nameof(words));
    }

    private static IBackend OpenOne(
        string word, BackendOptions options, Action<string>? log, ReadOnlySpan<IBackendProvider> providers)
    {
        (string name, string? number) = Split(word);
        if (Find(name, providers) is not { } provider) return OpenBest(options, log, providers);
        if (!provider.IsAvailable(out string reason)) throw new BackendUnavailableException(provider.Word, reason);
        return provider.Create(TryNumber(number, out int device) ? options with { Device = device } : options);
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

    // Nobody asked for more than one where the device said how many it likes: null if there is no room for another.
    private static IBackend? TryOpenMore(
        string word, BackendOptions options, bool isAsked, ReadOnlySpan<IBackendProvider> providers)
    {
        try
        {
            return OpenOne(word, options, null, providers);
        }
        catch (Exception failure) when (!isAsked && (failure is OutOfMemoryException or BackendUnavailableException))
        {
            return null;
        }
    }

    private static (string Name, string? Number) Split(string word)
    {
        string trimmed = word.Trim();
        int colon = trimmed.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? (trimmed, null) : (trimmed[..colon], trimmed[(colon + 1)..]);
    }

    private static bool TryNumber(string? text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private static bool IsAuto(string name) => string.Equals(name, Auto, StringComparison.OrdinalIgnoreCase);

    private static IBackendProvider? Find(string name, ReadOnlySpan<IBackendProvider> providers)
    {
        foreach (IBackendProvider provider in providers)
        {
            if (string.Equals(name, provider.Word, StringComparison.OrdinalIgnoreCase)) return provider;
        }

        return null;
    }

    private static string Words(ReadOnlySpan<IBackendProvider> providers)
    {
        var words = new SortedSet<string>(StringComparer.Ordinal);
        foreach (IBackendProvider provider in providers) words.Add($" or '{provider.Word}'");
        return $"'{Auto}'{string.Concat(words)}";
    }
}
