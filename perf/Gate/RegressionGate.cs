// `./build.sh perf --gate`: has a kernel become slower than the committed baseline says? Shares of the machine's limit are
// compared, so another machine, or this one with neighbours, answers the same. A run is a process of its own: where code and
// tables come to lie in memory is drawn anew.
using System.Globalization;
using System.Text.Json;
using Engine.Perf.Kernels;
using Engine.Perf.Measuring;
using Engine.Perf.Table;
using Engine.Perf.WholeModels;

namespace Engine.Perf.Gate;

/// <summary>Runs the gate.</summary>
internal static class RegressionGate
{
    /// <summary>The hidden mode: one run of the rows that are named.</summary>
    public const string RunWord = "gate-run";

    private const int Runs = 3;

    // What looks slower is measured again, so often: noise comes and goes, a slower kernel stays.
    private const int Repeats = 6;

    private const int BaselineRuns = 9;

    // Between the runs of a baseline: what neighbours do lasts for a minute or more, and the spread must show it.
    private static readonly TimeSpan BaselinePause = TimeSpan.FromSeconds(20);

    private static readonly string BaselineFile = Path.Combine("perf", "baseline.json");

    public static int Run(PerfOptions options)
    {
        string[] wanted = [.. GateRows.All.Select(static row => row.What).Where(options.Wants)];
        try
        {
            return options.WritesBaseline ? Write(wanted) : Compare(wanted);
        }
        catch (InvalidOperationException failure)
        {
            Console.Error.WriteLine($"the gate could not measure: {failure.Message}");
            return 2;
        }
    }

    /// <summary>Measures the named rows and prints their shares as JSON.</summary>
    public static int RunOnce(ReadOnlySpan<string> names)
    {
        string[] wanted = names.ToArray();
        IEnumerable<KernelRow> rows = GateRows.All.Where(row => wanted.Contains(row.What));
        Console.WriteLine(JsonSerializer.Serialize(rows.ToDictionary(
            static row => row.What, static row => KernelTable.Share(row, Budget.Gate))));
        return 0;
    }

    private static int Write(string[] wanted)
    {
        ILookup<string, double> shares = Measure(wanted, BaselineRuns, BaselinePause);
        var baseline = new Baseline(
            MachineDescription.This().ToString(),
            [.. wanted.Select(what => Verdict.Remember(what, [.. shares[what]]))]);
        File.WriteAllText(BaselineFile, baseline.ToJson() + "\n");
        foreach (BaselineRow row in baseline.Rows)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{row.What,-44}{row.Share,8:P1} of its limit, ± {row.Tolerance:P1}"));
        }

        return 0;
    }

    private static int Compare(string[] wanted)
    {
        var baseline = Baseline.FromJson(File.ReadAllText(BaselineFile));
        Console.WriteLine($"baseline: {baseline.Machine}");
        Console.WriteLine($"now:      {MachineDescription.This()}");
        Dictionary<string, BaselineRow> known =
            baseline.Rows.Where(row => wanted.Contains(row.What)).ToDictionary(static row => row.What);
        foreach (string what in wanted.Except(known.Keys)) Console.WriteLine($"{what,-44}not in the baseline");

        Dictionary<string, Verdict> best = Judge(known.Values);
        for (int i = 0; i < Repeats && best.Values.Any(static verdict => verdict.IsSlower); i++)
        {
            Thread.Sleep(TimeSpan.FromSeconds(i));
            foreach ((string what, Verdict again) in Judge(known.Values.Where(row => best[row.What].IsSlower)))
                if (again.Change > best[what].Change) best[what] = again;
        }

        foreach ((string what, BaselineRow row) in known)
        {
            Verdict verdict = best[what];
            double share = row.Share * (1 + verdict.Change);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{what,-44}{share,8:P1} of its limit, was {row.Share,7:P1} ± {row.Tolerance:P1}: "
                + $"{100 * verdict.Change,6:+0.0;-0.0;0.0} %{(verdict.IsSlower ? "  SLOWER" : "")}"));
        }

        int slower = best.Values.Count(static verdict => verdict.IsSlower);
        Console.WriteLine(slower == 0 ? "nothing got slower" : $"{slower} got slower");
        return slower == 0 ? 0 : 1;
    }

    private static Dictionary<string, Verdict> Judge(IEnumerable<BaselineRow> rows)
    {
        BaselineRow[] all = [.. rows];
        ILookup<string, double> shares = Measure([.. all.Select(static row => row.What)], Runs, pause: default);
        return all.ToDictionary(static row => row.What, row => Verdict.Of(row, [.. shares[row.What]]));
    }

    private static ILookup<string, double> Measure(string[] names, int runs, TimeSpan pause)
    {
        var shares = new List<(string What, double Share)>();
        for (int run = 0; run < runs; run++)
        {
            if (run > 0) Thread.Sleep(pause);
            Console.Error.WriteLine($"  run {run + 1} of {runs}, {names.Length} rows");
            string answer = ChildProcess.Self([RunWord, .. names]).Output;
            foreach ((string what, double share) in JsonSerializer.Deserialize<Dictionary<string, double>>(answer)!)
                shares.Add((what, share));
        }

        return shares.ToLookup(static pair => pair.What, static pair => pair.Share);
    }
}
