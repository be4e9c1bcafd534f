// `./build.sh perf [FILTER...]`: says what this machine can do at most, then runs the benchmarks beside it.
using BenchmarkDotNet.Running;

namespace Engine.Perf;

internal static class Program
{
    private static void Main(string[] arguments)
    {
        if (!arguments.Contains("--list") && !arguments.Contains("--help")) Console.Write(Machine.This.Describe());
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(arguments, new PerfConfig());
    }
}
