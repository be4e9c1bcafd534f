// C += A B for the small matrices of one sentence and head: nothing is packed, everything lies in the nearer caches.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Products of small matrices.</summary>
internal static unsafe class SmallProduct
{
    private const int TileRows = 4;

    /// <summary>C[m][n] += Σ A[m][k] · B[k][n], a chain of fused steps in ascending k that begins with what is in C.</summary>
    /// <param name="a">A; element (m, k) is m · <paramref name="aRow"/> + k · <paramref name="aStep"/>.</param>
    /// <param name="aRow">From a row of A to the next.</param>
    /// <param name="aStep">From an element of a row to the next: A may be transposed.</param>
    /// <param name="b">B, on a cache line.</param>
    /// <param name="bRow">From a row of B to the next.</param>
    /// <param name="c">C, on a cache line.</param>
    /// <param name="cRow">From a row of C to the next.</param>
    /// <param name="rows">Rows of C.</param>
    /// <param name="columns">Columns of C, a multiple of 16.</param>
    /// <param name="steps">Columns of A.</param>
    public static void Add<TSimd>(
        float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int columns, int steps)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        int column = 0;
        for (; column <= columns - (2 * Lanes.Count); column += 2 * Lanes.Count)
        {
            int row = 0;
            for (; row <= rows - TileRows; row += TileRows)
                FourByTwo<TSimd>(a + (row * aRow), aRow, aStep, b + column, bRow, c + (row * cRow) + column, cRow, steps);
            for (; row < rows; row++)
            {
                One<TSimd>(a + (row * aRow), aStep, b + column, bRow, c + (row * cRow) + column, steps);
                One<TSimd>(
                    a + (row * aRow), aStep, b + column + Lanes.Count, bRow, c + (row * cRow) + column + Lanes.Count, steps);
            }
        }

        if (column == columns) return;
        int left = 0;
        for (; left <= rows - TileRows; left += TileRows)
            FourByOne<TSimd>(a + (left * aRow), aRow, aStep, b + column, bRow, c + (left * cRow) + column, cRow, steps);
        for (; left < rows; left++) One<TSimd>(a + (left * aRow), aStep, b + column, bRow, c + (left * cRow) + column, steps);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByTwo<TSimd>(
        float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int steps)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        float* c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
        TSimd s00 = TSimd.Load(c), s01 = TSimd.Load(c + Lanes.Count), s10 = TSimd.Load(c1), s11 = TSimd.Load(c1 + Lanes.Count);
        TSimd s20 = TSimd.Load(c2), s21 = TSimd.Load(c2 + Lanes.Count), s30 = TSimd.Load(c3), s31 = TSimd.Load(c3 + Lanes.Count);
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
        for (int k = 0; k < steps; k++)
        {
            TSimd low = TSimd.Load(b), high = TSimd.Load(b + Lanes.Count);
            TSimd x = TSimd.Broadcast(*a);
            TSimd.Accumulate(ref s00, x, low);
            TSimd.Accumulate(ref s01, x, high);
            x = TSimd.Broadcast(*a1);
            TSimd.Accumulate(ref s10, x, low);
            TSimd.Accumulate(ref s11, x, high);
            x = TSimd.Broadcast(*a2);
            TSimd.Accumulate(ref s20, x, low);
            TSimd.Accumulate(ref s21, x, high);
            x = TSimd.Broadcast(*a3);
            TSimd.Accumulate(ref s30, x, low);
            TSimd.Accumulate(ref s31, x, high);
            a += aStep;
            a1 += aStep;
            a2 += aStep;
            a3 += aStep;
            b += bRow;
        }

        TSimd.Store(s00, c);
        TSimd.Store(s01, c + Lanes.Count);
        TSimd.Store(s10, c1);
        TSimd.Store(s11, c1 + Lanes.Count);
        TSimd.Store(s20, c2);
        TSimd.Store(s21, c2 + Lanes.Count);
        TSimd.Store(s30, c3);
        TSimd.Store(s31, c3 + Lanes.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByOne<TSimd>(
        float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int steps)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        float* c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow;
        TSimd s0 = TSimd.Load(c), s1 = TSimd.Load(c1), s2 = TSimd.Load(c2), s3 = TSimd.Load(c3);
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
        for (int k = 0; k < steps; k++)
        {
            TSimd values = TSimd.Load(b);
            TSimd.Accumulate(ref s0, TSimd.Broadcast(*a), values);
            TSimd.Accumulate(ref s1, TSimd.Broadcast(*a1), values);
            TSimd.Accumulate(ref s2, TSimd.Broadcast(*a2), values);
            TSimd.Accumulate(ref s3, TSimd.Broadcast(*a3), values);
            a += aStep;
            a1 += aStep;
            a2 += aStep;
            a3 += aStep;
            b += bRow;
        }

        TSimd.Store(s0, c);
        TSimd.Store(s1, c1);
        TSimd.Store(s2, c2);
        TSimd.Store(s3, c3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One<TSimd>(float* a, nint aStep, float* b, nint bRow, float* c, int steps)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd sum = TSimd.Load(c);
        for (int k = 0; k < steps; k++)
        {
            TSimd.Accumulate(ref sum, TSimd.Broadcast(*a), TSimd.Load(b));
            a += aStep;
            b += bRow;
        }

        TSimd.Store(sum, c);
    }
}
