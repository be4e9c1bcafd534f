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

    /// <summary>CUDA: what the bits of a result may depend on. On the CPU they depend on nothing, whatever this says.</summary>
    public Determinism Deterministic { get; init; }

    /// <summary>
    /// CUDA: what the factors of products are rounded to, in linear layers and in attention. Only
    /// <see cref="Arithmetic.Float32"/> goes with <see cref="Determinism.Batch"/>.
    /// </summary>
    public Arithmetic Arithmetic { get; init; }
}

/// <summary>What the bits of a result may depend on.</summary>
public enum Determinism
{
    /// <summary>On what stands beside it in the batch: products are the library's, and the same work gives the same bits.</summary>
    Run,

    /// <summary>On nothing: products are kernels with one fixed order of sums, and a result has the bits that the CPU gives.</summary>
    Batch,
}
