// Pages from the system itself. They come zeroed, and take memory when they are touched. Linux only: elsewhere the C
// library's allocator serves all sizes.
using System.Runtime.InteropServices;

namespace Engine.Cpu.Memory;

/// <summary>Maps and unmaps pages that belong to no file.</summary>
internal static unsafe partial class Pages
{
    /// <summary>Bytes of a huge page on x64 and, with pages of 4 KiB, on Arm64.</summary>
    public const int HugeBytes = 1 << 21;

    private const int ProtectionReadWrite = 0x1 | 0x2;
    private const int PrivateAnonymous = 0x02 | 0x20;
    private const int AdviceHugePage = 14;

    /// <summary>Whether the system is one that this class knows how to ask.</summary>
    public static bool IsSupported { get; } =
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    /// <summary>Maps zeroed pages.</summary>
    /// <exception cref="OutOfMemoryException">There is no such room.</exception>
    public static void* Allocate(nuint bytes)
    {
        void* memory = MMap(null, bytes, ProtectionReadWrite, PrivateAnonymous, -1, 0);
        return memory == (void*)-1 ? throw NativeBuffer.Refused((long)bytes) : memory;
    }

    /// <summary>
    /// Maps zeroed pages, aligned to huge ones, and asks for huge ones: a stream of weights then needs one entry of the
    /// page table for 2 MiB instead of 512. Where the system has none it gives small ones.
    /// </summary>
    /// <param name="bytes">A whole number of huge pages.</param>
    /// <exception cref="OutOfMemoryException">There is no such room.</exception>
    public static void* AllocateHuge(nuint bytes)
    {
        var memory = (byte*)Allocate(bytes + HugeBytes);
        nuint before = (nuint)(-(nint)memory) & (HugeBytes - 1);
        if (before > 0) Free(memory, before);
        Free(memory + before + bytes, HugeBytes - before);
        memory += before;
        _ = MAdvise(memory, bytes, AdviceHugePage);   // refused where the kernel was built without them
        return memory;
    }

    /// <summary>Gives pages back.</summary>
    public static void Free(void* memory, nuint bytes) => _ = MUnmap(memory, bytes);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial void* MMap(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MUnmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MAdvise(void* address, nuint length, int advice);
}
