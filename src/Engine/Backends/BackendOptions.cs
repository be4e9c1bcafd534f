// What a host may choose about a backend.
namespace Engine.Backends;

/// <summary>Settings of a backend; each has a default that suits most hosts.</summary>
public sealed record BackendOptions
{
    /// <summary>CPU: threads to compute with; 0: one for each processor that the process may use.</summary>
    public int Threads { get; init; }

    /// <summary>CPU: <c>auto</c>, <c>avx512</c>, <c>avx2</c> or <c>portable</c>. The bits of a result do not depend on it.</summary>
    public string InstructionSet { get; init; } = "auto";

    /// <summary>
    /// CPU: whether instructions that .NET does not offer may be used, by machine code made at run time. The bits of a result
    /// do not depend on it.
    /// </summary>
    public bool MachineCode { get; init; } = true;

    /// <summary>CUDA: number of the device.</summary>
    public int Device { get; init; }
}
