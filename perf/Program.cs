// `./build.sh perf`: what this machine can do at most, then everything that the engine does beside it and beside its peers.
using Engine.Perf.Gate;
using Engine.Perf.Micro;
using Engine.Perf.Training;
using Engine.Perf.WholeModels;

namespace Engine.Perf;

internal static class Program
{
    private static int Main(string[] arguments)
    {
        if (arguments is [ModelRun.RunWord, ..]) return ModelRun.Run(arguments.AsSpan(1));
        if (arguments is [ModelRun.LoadWord, ..]) return ModelRun.LoadOnce(arguments.AsSpan(1));
        if (arguments is [RegressionGate.RunWord, ..]) return RegressionGate.RunOnce(arguments.AsSpan(1));
        if (arguments is [TrainingRows.StepWord, ..])
        {
            TrainingRows.Run(arguments[1..]);
            return 0;
        }

        PerfOptions options;
        try
        {
            options = PerfOptions.Parse(arguments);
        }
        catch (ArgumentException wrong)
        {
            Console.Error.WriteLine(wrong.Message);
            return 2;
        }

        switch (options.Mode)
        {
            case PerfMode.Help: Console.WriteLine(PerfOptions.Usage); return 0;
            case PerfMode.Micro: return MicroBenchmarks.Run(options.Rest);
            case PerfMode.Gate: return RegressionGate.Run(options);
            case PerfMode.List:
                foreach ((string what, _) in Measurements.All(options).Where(line => options.Wants(line.What)))
                    Console.WriteLine(what);
                return 0;
            default: return Measurements.Run(options);
        }
    }
}
