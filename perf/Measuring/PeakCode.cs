// Peak loops of the two instructions that .NET has no name for, as machine code: products of bytes and of bfloat16 in
// registers of 64 bytes.
using Engine.Cpu.Assembler;

namespace Engine.Perf.Measuring;

/// <summary>A loop of one instruction on zmm16 .. zmm29, which no calling convention asks to be kept.</summary>
internal sealed unsafe class PeakCode
{
    // An instruction takes 4 to 6 cycles on 2 ports: 14 chains keep both busy.
    private const int Chains = 14;
    private const int First = 16;

    private readonly ExecutableMemory _memory;

    private PeakCode(ExecutableMemory memory) => _memory = memory;

    /// <summary>The loop of vpdpbusd; null where the processor or the system has none.</summary>
    public static PeakCode? Bytes { get; } = Machine.HasVnni512 ? Make(VectorCode.DotBytes) : null;

    /// <summary>The loop of vdpbf16ps.</summary>
    public static PeakCode? BFloat16 { get; } = Machine.HasBFloat16 ? Make(VectorCode.DotBFloat16) : null;

    /// <summary>Runs it and tells how many instructions that were.</summary>
    public double Run(int rounds)
    {
        ((delegate* unmanaged<long, void>)_memory.Address)(rounds);
        return (double)rounds * Chains;
    }

    private static PeakCode? Make(VectorCode instruction)
    {
        Register rounds = OperatingSystem.IsWindows() ? Register.Rcx : Register.Rdi;
        var code = new CodeWriter();
        for (int register = First; register < 32; register++) code.Vector(VectorCode.Xor, register, register, register);
        code.Align(32);
        int loop = code.Length;
        for (int chain = 0; chain < Chains; chain++) code.Vector(instruction, First + chain, 30, 31);
        code.Subtract(rounds, 1);
        code.JumpIf(Condition.NotZero, loop);
        code.ZeroUpper();
        code.Return();
        return ExecutableMemory.TryCreate(code.Code, out _) is { } memory ? new PeakCode(memory) : null;
    }
}
