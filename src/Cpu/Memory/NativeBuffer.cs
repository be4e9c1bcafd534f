// Native memory, aligned to a cache line and counted, so that a test can see that steady state takes none.
using System.Runtime.InteropServices;

namespace Engine.Cpu.Memory;

/// <summary>Allocates and frees aligned native memory.</summary>
internal static unsafe class NativeBuffer
{
    /// <summary>Alignment in bytes: a cache line, and the widest vector.</summary>
    public const int Alignment = 64;

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
        nuint size = (nuint)Math.Max(bytes, 1);
        void* memory;
        try
        {
            memory = NativeMemory.AlignedAlloc(size, Alignment);
        }
        catch (OutOfMemoryException inner)
        {
            throw new InsufficientMemoryException($"{bytes:N0} bytes of native memory were asked for and refused.", inner);
        }

        if (zeroed) NativeMemory.Clear(memory, size);
        Interlocked.Increment(ref _allocations);
        Interlocked.Add(ref _liveBytes, bytes);
        return memory;
    }

    /// <summary>Frees what <see cref="Allocate"/> returned.</summary>
    public static void Free(void* memory, long bytes)
    {
        NativeMemory.AlignedFree(memory);
        Interlocked.Add(ref _liveBytes, -bytes);
    }
}
