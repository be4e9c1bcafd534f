// The CUDA backend by its word. It has no kernels yet: what is here finds the driver and says what is missing.
using Engine.Backends;

namespace Engine.Cuda;

/// <summary>Runs the graph on an NVIDIA GPU, once it has kernels.</summary>
public static class CudaBackend
{
    /// <summary>Makes CUDA backends; the word is <c>cuda</c>.</summary>
    public static IBackendProvider Provider { get; } = new CudaBackendProvider(CudaInfo.Find);
}
