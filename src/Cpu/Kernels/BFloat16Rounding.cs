// How a float32 becomes bfloat16, written once: to the nearest, ties to even.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Engine.Cpu.Kernels;

/// <summary>Rounds the bits of float32 numbers; the upper half is then the bfloat16, the lower half is to be thrown away.</summary>
internal static class BFloat16Rounding
{
    /// <summary>One number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Round(uint bits) => bits + 0x7FFF + ((bits >> 16) & 1);

    /// <summary>Sixteen numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Round(Vector512<uint> bits) =>
        bits + Vector512.Create(0x7FFFu) + ((bits >>> 16) & Vector512.Create(1u));
}
