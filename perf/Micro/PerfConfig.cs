// How everything is measured: in this process, so that nothing is built again, and briefly: all of it takes minutes.
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Order;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;

namespace Engine.Perf.Micro;

internal sealed class PerfConfig : ManualConfig
{
    public PerfConfig()
    {
        // 50 ms: some hundred calls of most kernels.
        AddJob(Job.Default
            .WithToolchain(InProcessEmitToolchain.Instance)
            .WithIterationTime(TimeInterval.FromMilliseconds(50))
            .WithWarmupCount(3)
            .WithIterationCount(5)
            .WithUnrollFactor(1));
        AddLogger(new BriefLogger());
        AddExporter(MarkdownExporter.GitHub);
        AddDiagnoser(MemoryDiagnoser.Default);
        AddColumnProvider(
            DefaultColumnProviders.Descriptor, DefaultColumnProviders.Params, DefaultColumnProviders.Metrics);
        AddColumn(StatisticColumn.Mean, StatisticColumn.StdDev, BaselineRatioColumn.RatioMean);
        AddColumn(new RateColumn(), new ShareColumn());
        HideColumns("Gen0", "Gen1", "Gen2");
        WithArtifactsPath(Path.Combine("artifacts", "benchmarks"));
        WithOrderer(new DefaultOrderer(SummaryOrderPolicy.Declared, MethodOrderPolicy.Declared));
        WithOptions(ConfigOptions.DisableLogFile);
        WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(40));
    }
}
