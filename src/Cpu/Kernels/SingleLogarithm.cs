// ln x by one polynomial with the same fused steps on every rung, for where each element needs one.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>ln x in float32 for positive, finite and normal x: within 1 ulp.</summary>
internal static class SingleLogarithm
{
    /// <summary>ln x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd>
    {
        // x = 2ⁿ (1 + r), √½ <= 1 + r < √2; ln x = n ln 2 + r − r²/2 + r³ p(r). ln 2 in two parts: n times the upper is exact.
        // The coefficients are the minimax polynomial of Cephes' logf. r is exact, and what is added to it small.
        TSimd.Split(x, out TSimd mantissa, out TSimd n);
        TSimd r = mantissa - TSimd.Broadcast(1f), square = r * r;
        TSimd p = TSimd.Broadcast(7.0376836292e-2f);
        p = TSimd.Fma(p, r, TSimd.Broadcast(-1.1514610310e-1f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(1.1676998740e-1f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(-1.2420140846e-1f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(1.4249322787e-1f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(-1.6668057665e-1f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(2.0000714765e-1f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(-2.4999993993e-1f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(3.3333331174e-1f));
        TSimd y = TSimd.Fma(p * r, square, n * TSimd.Broadcast(-2.12194440e-4f));
        y = TSimd.Fma(square, TSimd.Broadcast(-0.5f), y);
        return TSimd.Fma(n, TSimd.Broadcast(0.693359375f), r + y);
    }
}
