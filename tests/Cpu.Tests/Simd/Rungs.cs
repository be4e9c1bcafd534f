// All rungs, those that the machine lacks too: the runtime's own code then stands for them.
using Engine.Cpu.Simd;

namespace Cpu.Tests.Simd;

internal static class Rungs
{
    public static Rung[] All { get; } = [Rung.Portable, Rung.Avx2, Rung.Avx512];
}
