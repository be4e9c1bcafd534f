// How a backend is found by its word without the engine knowing any.
namespace Engine.Backends;

/// <summary>Makes a backend, or says why it cannot.</summary>
public interface IBackendProvider
{
    /// <summary>The configuration word, as in <c>cpu</c>.</summary>
    string Word { get; }

    /// <summary>Whether the number of a device may follow the word, as in <c>cuda:1</c>.</summary>
    bool HasDevices => false;

    /// <summary>Whether the backend can be used here.</summary>
    /// <param name="reason">What was found, or what is missing: one line without a full stop.</param>
    bool IsAvailable(out string reason);

    /// <summary>Makes the backend.</summary>
    /// <exception cref="BackendUnavailableException">It cannot be used on this machine.</exception>
    /// <exception cref="ArgumentException">An option has a value that it cannot have.</exception>
    IBackend Create(BackendOptions options);
}
