// The machine as the engine sees it. What cannot be found out is "unknown": no number here is a guess.
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Engine.Backends;
using Engine.Cpu;

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
        IReadOnlyList<string> caches = ProcessorCaches.Read();
        yield return ("caches", caches.Count == 0 ? Unknown : string.Join(", ", caches));
        yield return ("memory", $"{Bytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)} for this process");
        string sets = string.Join(' ', InstructionSets());
        yield return ("instructions", sets.Length == 0 ? "none that the engine uses" : sets);
        using (var cpu = new CpuBackend(new BackendOptions { MachineCode = BackendChoice.MachineCode(shell, null) }))
        {
            yield return ("cpu backend", $"{cpu.Description} ({WhyThisRung()})");
            yield return ("machine code", cpu.MachineCode);
        }

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
            SystemFiles.Lines("/proc/cpuinfo"), line => line.StartsWith("model name", StringComparison.Ordinal));
        return name?.Split(':', 2)[^1].Trim() ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? Unknown;
    }

    private static string Cores()
    {
        var cores = new HashSet<string>();
        foreach (string cpu in SystemFiles.Directories(LinuxCpus, "cpu*"))
        {
            string topology = Path.Combine(cpu, "topology");
            string? package = SystemFiles.Line(Path.Combine(topology, "physical_package_id"));
            if (SystemFiles.Line(Path.Combine(topology, "core_id")) is { } core) cores.Add($"{package}/{core}");
        }

        return cores.Count switch { 0 => $"cores {Unknown}", 1 => "1 core", int count => $"{count} cores" };
    }
}
