// A GPU as its driver describes it.
namespace Engine.Cuda;

/// <summary>A CUDA device.</summary>
/// <param name="Number">Number of the device, from 0; CUDA_VISIBLE_DEVICES renumbers.</param>
/// <param name="Name">The driver's name for it.</param>
/// <param name="ComputeCapability">What its instructions are, as in 9.0.</param>
/// <param name="MemoryBytes">Bytes of its memory.</param>
public sealed record CudaDevice(int Number, string Name, Version ComputeCapability, long MemoryBytes)
{
    /// <summary>Its multiprocessors; 0: unknown.</summary>
    public int Multiprocessors { get; init; }

    /// <summary>Bytes of its memory that nobody uses, if they were asked for by <see cref="CudaInfo.WithFreeMemory"/>.</summary>
    public long? FreeMemoryBytes { get; init; }
}
