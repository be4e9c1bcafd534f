// The activations of the seam, one struct with one formula each. What they do far from 0 is chosen so that nothing
// overflows.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>x.</summary>
internal readonly struct Identity : IMap
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> => x;
}

/// <summary>max(x, 0).</summary>
internal readonly struct Relu : IMap
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> => TSimd.Max(x, TSimd.Zero);
}

/// <summary>σ(x) = 1 / (1 + e⁻ˣ), within 4 ulp for results that are normal numbers.</summary>
internal readonly struct Sigmoid : IMap
{
    // By e^−|x|, which never overflows: σ(x) = 1 / (1 + e⁻ˣ) for x ≥ 0 and eˣ / (1 + eˣ) below.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd one = TSimd.Broadcast(1f);
        TSimd e = Exponential.OfNegative(TSimd.Zero - TSimd.Abs(x));
        return TSimd.SelectLess(x, TSimd.Zero, e, one) / (one + e);
    }
}

/// <summary>x · σ(x).</summary>
internal readonly struct Silu : IMap
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> => x * Sigmoid.Invoke(x);
}

/// <summary>x · σ(1.702 x).</summary>
internal readonly struct GeluSigmoid : IMap
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> =>
        x * Sigmoid.Invoke(x * TSimd.Broadcast(1.702f));
}

/// <summary>x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).</summary>
internal readonly struct GeluTanh : IMap
{
    // (1 + tanh u) / 2 = σ(2u), which cancels nowhere. 2u = x · (1.5957691 + 0.0713548 x²).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd slope = TSimd.Fma(x * x, TSimd.Broadcast(0.07135481627f), TSimd.Broadcast(1.595769122f));
        return x * Sigmoid.Invoke(x * slope);
    }
}

/// <summary>x · Φ(x) = x/2 · (1 + erf(x / √2)).</summary>
internal readonly struct Gelu : IMap
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd erf = ErrorFunction.Invoke(x * TSimd.Broadcast(0.707106781f));
        return (x * TSimd.Broadcast(0.5f)) * (TSimd.Broadcast(1f) + erf);
    }
}
