// Memory for probes of bandwidth, on huge pages where the system gives them: a walk over page tables is no bandwidth.
using System.Runtime.InteropServices;

namespace Engine.Perf.Measuring;

/// <summary>Native memory, filled with ones.</summary>
internal sealed unsafe partial class HugeBuffer : IDisposable
{
    private const nuint HugePage = 2 << 20;
    private const int AdviseHugePages = 14;   // MADV_HUGEPAGE of Linux

    /// <summary>Takes and touches so many bytes, rounded up to whole cache lines.</summary>
    public HugeBuffer(long bytes)
    {
        Floats = (bytes + 511) / 512 * 128;
        nuint size = (nuint)Floats * sizeof(float);
        Pointer = (float*)NativeMemory.AlignedAlloc(size, size >= HugePage ? HugePage : 4096);
        if (OperatingSystem.IsLinux() && size >= HugePage) _ = Advise(Pointer, size, AdviseHugePages);
        new Span<float>(Pointer, checked((int)Floats)).Fill(1f);
    }

    /// <summary>First element, aligned to a page.</summary>
    public float* Pointer { get; private set; }

    /// <summary>Elements, a multiple of 128.</summary>
    public long Floats { get; }

    /// <inheritdoc />
    public void Dispose()
    {
        NativeMemory.AlignedFree(Pointer);
        Pointer = null;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(void* address, nuint bytes, int advice);
}
