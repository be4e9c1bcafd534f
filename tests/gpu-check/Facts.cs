// What the machine is, and what the driver's compiler makes of each kernel.
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Engine.Cpu;
using Engine.Cuda;
using Engine.Cuda.Device;

namespace Engine.GpuCheck;

internal static partial class Facts
{
    private const int Multiprocessors = 16, ClockRate = 13;

    public static unsafe void Machine(CudaInfo info, Report report)
    {
        long start = Stopwatch.GetTimestamp();
        using var backend = new CudaBackend(info, 0);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        CudaDeviceContext context = backend.Context;
        context.MakeCurrent();
        nuint free = 0, total = 0;
        context.Check(context.Calls.MemGetInfo(&free, &total), "cuMemGetInfo");
        int Attribute(int number)
        {
            int value = 0;
            context.Check(context.Calls.DeviceGetAttribute(&value, number, context.Device.Number), "cuDeviceGetAttribute");
            return value;
        }

        using var cpu = new CpuBackend();
        var machine = new MachineFact(
            context.Device.Name, context.Device.ComputeCapability.ToString(), context.Device.MemoryBytes, (long)free,
            Attribute(Multiprocessors), Attribute(ClockRate), $"CUDA {info.DriverVersion}", context.Stream.CublasVersion, LoadedLibraries(),
            cpu.Description, Environment.ProcessorCount);
        report.Results.Machine = machine;
        report.Line($"{machine.Device}, compute capability {machine.Capability}, {machine.Multiprocessors} multiprocessors, "
            + $"{machine.ClockKilohertz / 1000} MHz, {machine.MemoryBytes >> 20:N0} MiB of which {machine.FreeBytes >> 20:N0} are free");
        report.Line($"driver of {machine.Driver}, cuBLAS {machine.Cublas}, opened in {seconds:F2} s; {machine.Processor}");
        foreach (string library in machine.Libraries) report.Line($"loaded: {library}");
    }

    /// <summary>Compiles every file of PTX; the driver may know it from before, and then it takes no time.</summary>
    public static unsafe void Kernels(CudaInfo info, Report report)
    {
        using var backend = new CudaBackend(info, 0);
        CudaDeviceContext context = backend.Context;
        foreach (string resource in typeof(CudaBackend).Assembly.GetManifestResourceNames().Order(StringComparer.Ordinal))
        {
            if (!resource.EndsWith(".ptx", StringComparison.Ordinal)) continue;
            using Stream stream = typeof(CudaBackend).Assembly.GetManifestResourceStream(resource)!;
            var text = new byte[stream.Length + 1];   // the driver wants a zero at the end
            stream.ReadExactly(text.AsSpan(0, (int)stream.Length));
            int kernels = text.AsSpan().Count(".entry"u8);
            context.MakeCurrent();
            long start = Stopwatch.GetTimestamp();
            nint module;
            fixed (byte* image = text) context.Check(context.Calls.ModuleLoadDataEx(&module, image, 0, null, null), $"loading {resource}");
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            context.Check(context.Calls.ModuleUnload(module), "cuModuleUnload");
            report.Results.Families.Add(new FamilyFact(Path.GetFileNameWithoutExtension(resource), seconds, kernels));
            report.Line($"{resource}: {kernels} kernels, compiled in {seconds:F2} s");
        }

        foreach (string line in context.DescribeKernels())
        {
            Match match = Description().Match(line);
            if (!match.Success) throw new FormatException($"A kernel is described by '{line}', expected registers, local and shared bytes.");
            int Number(int group) => int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);
            report.Results.Kernels.Add(new KernelFact(match.Groups[1].Value, Number(2), Number(3), Number(4)));
            report.Line(line);
        }

        string[] spilled = [.. report.Results.Kernels.Where(static kernel => kernel.LocalBytes > 0).Select(static kernel => $"{kernel.Name} {kernel.LocalBytes}")];
        report.Line(spilled.Length == 0 ? "no kernel spills registers" : $"bytes of registers that are spilled: {string.Join(", ", spilled)}");
    }

    [GeneratedRegex(@"^(\S+): (\d+) registers, (\d+) bytes local, (\d+) bytes shared$")]
    private static partial Regex Description();

    // The paths that were really loaded, as Linux shows them.
    private static string[] LoadedLibraries() => File.Exists("/proc/self/maps")
        ? [.. File.ReadLines("/proc/self/maps").Where(static line => line.Contains("libcu", StringComparison.Ordinal))
            .Select(static line => line[line.IndexOf('/')..]).Distinct().Order(StringComparer.Ordinal)]
        : [];
}
