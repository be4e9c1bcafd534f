// Do the checks and the tests see what they should? Faults of one line are planted in the committed PTX, one after the other, and each
// must be caught: by a check of the stand-in, or because an operator no longer gives what the CPU gives.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Xunit;

namespace Cuda.Tests.Mutants;

/// <summary>
/// Tests that count, plant or break something on the device that all share. A reset takes all findings, so what the tests before them
/// left is looked at first.
/// </summary>
[CollectionDefinition(StandIn.Alone, DisableParallelization = true)]
public sealed class AloneOnTheStandIn : ICollectionFixture<AloneOnTheStandIn>
{
    public AloneOnTheStandIn()
    {
        if (StandIn.Missing is null) NothingIsLeft.Check();
    }
}

[Collection(StandIn.Alone)]
public sealed class MutantTests : IDisposable
{
    private readonly Dictionary<string, List<Result>> _expected = [];
    private readonly ITestOutputHelper _output;

    public MutantTests(ITestOutputHelper output)
    {
        _output = output;
        if (StandIn.Missing is null) NothingIsLeft.Check();
    }

    public static TheoryData<string> Cases => [.. OperatorCases.All.Keys];

    // A mutant is in every module that is loaded, and the device of one that was caught is lost.
    public void Dispose()
    {
        if (StandIn.Missing is null) StandIn.Reset();
        GC.SuppressFinalize(this);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Without_a_mutant_a_case_gives_what_the_CPU_gives(string name)
    {
        Assert.SkipWhen(StandIn.Missing is not null, StandIn.Missing ?? "");
        StandIn.Reset();
        using (CudaBackend backend = Open(name))
        {
            (List<Result> expected, List<Result> found) = (Expected(name), Run(backend, name));
            Assert.Equal(expected.Count, found.Count);
            for (int i = 0; i < found.Count; i++) Assert.True(expected[i].Agrees(found[i]), $"{name}: result {i} differs.");
        }

        Assert.Equal("", StandIn.Report());
    }

    [Fact]
    public void Every_mutant_is_caught()
    {
        Assert.SkipWhen(StandIn.Missing is not null, StandIn.Missing ?? "");
        var survivors = new List<string>();
        int byCheck = 0, byResult = 0;
        foreach (Mutant mutant in MutantTable.All)
        {
            switch (Verdict(mutant))
            {
                case null: survivors.Add(mutant.ToString()); break;
                case "": byResult++; break;
                case var found:
                    byCheck++;
                    _output.WriteLine($"{mutant}: {found}");
                    break;
            }
        }

        int count = MutantTable.All.Count;
        string score = $"mutants: {byCheck + byResult} of {count} caught: "
            + $"{byCheck} by a check of the stand-in, {byResult} by results";
        _output.WriteLine(score);
        Console.WriteLine(score);
        Assert.True(survivors.Count == 0, $"{score}\n{string.Join('\n', survivors)}");
        Assert.True(count >= 60, $"There are {count} mutants, expected at least 60.");
    }

    [Fact]
    public void Mutants_differ_in_family_and_kind()
    {
        Assert.InRange(MutantTable.All.Select(static mutant => mutant.Family).Distinct().Count(), 15, int.MaxValue);
        Assert.InRange(MutantTable.All.Select(static mutant => mutant.Kind).Distinct().Count(), 12, int.MaxValue);
        Assert.Equal(MutantTable.All.Count, MutantTable.All.Distinct().Count());
    }

    // What a check said; empty: the results differ; null: nobody noticed.
    private string? Verdict(Mutant mutant)
    {
        List<Result> expected = Expected(mutant.Case);
        StandIn.Reset();
        mutant.Plant();
        List<Result>? found = null;
        using (CudaBackend backend = Open(mutant.Case))
        {
            try
            {
                found = Run(backend, mutant.Case);
            }
            catch (CudaException)
            {
                // A check: the report has more.
            }
        }

        string report = StandIn.Report();
        Assert.False(report.Contains("cuModuleLoadDataEx", StringComparison.Ordinal), $"{mutant} is no PTX: {report}");
        long loads = StandIn.Count("mutations");
        Assert.True(loads == 1, $"{mutant}: the module was loaded {loads} times, expected once.");
        if (report.Length > 0) return report.Split('\n')[0];
        Assert.True(found is not null, $"{mutant}: the driver failed without a report.");
        return expected.Zip(found, static (one, other) => one.Agrees(other)).All(static agrees => agrees) ? null : "";
    }

    private List<Result> Expected(string name)
    {
        if (_expected.TryGetValue(name, out List<Result>? known)) return known;
        using var cpu = new CpuBackend(new BackendOptions { Threads = 1 });
        return _expected[name] = Run(cpu, name);
    }

    private static CudaBackend Open(string name) =>
        Device.Open(OperatorCases.All[name].UsesOwnProducts, OperatorCases.All[name].Arithmetic);

    private static List<Result> Run(ITrainingBackend backend, string name)
    {
        using var bench = new Bench(backend);
        backend.BeginFrame(OperatorCases.All[name].Repeats);
        OperatorCases.All[name].Run(bench);
        bench.Finish();
        backend.EndFrame();
        return bench.Results;
    }
}
