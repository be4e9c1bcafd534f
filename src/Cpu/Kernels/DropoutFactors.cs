// Dropout by a counter-based generator (Backends/Dropout.cs defines it): sixteen counters side by side give the factors of 128
// columns. Integers are the same on every rung, so there is one body, in vectors of 512 bits.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Engine.Backends;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>What numbers are multiplied by: 0 or <see cref="Dropout.Scale"/>.</summary>
internal readonly unsafe struct DropoutFactors(in Dropout dropout)
{
    private readonly ulong _key = dropout.Key;
    private readonly uint _site = (uint)dropout.Site;
    private readonly uint _threshold = (uint)dropout.Threshold;
    private readonly float _scale = dropout.Scale;

    /// <summary>Whether nothing is dropped.</summary>
    public bool IsNone => _threshold == 0;

    /// <summary>Factors of 128 columns of a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="group">Which 128 columns.</param>
    /// <param name="factors">Room for 128.</param>
    [SkipLocalsInit]
    private void Fill(long row, int group, float* factors)
    {
        Vector512<uint> lanes = Vector512.Create(0u, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        Vector512<uint> c0 = lanes + Vector512.Create((uint)(group * Lanes.Count));
        Vector512<uint> c1 = Vector512.Create((uint)row), c2 = Vector512.Create((uint)(row >> 32)), c3 = Vector512.Create(_site);
        uint k0 = (uint)_key, k1 = (uint)(_key >> 32);
        for (int round = 0; round < 10; round++)
        {
            Multiply(c0, 0xD2511F53u, out Vector512<uint> low0, out Vector512<uint> high0);
            Multiply(c2, 0xCD9E8D57u, out Vector512<uint> low1, out Vector512<uint> high1);
            c0 = high1 ^ c1 ^ Vector512.Create(k0);
            c1 = low1;
            c2 = high0 ^ c3 ^ Vector512.Create(k1);
            c3 = low0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }

        Put(c0, factors);
        Put(c1, factors + (2 * Lanes.Count));
        Put(c2, factors + (4 * Lanes.Count));
        Put(c3, factors + (6 * Lanes.Count));
    }

    /// <summary>y = x · factors, for some columns of a row; y may be x.</summary>
    /// <param name="row">The row.</param>
    /// <param name="firstColumn">The column of the first number.</param>
    /// <param name="x">The numbers.</param>
    /// <param name="y">The results.</param>
    /// <param name="count">How many.</param>
    [SkipLocalsInit]
    public void Multiply<TSimd>(long row, int firstColumn, float* x, float* y, int count) where TSimd : unmanaged, ISimd<TSimd>
    {
        float* memory = stackalloc float[Dropout.GroupColumns + Lanes.Count], factors = Lanes.Align(memory);
        for (int done = 0, width; done < count; done += width)
        {
            int column = firstColumn + done, within = column % Dropout.GroupColumns;
            width = Math.Min(Dropout.GroupColumns - within, count - done);
            Fill(row, column / Dropout.GroupColumns, factors);
            Elementwise<Multiplication>.Row<TSimd>(x + done, factors + within, y + done, width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Put(Vector512<uint> word, float* factors)
    {
        Vector512<uint> scale = Vector512.Create(_scale).AsUInt32(), threshold = Vector512.Create(_threshold);
        Vector512<uint> low = word & Vector512.Create(0xFFFFu), high = word >>> 16;
        (Vector512.GreaterThanOrEqual(low, threshold) & scale).AsSingle().Store(factors);
        (Vector512.GreaterThanOrEqual(high, threshold) & scale).AsSingle().Store(factors + Lanes.Count);
    }

    // 32 × 32 bits are 64: the even lanes, and the odd ones moved to even places.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(Vector512<uint> x, uint factor, out Vector512<uint> low, out Vector512<uint> high)
    {
        Vector512<ulong> even = Product(x.AsUInt64(), factor), odd = Product(x.AsUInt64() >>> 32, factor);
        Vector512<ulong> upper = Vector512.Create(0xFFFFFFFF00000000ul);
        low = ((even & ~upper) | (odd << 32)).AsUInt32();
        high = ((even >>> 32) | (odd & upper)).AsUInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Product(Vector512<ulong> x, uint factor)
    {
        if (Avx512F.IsSupported) return Avx512F.Multiply(x.AsUInt32(), Vector512.Create((ulong)factor).AsUInt32());
        if (Avx2.IsSupported)
        {
            Vector256<uint> f = Vector256.Create((ulong)factor).AsUInt32();
            return Vector512.Create(Avx2.Multiply(x.GetLower().AsUInt32(), f), Avx2.Multiply(x.GetUpper().AsUInt32(), f));
        }

        return (x & Vector512.Create(0xFFFFFFFFul)) * Vector512.Create((ulong)factor);
    }
}

/// <summary>y = x · factors.</summary>
internal readonly unsafe struct DropoutRows(FloatRows x, FloatRows y, int columns, DropoutFactors factors) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++) factors.Multiply<TSimd>(row, 0, x[row], y[row], columns);
    }
}
