// How a row kernel writes: to the caches, where the next operator finds it, or past them.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Writes sixteen numbers.</summary>
internal unsafe interface IStore
{
    static abstract void Store<TSimd>(TSimd value, float* destination) where TSimd : unmanaged, ISimd<TSimd>;

    /// <summary>Asks for what will be read soon.</summary>
    static abstract void Ask(float* ahead);

    /// <summary>After the last store.</summary>
    static abstract void End();
}

/// <summary>For a table that the next operator finds in a cache.</summary>
internal readonly unsafe struct StoreToCache : IStore
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TSimd>(TSimd value, float* destination) where TSimd : unmanaged, ISimd<TSimd> =>
        TSimd.Store(value, destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Ask(float* ahead)
    {
    }

    public static void End()
    {
    }
}

/// <summary>
/// For a table that no cache could keep: a store past the caches does not read the line first, which is a third of the bytes that
/// a copy moves.
/// </summary>
internal readonly unsafe struct StoreThrough : IStore
{
    // From here on a table and the one that it was made of fill a third-level cache of 16 MiB, which is what a core has of it.
    private const long SmallestTable = 8 << 20;

    /// <summary>Whether a table should be written so, and can be: all vectors are whole and aligned.</summary>
    public static bool Suits(float* y, int stride, int rows, int columns) =>
        (long)rows * columns * sizeof(float) >= SmallestTable && columns % Lanes.Count == 0 && stride % Lanes.Count == 0
        && (nint)y % (Lanes.Count * sizeof(float)) == 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TSimd>(TSimd value, float* destination) where TSimd : unmanaged, ISimd<TSimd> =>
        TSimd.StoreThrough(value, destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Ask(float* ahead)
    {
        if (Sse.IsSupported) Sse.Prefetch0(ahead);
    }

    public static void End()
    {
        if (Sse.IsSupported) Sse.StoreFence();    // other threads see what was stored before they see that the tile is done
    }
}
