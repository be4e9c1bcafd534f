// `./build.sh perf [FILTER...]`: says what this machine can do at most, runs the benchmarks, and shows them beside it.
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Engine.Perf;

internal static class Program
{
    private static int Main(string[] arguments)
    {
        string machine = arguments.Contains("--list") || arguments.Contains("--help") ? "" : Machine.This.Describe();
        Console.Write(machine);
        var switcher = BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly);
        var summaries = switcher.Run(arguments, new PerfConfig()).ToList();
        foreach (Summary summary in summaries) MarkdownExporter.Console.ExportToLog(summary, ConsoleLogger.Default);
        Console.Write(machine);
        return summaries.Exists(static summary => summary.Reports.Any(static report => !report.Success)) ? 1 : 0;
    }
}
