// Native memory, aligned to a cache line and counted, so that a test can see that steady state takes none.
using System.Runtime.InteropServices;

namespace Engine.Cpu.Memory;

/// <summary>Allocates and frees aligned native memory.</summary>
internal static unsafe class NativeBuffer
{
    /// <summary>Alignment in bytes: a cache line, and the widest vector.</summary>
    public const int Alignment = 64;

    // From here on the system is asked for pages: they come zeroed and take memory only where they are touched, so that a
    // large cache of which little is used costs little.
    private const long SmallestPages = 1 << 17;

    // A large batch touches all of its arena and its caches: small pages then took longer than its first translation.
    private const long SmallestHugePages = 2 * Pages.HugeBytes;

    private static long _allocations;
    private static long _liveBytes;

    /// <summary>Number of allocations since the process began.</summary>
    public static long Allocations => Volatile.Read(ref _allocations);

    /// <summary>Bytes allocated and not freed.</summary>
    public static long LiveBytes => Volatile.Read(ref _liveBytes);

    /// <summary>Allocates; at least one byte is always taken, so that an empty tensor has an address.</summary>
    /// <exception cref="OutOfMemoryException">There is no such room.</exception>
    public static void* Allocate(long bytes, bool zeroed)
    {
        if (IsPages(bytes))
        {
            void* pages = bytes < SmallestHugePages
                ? Pages.Allocate((nuint)bytes)
                : Pages.AllocateHuge((nuint)RoundToHugePages(bytes));
            Count(bytes);
            return pages;
        }

        nuint size = (nuint)Math.Max(bytes, 1);
        void* memory;
        try
        {
            memory = NativeMemory.AlignedAlloc(size, Alignment);
        }
        catch (OutOfMemoryException inner)
        {
            throw Refused(bytes, inner);
        }

        if (zeroed) NativeMemory.Clear(memory, size);
        Count(bytes);
        return memory;
    }

    /// <summary>Frees what <see cref="Allocate"/> returned.</summary>
    public static void Free(void* memory, long bytes)
    {
        if (IsPages(bytes)) Pages.Free(memory, (nuint)(bytes < SmallestHugePages ? bytes : RoundToHugePages(bytes)));
        else NativeMemory.AlignedFree(memory);
        Discount(bytes);
    }

    /// <summary>Counts memory that was taken elsewhere.</summary>
    internal static void Count(long bytes)
    {
        Interlocked.Increment(ref _allocations);
        Interlocked.Add(ref _liveBytes, bytes);
    }

    /// <summary>Counts it as given back.</summary>
    internal static void Discount(long bytes) => Interlocked.Add(ref _liveBytes, -bytes);

    /// <summary>The error for memory that the system refuses.</summary>
    internal static InsufficientMemoryException Refused(long bytes, Exception? inner = null) =>
        new($"{bytes:N0} bytes of native memory were asked for and refused.", inner);

    private static long RoundToHugePages(long bytes) => (bytes + (Pages.HugeBytes - 1)) & ~(long)(Pages.HugeBytes - 1);

    private static bool IsPages(long bytes) => bytes >= SmallestPages && Pages.IsSupported;
}
