// The error function by two polynomials and our own exp, with the same fused steps on every rung.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>erf x, within 3 ulp.</summary>
internal readonly struct ErrorFunction : IMap
{
    // Below 1: x + x P(x²), P minimax for the relative error of erf. Above it: 1 − e^Q(x), Q minimax for ln erfc(x) on
    // 1 .. 3.95, weighted so that the error of erf is what is small (Remez; both below 0.03 ulp before rounding).
    // From 3.92 on erfc is below half an ulp of 1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd magnitude = TSimd.Abs(x);
        TSimd square = x * x;
        TSimd p = TSimd.Broadcast(7.853861179e-5f);
        p = TSimd.Fma(p, square, TSimd.Broadcast(-8.010193576e-4f));
        p = TSimd.Fma(p, square, TSimd.Broadcast(5.188327681e-3f));
        p = TSimd.Fma(p, square, TSimd.Broadcast(-2.685381193e-2f));
        p = TSimd.Fma(p, square, TSimd.Broadcast(1.128358515e-1f));
        p = TSimd.Fma(p, square, TSimd.Broadcast(-3.761262582e-1f));
        p = TSimd.Fma(p, square, TSimd.Broadcast(1.283791657e-1f));
        TSimd small = TSimd.Fma(p, x, x);

        TSimd t = TSimd.Min(magnitude, TSimd.Broadcast(4f));
        TSimd q = TSimd.Broadcast(1.863791536e-4f);
        q = TSimd.Fma(q, t, TSimd.Broadcast(-2.947657952e-3f));
        q = TSimd.Fma(q, t, TSimd.Broadcast(2.183806269e-2f));
        q = TSimd.Fma(q, t, TSimd.Broadcast(-1.031067520e-1f));
        q = TSimd.Fma(q, t, TSimd.Broadcast(-6.381448356e-1f));
        q = TSimd.Fma(q, t, TSimd.Broadcast(-1.127089189f));
        q = TSimd.Fma(q, t, TSimd.Broadcast(-3.415234058e-4f));
        TSimd large = TSimd.Broadcast(1f) - Exponential.Invoke(q);
        return TSimd.SelectLess(magnitude, TSimd.Broadcast(1f), small, TSimd.CopySign(large, x));
    }
}
