// Loops that do nothing but move bytes: read, copy, and add two tables into a third. The widest vectors that .NET has here;
// four vectors of each of two or four streams in flight, so that neither latency nor one prefetcher is the limit.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Engine.Perf.Measuring;

/// <summary>What a probe of bandwidth does with memory.</summary>
internal enum Traffic
{
    /// <summary>x is read.</summary>
    Read,

    /// <summary>x is read and y is written: bytes of both count.</summary>
    Copy,

    /// <summary>x and y are read and z is written: bytes of all three count.</summary>
    Add,
}

/// <summary>The loops; lengths are multiples of 128 floats.</summary>
internal static unsafe class Streams
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Read(float* x, long floats)
    {
        Vector512<float> a = default, b = default, c = default, d = default;
        Vector512<float> e = default, f = default, g = default, h = default;
        for (float* end = x + floats; x < end; x += 128)
        {
            a += Vector512.Load(x);
            b += Vector512.Load(x + 16);
            c += Vector512.Load(x + 32);
            d += Vector512.Load(x + 48);
            e += Vector512.Load(x + 64);
            f += Vector512.Load(x + 80);
            g += Vector512.Load(x + 96);
            h += Vector512.Load(x + 112);
        }

        return Vector512.Sum((a + b + c + d) + (e + f + g + h));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Copy(float* x, float* y, long floats)
    {
        for (float* end = x + floats; x < end; x += 64, y += 64)
        {
            Vector512.Store(Vector512.Load(x), y);
            Vector512.Store(Vector512.Load(x + 16), y + 16);
            Vector512.Store(Vector512.Load(x + 32), y + 32);
            Vector512.Store(Vector512.Load(x + 48), y + 48);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void CopyPast(float* x, float* y, long floats)
    {
        for (float* end = x + floats; x < end; x += 64, y += 64)
        {
            Vector512.Load(x).StoreAlignedNonTemporal(y);
            Vector512.Load(x + 16).StoreAlignedNonTemporal(y + 16);
            Vector512.Load(x + 32).StoreAlignedNonTemporal(y + 32);
            Vector512.Load(x + 48).StoreAlignedNonTemporal(y + 48);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(float* x, float* y, float* z, long floats)
    {
        for (float* end = x + floats; x < end; x += 32, y += 32, z += 32)
        {
            Vector512.Store(Vector512.Load(x) + Vector512.Load(y), z);
            Vector512.Store(Vector512.Load(x + 16) + Vector512.Load(y + 16), z + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddPast(float* x, float* y, float* z, long floats)
    {
        for (float* end = x + floats; x < end; x += 32, y += 32, z += 32)
        {
            (Vector512.Load(x) + Vector512.Load(y)).StoreAlignedNonTemporal(z);
            (Vector512.Load(x + 16) + Vector512.Load(y + 16)).StoreAlignedNonTemporal(z + 16);
        }
    }
}
