// `./build.sh perf --gate`: has a kernel become slower than the committed baseline says? Shares of the machine's limit are
// compared, so another machine, or this one with neighbours, answers the same.
using System.Globalization;
using Engine.Perf.Kernels;
using Engine.Perf.Measuring;
using Engine.Perf.Table;

namespace Engine.Perf.Gate;

/// <summary>Runs the gate.</summary>
internal static class RegressionGate
{
    private const int Runs = 3;

    // What looks slower is measured again, as often as it takes a neighbour to leave.
    private const int Repeats = 3;

    private const int BaselineRuns = 9;

    private static readonly string BaselineFile = Path.Combine("perf", "baseline.json");

    private static IEnumerable<KernelRow> Rows => [.. KernelTable.Rows.Where(static row => row.IsGated), TranslationRow.Small];

    public static int Run(PerfOptions options) => options.WritesBaseline ? Write(options) : Compare(options);

    private static int Write(PerfOptions options)
    {
        KernelRow[] rows = [.. Rows.Where(row => options.Wants(row.What))];
        List<double>[] shares = [.. rows.Select(static _ => new List<double>())];
        for (int run = 0; run < BaselineRuns; run++)
        {
            Console.Error.WriteLine($"  run {run + 1} of {BaselineRuns}");
            for (int i = 0; i < rows.Length; i++) shares[i].Add(KernelTable.Share(rows[i], Budget.Gate));
        }

        var baseline = new Baseline(
            MachineDescription.This().ToString(), [.. rows.Select((row, i) => Verdict.Remember(row.What, shares[i]))]);
        File.WriteAllText(BaselineFile, baseline.ToJson() + "\n");
        foreach (BaselineRow row in baseline.Rows)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{row.What,-44}{row.Share,8:P1} of its limit, ± {row.Tolerance:P1}"));
        return 0;
    }

    private static int Compare(PerfOptions options)
    {
        var baseline = Baseline.FromJson(File.ReadAllText(BaselineFile));
        Console.WriteLine($"baseline: {baseline.Machine}");
        Console.WriteLine($"now:      {MachineDescription.This()}");
        int slower = 0;
        foreach (KernelRow row in Rows.Where(row => options.Wants(row.What)))
        {
            BaselineRow? known = baseline.Rows.FirstOrDefault(known => known.What == row.What);
            if (known is null)
            {
                Console.WriteLine($"{row.What,-44}not in the baseline");
                continue;
            }

            Verdict verdict = Measure(row, known);
            for (int i = 0; i < Repeats && verdict.IsSlower; i++) verdict = Measure(row, known);
            if (verdict.IsSlower) slower++;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{row.What,-44}{known.Share * (1 + verdict.Change),8:P1} of its limit, was {known.Share,6:P1} ± {known.Tolerance:P1}: {verdict.Change,6:+0.0 %;-0.0 %}{(verdict.IsSlower ? "  SLOWER" : "")}"));
        }

        Console.WriteLine(slower == 0 ? "nothing got slower" : $"{slower} got slower");
        return slower == 0 ? 0 : 1;
    }

    private static Verdict Measure(KernelRow row, BaselineRow known) =>
        Verdict.Of(known, [.. Enumerable.Range(0, Runs).Select(_ => KernelTable.Share(row, Budget.Gate))]);
}
