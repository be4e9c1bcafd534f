// Models in less than float32 with cuBLAS's products. How far scores may be off is not chosen but measured on the CPU, which rounds to
// the same types: what rounding does to a score there, D, is its size, and roundings that another order of sums turns the other way
// do at most as much again. So scores are within 2 D of float32's, and the tokens of no more cases differ than rounding itself changes.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.ModelCases;
using Xunit;

namespace Cuda.Tests.Models;

public sealed class PrecisionTests
{
    private const string Model = "aren-v6-float32";

    [Theory]
    [InlineData("float16")]
    [InlineData("bfloat16")]
    [InlineData("int8")]
    public void Scores_are_off_by_no_more_than_rounding_explains(string type)
    {
        using IBackend cpu = new CpuBackend(), cuda = Device.Open(usesOwnProducts: false);
        IReadOnlyList<CaseAnswer> exact = Answer(cpu, "float32"), rounded = Answer(cpu, type), found = Answer(cuda, type);
        Assert.True(found.Count >= 75, $"Only {found.Count} cases are asked.");
        double bound = 2 * CaseRun.LargestError(exact, rounded), error = CaseRun.LargestError(exact, found);
        TestContext.Current.SendDiagnosticMessage("{0}: the largest error of a token's score is {1:G3}, allowed {2:G3}.", type, error, bound);
        Assert.InRange(error, 0, bound);
        int changed = CaseRun.Different(exact, rounded), different = CaseRun.Different(rounded, found);
        Assert.True(different <= changed, $"The tokens of {different} cases differ, and rounding changes those of {changed}.");
    }

    private static IReadOnlyList<CaseAnswer> Answer(IBackend backend, string type)
    {
        var options = new TranslatorOptions(backend) { BatchSize = 400, ComputeType = type };
        using Translator translator = Translator.Load(TestData.Find($"ct2/{Model}"), options);
        return CaseRun.Ask(translator, ModelCaseFiles.Of(Model), TestContext.Current.CancellationToken);
    }
}
