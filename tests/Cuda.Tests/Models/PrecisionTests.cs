// Models in less than float32 with cuBLAS's products: scores are within what rounding explains of the CPU's in float32, and the tokens of
// at most twice as many cases are others as rounding itself changes, for the same reason (Precision).
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.ModelCases;
using Xunit;

namespace Cuda.Tests.Models;

public sealed class PrecisionTests
{
    private const string Model = "aren-v6-float32";

    public static TheoryData<int> Ways => [.. Enumerable.Range(0, Precision.All.Count)];

    [Theory, MemberData(nameof(Ways))]
    public void Scores_are_off_by_no_more_than_rounding_explains(int way)
    {
        Precision precision = Precision.All[way];
        using IBackend cpu = new CpuBackend(), cuda = Device.Open(usesOwnProducts: false, precision.Arithmetic);
        IReadOnlyList<CaseAnswer> exact = Answer(cpu, "float32"), rounded = Answer(cpu, precision.Measured);
        IReadOnlyList<CaseAnswer> found = Answer(cuda, precision.ComputeType);
        Assert.True(found.Count >= 75, $"Only {found.Count} cases are asked.");
        double bound = precision.Bound(exact, rounded), error = CaseRun.LargestError(exact, found);
        Assert.True(error <= bound, $"{precision}: a token's score is off by {error:G3}, allowed {bound:G3}.");
        Assert.True(error > 0, $"{precision}: nothing is rounded.");
        int changed = CaseRun.Different(exact, rounded), different = CaseRun.Different(exact, found);
        Assert.True(different <= 2 * changed, $"{precision}: the tokens of {different} cases differ, and rounding changes those of {changed}.");
    }

    private static IReadOnlyList<CaseAnswer> Answer(IBackend backend, string type)
    {
        var options = new TranslatorOptions(backend) { BatchSize = 400, ComputeType = type };
        using Translator translator = Translator.Load(TestData.Find($"ct2/{Model}"), options);
        return CaseRun.Ask(translator, ModelCaseFiles.Of(Model), TestContext.Current.CancellationToken);
    }
}
