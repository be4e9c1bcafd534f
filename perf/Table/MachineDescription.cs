// Where a run took place: without it a figure says nothing.
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Engine.Cpu.Simd;
using Engine.Perf.Measuring;

namespace Engine.Perf.Table;

/// <summary>A machine, a runtime, a commit and a date.</summary>
internal sealed record MachineDescription(
    string Processor, int Cores, string Caches, string Memory, string Platform, string Runtime, string InstructionSet,
    string Commit, string Date)
{
    /// <summary>This one, now.</summary>
    public static MachineDescription This()
    {
        CacheSizes caches = CacheSizes.This;
        return new MachineDescription(
            ProcessorName(), Environment.ProcessorCount,
            $"L1 {caches.L1 >> 10} KiB, L2 {caches.L2 >> 10} KiB, L3 {caches.L3 >> 20} MiB",
            string.Create(CultureInfo.InvariantCulture,
                $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1 << 30):F1} GiB"),
            $"{Line("/etc/os-release", "PRETTY_NAME=")?.Trim('"') ?? RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture}",
            RuntimeInformation.FrameworkDescription, Ladder.Best.ToString(), GitCommit(),
            DateTime.UtcNow.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture));
    }

    /// <inheritdoc />
    public override string ToString() =>
        $"{Processor}, {Cores} cores ({Caches}), {Memory}; {Platform}; {Runtime}, {InstructionSet}; commit {Commit}, {Date}";

    private static string ProcessorName()
    {
        string? name = Line("/proc/cpuinfo", "model name")?.TrimStart(' ', '\t', ':');
        string? family = Line("/proc/cpuinfo", "cpu family")?.TrimStart(' ', '\t', ':');
        return name is null
            ? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unknown processor"
            : $"{name} (family {family})";
    }

    private static string? Line(string file, string start) => !File.Exists(file) ? null :
        File.ReadLines(file).FirstOrDefault(line => line.StartsWith(start, StringComparison.Ordinal))?[start.Length..];

    private static string GitCommit()
    {
        try
        {
            string commit = Git("rev-parse --short HEAD");
            return Git("status --porcelain --untracked-files=no").Length > 0 ? commit + " with changes" : commit;
        }
        catch (Exception failure) when (failure is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return "unknown";
        }
    }

    private static string Git(string arguments)
    {
        using Process git = Process.Start(
            new ProcessStartInfo("git", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string answer = git.StandardOutput.ReadToEnd().Trim();
        git.WaitForExit();
        return git.ExitCode == 0 ? answer : throw new InvalidOperationException($"git {arguments} failed.");
    }
}
