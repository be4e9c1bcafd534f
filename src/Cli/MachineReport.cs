// The machine as the engine sees it. What cannot be found out is "unknown": no number here is a guess.
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;

namespace Engine.Cli;

/// <summary>Tells about the machine.</summary>
internal static class MachineReport
{
    private const string Unknown = "unknown";
    private const string LinuxCpus = "/sys/devices/system/cpu";

    /// <summary>Names and values.</summary>
    public static IEnumerable<(string Name, string Value)> Lines(Shell shell)
    {
        yield return ("engine", typeof(MachineReport).Assembly.GetName().Version?.ToString(3) ?? Unknown);
        yield return ("runtime", RuntimeInformation.FrameworkDescription);
        string architecture = RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant();
        yield return ("system", $"{RuntimeInformation.OSDescription.Trim()}, {architecture}");
        yield return ("processor", ProcessorName());
        yield return ("processors", $"{Environment.ProcessorCount} for this process, {Cores()}");
        yield return ("caches", Caches());
        yield return ("memory", $"{Bytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)} for this process");
        string sets = string.Join(' ', InstructionSets());
        yield return ("instructions", sets.Length == 0 ? "none that the engine uses" : sets);
        var options = new BackendOptions { MachineCode = BackendChoice.MachineCode(shell, null) };
        using (IBackend cpu = CpuBackend.Provider.Create(options))
            yield return ("cpu backend", $"{cpu.Description} ({WhyThisRung()}{(options.MachineCode ? "" : $"; {BackendChoice.NoMachineCode}")})");
        foreach ((string name, string value) in CudaLines(shell.Cuda())) yield return (name, value);
        foreach (IBackendProvider provider in BackendChoice.Providers)
        {
            bool isAvailable = provider.IsAvailable(out string reason);
            yield return ($"backend {provider.Word}", isAvailable ? reason : $"not available: {reason}");
        }

        yield return ("backend auto", Auto());
        yield return ("backend here", BackendChoice.Word(shell, null));
    }

