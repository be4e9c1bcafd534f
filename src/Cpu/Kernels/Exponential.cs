// eˣ by one polynomial with the same fused steps on every rung: a library's exp would differ between machines.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>eˣ within 2 ulp from ln 2⁻¹²⁶ to ln 2¹²⁷; 0 below, as softmax wants it, and 2¹²⁷ above; NaN stays NaN.</summary>
internal static class Exponential
{
    private const float Lowest = -87.33654f;    // ln 2⁻¹²⁶: below it the result would be subnormal
    private const float Highest = 88.02969f;    // ln 2¹²⁷

    /// <summary>eˣ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> =>
        Power(x, TSimd.Min(TSimd.Broadcast(Highest), TSimd.Max(TSimd.Broadcast(Lowest), x)));    // NaN stays

    /// <summary>The same for x that is not above 0, as in a softmax, or NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd OfNegative<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> =>
        Power(x, TSimd.Max(TSimd.Broadcast(Lowest), x));

    // x = n ln 2 + r, |r| <= ln 2 / 2; eˣ = 2ⁿ eʳ. ln 2 in two parts: n times the upper is exact.
    // The coefficients are the minimax polynomial of Cephes' expf.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TSimd Power<TSimd>(TSimd x, TSimd clamped) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd n = TSimd.Round(clamped * TSimd.Broadcast(1.44269504f));
        TSimd r = TSimd.Fma(n, TSimd.Broadcast(-0.693359375f), clamped);
        r = TSimd.Fma(n, TSimd.Broadcast(2.12194440e-4f), r);
        TSimd p = TSimd.Broadcast(1.9875691500e-4f);
        p = TSimd.Fma(p, r, TSimd.Broadcast(1.3981999507e-3f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(8.3334519073e-3f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(4.1665795894e-2f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(1.6666665459e-1f));
        p = TSimd.Fma(p, r, TSimd.Broadcast(5.0000001201e-1f));
        p = TSimd.Fma(p, r * r, r) + TSimd.Broadcast(1f);
        return TSimd.SelectLess(x, TSimd.Broadcast(Lowest), TSimd.Zero, TSimd.Scale(p, n));
    }
}
