// Until the CUDA backend is in the house its word is known and never available.
using Engine.Backends;

namespace Engine.Cli;

internal sealed class CudaStandIn : IBackendProvider
{
    public static IBackendProvider Provider { get; } = new CudaStandIn();

    public string Word => "cuda";

    public bool IsAvailable(out string reason)
    {
        reason = "libcuda.so.1 is missing";
        return false;
    }

    public IBackend Create(BackendOptions options)
    {
        IsAvailable(out string reason);
        throw new BackendUnavailableException(Word, reason);
    }
}