    /// <summary>A size in the unit that suits it.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        < 1L << 10 => $"{bytes} bytes",
        < 1L << 20 => $"{bytes / 1024.0:0.#} KiB",
        < 1L << 30 => $"{bytes / (1024.0 * 1024):0.#} MiB",
        _ => $"{bytes / (1024.0 * 1024 * 1024):0.#} GiB",
    };

    /// <summary>What the run-time compiler may use here, of what matters to the engine.</summary>
    private static IEnumerable<string> InstructionSets()
    {
        (string Name, bool IsSupported)[] sets =
        [
            ("sse4.2", Sse42.IsSupported), ("avx", Avx.IsSupported), ("avx2", Avx2.IsSupported),
            ("fma", Fma.IsSupported), ("avx-vnni", AvxVnni.IsSupported), ("avx512f", Avx512F.IsSupported),
            ("avx512bw", Avx512BW.IsSupported), ("avx512dq", Avx512DQ.IsSupported), ("avx512cd", Avx512CD.IsSupported),
            ("avx512vbmi", Avx512Vbmi.IsSupported), ("advsimd", AdvSimd.IsSupported), ("dotprod", Dp.IsSupported),
        ];
        return sets.Where(set => set.IsSupported).Select(set => set.Name);
    }

    // What is there, though something else may lack: that is told as the reason of the backend.
    private static IEnumerable<(string Name, string Value)> CudaLines(CudaInfo info)
    {
        if (info.DriverLibrary is null) yield break;
        string version = info.DriverVersion is { } served ? $"serves CUDA {served}" : "does not answer";
        yield return ("cuda driver", $"{Place(info.DriverLibrary, info.DriverPath)}, {version}");
        foreach (CudaDevice device in info.WithFreeMemory().Devices)
        {
            string free = device.FreeMemoryBytes is { } bytes ? Bytes(bytes) : Unknown;
            yield return (
                $"cuda:{device.Number}",
                $"{device.Name}, compute capability {device.ComputeCapability}, {device.Multiprocessors} multiprocessors, "
                    + $"{Bytes(device.MemoryBytes)} of memory, free {free}");
        }

        if (info.CublasLibrary is { } cublas)
            yield return ("cuda cublas", $"{Place(cublas, info.CublasPath)}, version {info.CublasVersion?.ToString() ?? Unknown}");
    }

    private static string Place(string library, string? path) => path is null || path == library ? library : $"{library} ({path})";

    private static string WhyThisRung()
    {
        if (!Avx2.IsSupported || !Fma.IsSupported) return "no AVX2 and FMA here";
        if (!Avx512F.IsSupported) return "AVX2 and FMA are here, AVX-512 is not";
        return Vector512.IsHardwareAccelerated
            ? "AVX-512 is here"
            : "AVX-512 is here, but the runtime avoids 512-bit vectors on it";
    }

    private static string Auto()
    {
        foreach (IBackendProvider provider in BackendChoice.Providers)
        {
            if (provider.IsAvailable(out _)) return $"{provider.Word}: the first of {Order()} that is available";
        }

        return $"none of {Order()} is available";
    }

    private static string Order() => string.Join(", ", BackendChoice.Providers.Select(provider => provider.Word));

    private static string ProcessorName()
    {
        string? name = Array.Find(
            ReadLines("/proc/cpuinfo"), line => line.StartsWith("model name", StringComparison.Ordinal));
        return name?.Split(':', 2)[^1].Trim() ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? Unknown;
    }

    private static string Cores()
    {
        var cores = new HashSet<string>();
        foreach (string cpu in Directories(LinuxCpus, "cpu*"))
        {
            string topology = Path.Combine(cpu, "topology");
            string? package = Read(Path.Combine(topology, "physical_package_id"));
            if (Read(Path.Combine(topology, "core_id")) is { } core) cores.Add($"{package}/{core}");
        }

        return cores.Count switch { 0 => $"cores {Unknown}", 1 => "1 core", int count => $"{count} cores" };
    }

    // Those that the first processor sees.
    private static string Caches()
    {
        var caches = new List<string>();
        foreach (string cache in Directories(Path.Combine(LinuxCpus, "cpu0", "cache"), "index*"))
        {
            if (Read(Path.Combine(cache, "level")) is not { } level) continue;
            if (Read(Path.Combine(cache, "size")) is not { } size) continue;
            string kind = Read(Path.Combine(cache, "type")) switch { "Data" => "d", "Instruction" => "i", _ => "" };
            string users = Read(Path.Combine(cache, "shared_cpu_list")) ?? "";
            string shared = users.AsSpan().ContainsAny(',', '-') ? $" shared by {users}" : "";
            caches.Add($"L{level}{kind} {size}{shared}");
        }

        if (caches.Count == 0) caches.AddRange(CachesOfProcessor());
        return caches.Count == 0 ? Unknown : string.Join(", ", caches);
    }

    // Where the system tells nothing, as in some virtual machines and outside Linux, an x86 processor does: in leaf 4 of CPUID,
    // AMD in leaf 0x8000001D of the same form. A virtual machine may hide both, and on AMD leave 0x80000005 and 0x80000006.
    private static IEnumerable<string> CachesOfProcessor()
    {
        if (!X86Base.IsSupported) return [];
        const int Deterministic = 4, DeterministicOfAmd = unchecked((int)0x8000001D);
        string[] caches = [.. CachesOfLeaf(DeterministicOfAmd)];
        if (caches.Length == 0) caches = [.. CachesOfLeaf(Deterministic)];
        return caches.Length > 0 ? caches : CachesOfAmd();
    }

    private static IEnumerable<string> CachesOfLeaf(int leaf)
    {
        const int Most = 16;
        if (!HasLeaf(leaf)) yield break;
        for (int index = 0; index < Most; index++)
        {
            (int eax, int ebx, int ecx, _) = X86Base.CpuId(leaf, index);
            int type = eax & 31, level = (eax >> 5) & 7;
            if (type == 0) yield break;
            long ways = ((uint)ebx >> 22) + 1, partitions = ((ebx >> 12) & 1023) + 1, line = (ebx & 4095) + 1;
            string kind = type switch { 1 => "d", 2 => "i", _ => "" };
            yield return $"L{level}{kind} {Bytes(ways * partitions * line * ((long)(uint)ecx + 1))}";
        }
    }

    // Other makers leave these fields 0, or mean something else by them. The third level is that of the whole package.
    private static IEnumerable<string> CachesOfAmd()
    {
        const int Level1 = unchecked((int)0x80000005), Levels2And3 = unchecked((int)0x80000006);
        if (X86Base.CpuId(0, 0).Ebx != 0x68747541 || !HasLeaf(Levels2And3)) return [];        // "Auth", of "AuthenticAMD"
        (_, _, int data, int instructions) = X86Base.CpuId(Level1, 0);
        (_, _, int second, int third) = X86Base.CpuId(Levels2And3, 0);
        (string Name, long KiB, string Whose)[] caches =
        [
            ("L1d", (uint)data >> 24, ""), ("L1i", (uint)instructions >> 24, ""), ("L2", (uint)second >> 16, ""),
            ("L3", ((uint)third >> 18) * 512L, " of the package"),
        ];
        return caches.Where(cache => cache.KiB > 0).Select(cache => $"{cache.Name} {Bytes(cache.KiB << 10)}{cache.Whose}");
    }

    private static bool HasLeaf(int leaf) => (uint)X86Base.CpuId(leaf & unchecked((int)0x80000000), 0).Eax >= (uint)leaf;

    private static IEnumerable<string> Directories(string path, string pattern)
    {
        try
        {
            return Directory.Exists(path) ? Directory.GetDirectories(path, pattern).Order(StringComparer.Ordinal) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string? Read(string file) => ReadLines(file).FirstOrDefault()?.Trim();

    private static string[] ReadLines(string file)
    {
        try
        {
            return File.Exists(file) ? File.ReadAllLines(file) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
