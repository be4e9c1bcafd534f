// What of CUDA this machine has, and what is missing: for `engine info`, and for the reason that the provider gives.
using Engine.Cuda.Driver;

namespace Engine.Cuda;

/// <summary>What of CUDA was found.</summary>
public sealed record CudaInfo
{
    /// <summary>The driver's library that was loaded, as in <c>libcuda.so.1</c>; null: none was found.</summary>
    public string? DriverLibrary { get; init; }

    /// <summary>The file that this library was loaded from; null: unknown.</summary>
    public string? DriverPath { get; init; }

    /// <summary>The newest CUDA version that the driver serves; null: there is no driver that answers.</summary>
    public Version? DriverVersion { get; init; }

    /// <summary>The GPUs that the driver shows to this process.</summary>
    public IReadOnlyList<CudaDevice> Devices { get; init; } = [];

    /// <summary>The cuBLAS library that would be used, as in <c>libcublas.so.13</c>; null: none was found.</summary>
    public string? CublasLibrary { get; init; }

    /// <summary>The library of its core, as in <c>libcublasLt.so.13</c>; null: none was found.</summary>
    internal string? CublasLtLibrary { get; init; }

    /// <summary>The file that cuBLAS was loaded from; null: unknown.</summary>
    public string? CublasPath { get; init; }

    /// <summary>Its version; null: unknown.</summary>
    public Version? CublasVersion { get; init; }

    /// <summary>What is missing, in one line without a full stop; null: driver, device and cuBLAS are there.</summary>
    public string? Missing { get; init; }

    /// <summary>Looks for driver, devices and cuBLAS. What is missing is told, not thrown.</summary>
    public static CudaInfo Find() => CudaProbe.Find(CudaLibraries.OfThisSystem);

    /// <summary>Asks each device how much of its memory is free, which opens it for that long.</summary>
    public CudaInfo WithFreeMemory() => CudaProbe.AskForFreeMemory(this);
}
