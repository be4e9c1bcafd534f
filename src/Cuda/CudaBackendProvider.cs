// The CUDA backend by its word: says in one line what is missing, and never falls back by itself.
using Engine.Backends;

namespace Engine.Cuda;

/// <summary>Makes CUDA backends.</summary>
/// <param name="find">Looks for driver and devices. Asked once: a driver does not come while a process runs.</param>
internal sealed class CudaBackendProvider(Func<CudaInfo> find) : IBackendProvider
{
    private readonly Lazy<CudaInfo> _info = new(find);

    public string Word => "cuda";

    public bool HasDevices => true;

    public bool IsAvailable(out string reason)
    {
        CudaInfo info = _info.Value;
        reason = info.Missing ?? info.Devices[0].Name;
        return info.Missing is null;
    }

    public IBackend Create(BackendOptions options) => new CudaBackend(_info.Value, options);
}
