// Loops that do nothing but move bytes: read, copy, and add two tables into a third, by registers of 64 bytes (or the pairs
// that .NET makes of smaller ones). There are several of each; which is the fastest depends on the level of cache.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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

    /// <summary>The same in four streams side by side: some prefetchers follow those further.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ReadFour(float* x, long floats)
    {
        long part = floats / 4;
        Vector512<float> a = default, b = default, c = default, d = default;
        Vector512<float> e = default, f = default, g = default, h = default;
        for (float* end = x + part; x < end; x += 32)
        {
            a += Vector512.Load(x);
            b += Vector512.Load(x + 16);
            c += Vector512.Load(x + part);
            d += Vector512.Load(x + part + 16);
            e += Vector512.Load(x + (2 * part));
            f += Vector512.Load(x + (2 * part) + 16);
            g += Vector512.Load(x + (3 * part));
            h += Vector512.Load(x + (3 * part) + 16);
        }

        return Vector512.Sum((a + b + c + d) + (e + f + g + h));
    }

    /// <summary>In one stream, and the cache asked for what comes two kilobytes later.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ReadAhead(float* x, long floats)
    {
        Vector512<float> a = default, b = default, c = default, d = default;
        for (float* end = x + floats; x < end; x += 64)
        {
            for (int line = 0; line < 4; line++) Ahead(x + 512 + (16 * line));
            a += Vector512.Load(x);
            b += Vector512.Load(x + 16);
            c += Vector512.Load(x + 32);
            d += Vector512.Load(x + 48);
        }

        return Vector512.Sum((a + b) + (c + d));
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

    // An address beyond the buffer does no harm.
    private static void Ahead(float* place)
    {
        if (Sse.IsSupported) Sse.Prefetch0(place);
    }
}
