// Columns that set a time beside the machine's measured peak (Williams et al. 2009): operations over arithmetic, or
// bytes over bandwidth, whichever takes longer, is the floor under which no program can go.
using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Engine.Perf.Measuring;

namespace Engine.Perf.Micro;

/// <summary>A figure that follows from a benchmark's work and its mean time.</summary>
internal abstract class WorkColumn(string name, string legend, int priority) : IColumn
{
    public string Id => name;

    public string ColumnName => name;

    public bool AlwaysShow => false;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => priority;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => legend;

    public virtual bool IsAvailable(Summary summary) =>
        summary.BenchmarksCases.Any(static item => Work(item) is not null);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
        GetValue(summary, benchmarkCase);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        double? nanoseconds = summary[benchmarkCase]?.ResultStatistics?.Mean;
        return nanoseconds is > 0 && Work(benchmarkCase) is { } work
            ? Value(work, benchmarkCase.Descriptor.WorkloadMethod.Name, nanoseconds.Value / 1e9)
            : "-";
    }

    protected abstract string Value(IWork work, string variant, double seconds);

    protected static IWork? Work(BenchmarkCase benchmark) =>
        benchmark.Parameters.Items.Select(static item => item.Value).OfType<IWork>().FirstOrDefault();
}

/// <summary>The two floors of a piece of work on this machine.</summary>
internal readonly record struct Floor(double ArithmeticSeconds, double MemorySeconds)
{
    public double Seconds => Math.Max(ArithmeticSeconds, MemorySeconds);

    public bool IsArithmetic => ArithmeticSeconds >= MemorySeconds;

    public static Floor Of(IWork work, string variant)
    {
        double peak = Machine.This.Peak(work.IsInteger(variant) ? Limit.Int8 : Limit.Float32, work.Threads);
        double bytes = work.Bytes(variant);
        long set = Machine.Levels(work.Threads).FirstOrDefault(level => bytes <= level.Bytes, Machine.Levels(1).Last()).Bytes;
        return new Floor(work.Operations(variant) / peak, bytes / Machine.This.Peak(Limit.Read, work.Threads, set));
    }
}

/// <summary>What was reached, in the unit of what limits it.</summary>
internal sealed class RateColumn() : WorkColumn("Rate", "Operations or bytes a second, whichever is the limit", 0)
{
    protected override string Value(IWork work, string variant, double seconds)
    {
        bool arithmetic = Floor.Of(work, variant).IsArithmetic;
        double rate = (arithmetic ? work.Operations(variant) : work.Bytes(variant)) / seconds / 1e9;
        string unit = !arithmetic ? "GB/s" : work.IsInteger(variant) ? "Gop/s" : "GFLOP/s";
        return string.Create(CultureInfo.InvariantCulture, $"{rate:F1} {unit}");
    }
}

/// <summary>How near that is to what the machine can do.</summary>
internal sealed class ShareColumn() : WorkColumn("Of peak", "The least time that the peaks allow, over the mean", 1)
{
    protected override string Value(IWork work, string variant, double seconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{100 * Floor.Of(work, variant).Seconds / seconds:F0} %");
}
