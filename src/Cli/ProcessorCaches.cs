// The caches that the first processor sees: from the system, or where it tells nothing, as in some virtual machines and
// outside Linux, from an x86 processor itself.
using System.Runtime.Intrinsics.X86;

namespace Engine.Cli;

/// <summary>Answers of CPUID: leaf and sub-leaf to EAX, EBX, ECX and EDX.</summary>
internal delegate (int Eax, int Ebx, int Ecx, int Edx) CpuId(int leaf, int index);

/// <summary>Finds out sizes of caches.</summary>
internal static class ProcessorCaches
{
    private const string LinuxCaches = "/sys/devices/system/cpu/cpu0/cache";

    // Leaves: Intel's table, AMD's table of the same form, and AMD's older one, which is all that some hypervisors fill.
    private const int Table = 4;
    private const int ExtendedLeaves = unchecked((int)0x80000000);
    private const int Level1 = ExtendedLeaves + 5;
    private const int Levels2And3 = ExtendedLeaves + 6;
    private const int ExtendedTable = ExtendedLeaves + 0x1D;

    /// <summary>Each cache with its size, from the first level on; empty where nobody tells.</summary>
    public static IReadOnlyList<string> Read()
    {
        IReadOnlyList<string> caches = [.. FromLinux()];
        return caches.Count == 0 && X86Base.IsSupported ? FromProcessor(X86Base.CpuId) : caches;
    }

    /// <summary>What CPUID tells. Which processors share a cache is not said: hypervisors leave it out.</summary>
    public static IReadOnlyList<string> FromProcessor(CpuId ask)
    {
        uint extended = (uint)ask(ExtendedLeaves, 0).Eax;
        bool Has(int leaf) => extended >= unchecked((uint)leaf);
        IReadOnlyList<string> caches = [];
        if (ask(0, 0).Eax >= Table) caches = [.. FromTable(ask, Table)];
        if (caches.Count == 0 && Has(ExtendedTable)) caches = [.. FromTable(ask, ExtendedTable)];
        if (caches.Count == 0 && Has(Levels2And3)) caches = [.. FromOldLeaves(ask)];
        return caches;
    }

    private static IEnumerable<string> FromTable(CpuId ask, int leaf)
    {
        const int MostCaches = 16;
        for (int index = 0; index < MostCaches; index++)
        {
            (int eax, int ebx, int ecx, _) = ask(leaf, index);
            int type = eax & 31, level = (eax >> 5) & 7;
            if (type == 0) yield break;
            long ways = ((uint)ebx >> 22) + 1, partitions = ((ebx >> 12) & 1023) + 1, line = (ebx & 4095) + 1;
            long sets = (long)(uint)ecx + 1;
            string kind = type switch { 1 => "d", 2 => "i", _ => "" };
            yield return Cache($"L{level}{kind}", ways * partitions * line * sets);
        }
    }

    private static IEnumerable<string> FromOldLeaves(CpuId ask)
    {
        (_, _, int data, int instructions) = ask(Level1, 0);
        (_, _, int second, int third) = ask(Levels2And3, 0);
        (string Name, long KiB)[] caches =
        [
            ("L1d", (uint)data >> 24), ("L1i", (uint)instructions >> 24), ("L2", (uint)second >> 16),
            ("L3", ((uint)third >> 18) * 512L),
        ];
        return caches.Where(cache => cache.KiB > 0).Select(cache => Cache(cache.Name, cache.KiB << 10));
    }

    private static string Cache(string name, long bytes) => $"{name} {MachineReport.Bytes(bytes)}";

    private static IEnumerable<string> FromLinux()
    {
        foreach (string cache in SystemFiles.Directories(LinuxCaches, "index*"))
        {
            if (SystemFiles.Line(Path.Combine(cache, "level")) is not { } level) continue;
            if (SystemFiles.Line(Path.Combine(cache, "size")) is not { } size) continue;
            string kind = SystemFiles.Line(Path.Combine(cache, "type")) switch { "Data" => "d", "Instruction" => "i", _ => "" };
            string users = SystemFiles.Line(Path.Combine(cache, "shared_cpu_list")) ?? "";
            string shared = users.AsSpan().ContainsAny(',', '-') ? $" shared by {users}" : "";
            yield return $"L{level}{kind} {size}{shared}";
        }
    }
}
