// All lines of the table in its order, and the run through them.
using Engine.Perf.Kernels;
using Engine.Perf.Measuring;
using Engine.Perf.Peers;
using Engine.Perf.Table;
using Engine.Perf.Text;
using Engine.Perf.Training;
using Engine.Perf.WholeModels;
using Engine.Tensors;
using Engine.Text.SentencePiece;

namespace Engine.Perf;

/// <summary>Runs the table.</summary>
internal static class Measurements
{
    private const string Shipped = "arabic-names";

    /// <summary>The lines by name, each with what measures it.</summary>
    public static IEnumerable<(string What, Func<IEnumerable<Result>> Measure)> All(PerfOptions options)
    {
        Budget budget = options.IsQuick ? Budget.Quick : Budget.Full;
        foreach (KernelRow row in KernelTable.Rows)
        {
            // A quick run leaves out what takes seconds a call, and most lines on several threads.
            bool isMain = row.Threads == 1 || row.What.Contains("2048×512", StringComparison.Ordinal);
            if (options.IsQuick && (row.Operations > 2e10 || !isMain)) continue;
            yield return (row.What, () => [KernelTable.Measure(row, budget, withPeers: !options.IsRoofline)]);
        }

        if (options.IsRoofline) yield break;
        var models = new ModelRows(Path.Combine("artifacts", "perf", "models"), options.IsQuick);
        foreach (ModelRow row in ModelRows.All.Where(row => row.IsQuick || !options.IsQuick))
            yield return (row.What, () => [models.Measure(row)]);
        yield return (Shipped, () => ModelRows.MeasureShipped(Path.Combine("models", Shipped)));
        foreach (DType type in new[] { DType.Float32, DType.Int8 })
            yield return ($"resident memory {type}", () => [models.MeasureMemory(type)]);
        foreach (DType type in new[] { DType.Float32, DType.Int8 })
            yield return ($"load to first token {type}", () => [models.MeasureLoad(type)]);
        foreach (int threads in Machine.Many == 1 ? [1] : new[] { 1, Machine.Many })
            yield return (TrainingRows.What(threads), () => [TrainingRows.Measure(threads, options.IsQuick)]);
        if (!TokenizerRows.IsHere) yield break;
        foreach (SegmentationType type in new[] { SegmentationType.Unigram, SegmentationType.Bpe })
            yield return (TokenizerRows.What(type), () => [TokenizerRows.Measure(Path.Combine("artifacts", "perf", "text"), type, options.IsQuick)]);
    }

    /// <summary>Measures the wanted lines, prints the table, and writes it.</summary>
    public static int Run(PerfOptions options)
    {
        MachineDescription machine = MachineDescription.This();
        Console.WriteLine(machine);
        Console.Write(Machine.This.Describe());
        if (!options.IsRoofline) foreach (string peer in AllPeers.Describe()) Console.WriteLine($"  {peer}");
        var results = new List<Result>();
        bool failed = false;
        foreach ((string what, Func<IEnumerable<Result>> measure) in All(options).Where(line => options.Wants(line.What)))
        {
            Console.Error.WriteLine($"  {Environment.TickCount64 / 1000 % 10000,5} {what}");
            try
            {
                results.AddRange(measure());
            }
            catch (InvalidOperationException failure)
            {
                // One peer or row that fails does not lose the others' figures, but the run is no success.
                Console.Error.WriteLine($"{what}: {failure.Message}");
                failed = true;
            }
        }

        var report = new Report(machine, Machine.This.Roofs(), results);
        Console.WriteLine();
        Console.Write(report.ToText());
        (int held, int missed, int unknown) = report.Goals;
        Console.WriteLine($"{held} goals hold, {missed} do not, {unknown} cannot be told");
        report.Write(options.Out);
        Console.WriteLine($"written: {Path.Combine(options.Out, "perf.json")}, {Path.Combine(options.Out, "perf.md")}");
        return failed ? 1 : 0;
    }
}
