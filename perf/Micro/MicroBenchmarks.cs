// `./build.sh perf --micro`: the BenchmarkDotNet benchmarks, with the machine's peaks before and after.
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Engine.Perf.Measuring;

namespace Engine.Perf.Micro;

/// <summary>Runs them.</summary>
internal static class MicroBenchmarks
{
    /// <param name="arguments">Words up to the first with a dash are filters; the rest goes to BenchmarkDotNet.</param>
    public static int Run(IReadOnlyList<string> arguments)
    {
        string[] filters = [.. arguments.TakeWhile(static word => !word.StartsWith('-')).Select(static word => $"*{word}*")];
        string[] all = ["--filter", .. filters.Length > 0 ? filters : ["*"], .. arguments.Skip(filters.Length)];
        string machine = arguments.Contains("--list") || arguments.Contains("--help") ? "" : Machine.This.Describe();
        Console.Write(machine);
        var summaries = BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(all, new PerfConfig()).ToList();
        foreach (Summary summary in summaries) MarkdownExporter.Console.ExportToLog(summary, ConsoleLogger.Default);
        Console.Write(machine);
        return summaries.Exists(static summary => summary.Reports.Any(static report => !report.Success)) ? 1 : 0;
    }
}
