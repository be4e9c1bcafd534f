// Sizes of the data caches, as the processor itself tells them (CPUID leaf 4 of Intel, 8000001D of AMD).
using System.Runtime.Intrinsics.X86;

namespace Engine.Perf.Measuring;

/// <summary>Bytes of a core's own caches and of the one that it shares.</summary>
internal sealed record CacheSizes(long L1, long L2, long L3)
{
    /// <summary>Those of this machine; usual ones where it does not tell.</summary>
    public static CacheSizes This { get; } = Read();

    private static CacheSizes Read()
    {
        var found = new long[4];
        if (X86Base.IsSupported)
        {
            int leaf = (uint)X86Base.CpuId(unchecked((int)0x80000000), 0).Eax >= 0x8000001D
                && X86Base.CpuId(unchecked((int)0x8000001D), 0).Eax != 0 ? unchecked((int)0x8000001D) : 4;
            for (int i = 0; i < 8; i++)
            {
                (int eax, int ebx, int ecx, _) = X86Base.CpuId(leaf, i);
                int kind = eax & 31, level = (eax >> 5) & 7;   // kind 1: data, 3: data and code
                if (kind == 0) break;
                if (kind == 2 || level > 3) continue;
                long ways = ((ebx >> 22) & 1023) + 1, partitions = ((ebx >> 12) & 1023) + 1, line = (ebx & 4095) + 1;
                found[level] = ways * partitions * line * (ecx + 1L);
            }
        }

        return new CacheSizes(
            found[1] > 0 ? found[1] : 32 << 10, found[2] > 0 ? found[2] : 512 << 10, found[3] > 0 ? found[3] : 16 << 20);
    }
}
