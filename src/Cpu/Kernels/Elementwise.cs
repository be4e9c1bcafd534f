// Two tables made one, element by element.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>A function of two numbers.</summary>
internal interface IBinary
{
    static abstract TSimd Invoke<TSimd>(TSimd x, TSimd y) where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>x + y.</summary>
internal readonly struct Addition : IBinary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x, TSimd y) where TSimd : unmanaged, ISimd<TSimd> => x + y;
}

/// <summary>x · y.</summary>
internal readonly struct Multiplication : IBinary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd Invoke<TSimd>(TSimd x, TSimd y) where TSimd : unmanaged, ISimd<TSimd> => x * y;
}

/// <summary>z = f(x, y), row by row.</summary>
internal readonly unsafe struct Elementwise<TBinary>(FloatRows x, FloatRows y, FloatRows z, int columns) : IRowKernel
    where TBinary : unmanaged, IBinary
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++) Row<TSimd>(x[row], y[row], z[row], columns);
    }

    /// <summary>One row; z may be x or y.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Row<TSimd>(float* x, float* y, float* z, int columns) where TSimd : unmanaged, ISimd<TSimd>
    {
        nint i = 0;
        for (; i <= columns - Lanes.Count; i += Lanes.Count)
            TSimd.Store(TBinary.Invoke(TSimd.Load(x + i), TSimd.Load(y + i)), z + i);
        int left = (int)(columns - i);
        if (left > 0)
        {
            TSimd a = Lanes.LoadFirst<TSimd>(x + i, left), b = Lanes.LoadFirst<TSimd>(y + i, left);
            Lanes.StoreFirst(TBinary.Invoke(a, b), z + i, left);
        }
    }
}
