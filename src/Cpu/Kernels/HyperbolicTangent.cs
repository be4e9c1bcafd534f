// tanh by one polynomial and our own exp, with the same fused steps on every rung.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>tanh x, within 3 ulp.</summary>
internal readonly struct HyperbolicTangent : IMap
{
    // Below 0.625: x + x³ P(x²), P minimax for the relative error of tanh (Remez; 0.08 ulp before rounding). Above it:
    // 1 − 2 / (e²ˣ + 1), where what is subtracted is below a half, so that its error counts half or less.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd magnitude = TSimd.Abs(x);
        TSimd square = x * x;
        TSimd p = TSimd.Broadcast(-5.704987112e-3f);
        p = TSimd.Fma(p, square, TSimd.Broadcast(2.063908735e-2f));
        p = TSimd.Fma(p, square, TSimd.Broadcast(-5.373971512e-2f));
        p = TSimd.Fma(p, square, TSimd.Broadcast(1.333144220e-1f));
        p = TSimd.Fma(p, square, TSimd.Broadcast(-3.333328194e-1f));
        TSimd small = TSimd.Fma(p * square, x, x);

        TSimd one = TSimd.Broadcast(1f);
        TSimd large = one - (TSimd.Broadcast(2f) / (Exponential.Invoke(magnitude + magnitude) + one));
        return TSimd.SelectLess(magnitude, TSimd.Broadcast(0.625f), small, TSimd.CopySign(large, x));
    }
}
