// A backend that was asked for by name and cannot be had.
namespace Engine.Backends;

/// <summary>The backend that was asked for cannot be used on this machine.</summary>
public sealed class BackendUnavailableException : Exception
{
    /// <summary>Says which backend, and what is missing.</summary>
    /// <param name="backend">The backend's word.</param>
    /// <param name="reason">What is missing, in one line without a full stop.</param>
    public BackendUnavailableException(string backend, string reason)
        : base($"The backend '{backend}' cannot be used: {reason}.")
    {
        Backend = backend;
        Reason = reason;
    }

    /// <summary>The backend's word.</summary>
    public string Backend { get; }

    /// <summary>What is missing.</summary>
    public string Reason { get; }
}
