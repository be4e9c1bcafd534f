// The derivatives of Activations.cs, each times the gradient that comes from behind: one struct, one formula.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>dy.</summary>
internal readonly struct Second : IBinary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x, TSimd dy) where TSimd : unmanaged, ISimd<TSimd> => dy;
}

/// <summary>dy where x &gt; 0, else 0.</summary>
internal readonly struct ReluGradient : IBinary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x, TSimd dy) where TSimd : unmanaged, ISimd<TSimd> =>
        TSimd.SelectLess(TSimd.Zero, x, dy, TSimd.Zero);
}

/// <summary>dy · s (1 − s), s = σ(x).</summary>
internal readonly struct SigmoidGradient : IBinary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x, TSimd dy) where TSimd : unmanaged, ISimd<TSimd> =>
        dy * (Sigmoid.Invoke(x) * Sigmoid.Invoke(TSimd.Zero - x));
}

/// <summary>dy · (1 − t²), t = tanh(x).</summary>
internal readonly struct HyperbolicTangentGradient : IBinary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x, TSimd dy) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd t = HyperbolicTangent.Invoke(x);
        return dy * ((TSimd.Broadcast(1f) - t) * (TSimd.Broadcast(1f) + t));
    }
}

/// <summary>dy · s (1 + x (1 − s)), s = σ(x).</summary>
internal readonly struct SiluGradient : IBinary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x, TSimd dy) where TSimd : unmanaged, ISimd<TSimd> =>
        dy * SigmoidProduct.Slope(x, x, x);
}

/// <summary>dy · s (1 + 1.702 x (1 − s)), s = σ(1.702 x).</summary>
internal readonly struct GeluSigmoidGradient : IBinary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x, TSimd dy) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd u = x * TSimd.Broadcast(1.702f);
        return dy * SigmoidProduct.Slope(u, u, x);
    }
}

/// <summary>dy · s (1 + x u′ (1 − s)), s = σ(u), u = x (1.5957691 + 0.0713548 x²).</summary>
internal readonly struct GeluTanhGradient : IBinary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x, TSimd dy) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd square = x * x;
        TSimd u = x * TSimd.Fma(square, TSimd.Broadcast(0.07135481627f), TSimd.Broadcast(1.595769122f));
        TSimd product = x * TSimd.Fma(square, TSimd.Broadcast(3f * 0.07135481627f), TSimd.Broadcast(1.595769122f));
        return dy * SigmoidProduct.Slope(u, product, x);
    }
}

/// <summary>dy · (Φ(x) + x φ(x)).</summary>
internal readonly struct GeluGradient : IBinary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x, TSimd dy) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd half = TSimd.Broadcast(0.5f);
        TSimd below = TSimd.Fma(half, ErrorFunction.Invoke(x * TSimd.Broadcast(0.707106781f)), half);
        TSimd density = Exponential.OfNegative(TSimd.Zero - (x * half * x)) * TSimd.Broadcast(0.398942280f);
        return dy * TSimd.Fma(x, density, below);
    }
}

/// <summary>What functions of the form x · σ(u(x)) share.</summary>
internal static class SigmoidProduct
{
    /// <summary>σ(u) + x u′ σ(u) σ(−u), where far from 0 what is large times what is 0 is 0.</summary>
    /// <param name="u">u(x).</param>
    /// <param name="product">x · u′(x).</param>
    /// <param name="x">x.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Slope<TSimd>(TSimd u, TSimd product, TSimd x) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd s = Sigmoid.Invoke(u), rest = Sigmoid.Invoke(TSimd.Zero - u);
        TSimd slope = TSimd.Fma(product, s * rest, s);
        TSimd far = TSimd.SelectLess(x, TSimd.Zero, TSimd.Zero, TSimd.Broadcast(1f));
        return TSimd.SelectLess(TSimd.Broadcast(60f), TSimd.Abs(u), far, slope);
    }
}

/// <summary>y = f(x).</summary>
internal readonly unsafe struct Mapped<TMap>(FloatRows x, FloatRows y, int columns) : IRowKernel where TMap : unmanaged, IMap
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++)
        {
            float* from = x[row], to = y[row];
            for (nint i = 0; i < columns; i += Lanes.Count)
            {
                int count = (int)Math.Min(columns - i, Lanes.Count);
                Lanes.StoreFirst(TMap.Invoke(Lanes.LoadFirst<TSimd>(from + i, count)), to + i, count);
            }
        }
    }
}
