// With products of our own a whole model answers with the CPU's bits: tokens, scores and attention of every case, whatever the type
// of the weights. So what the CPU's tests prove of its answers holds for these.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.ModelCases;
using Xunit;

namespace Cuda.Tests.Models;

public sealed class CpuBitsTests
{
    [Theory]
    [InlineData("aren-transliteration", "default")]
    [InlineData("aren-transliteration-i8", "default")]     // activations are rounded down
    [InlineData("aren-v6-int8", "default")]
    [InlineData("aren-transliteration-i16", "default")]
    [InlineData("aren-v6-float16", "default")]
    [InlineData("aren-v6-float32", "bfloat16")]            // activations are rounded too
    public void Every_answer_has_the_bits_of_the_CPU(string model, string type)
    {
        using IBackend cpu = new CpuBackend(), cuda = Device.Open(usesOwnProducts: true);
        IReadOnlyList<CaseAnswer> expected = Answer(cpu, model, type), found = Answer(cuda, model, type);
        Assert.True(found.Count >= 75, $"Only {found.Count} cases are asked.");
        string[] different = [.. expected.Zip(found).Where(static pair => !pair.First.HasBitsOf(pair.Second)).Select(static pair => pair.First.Case.Id)];
        Assert.True(different.Length == 0, $"{different.Length} differ: {string.Join(' ', different.Take(20))}");
    }

    /// <summary>Drawn from the whole vocabulary, at two temperatures in one batch, and several times from one sentence.</summary>
    [Theory]
    [InlineData("aren-transliteration")]
    [InlineData("aren-v6-int8")]
    public void Samples_have_the_bits_of_the_CPU(string model)
    {
        using IBackend cpu = new CpuBackend(), cuda = Device.Open(usesOwnProducts: true);
        string[] expected = Sample(cpu, model), found = Sample(cuda, model);
        Assert.Equal(expected, found);
        Assert.True(expected.Distinct().Count() > expected.Length / 2, $"Few samples differ: {string.Join('\n', expected)}");
    }

    private static string[] Sample(IBackend backend, string model)
    {
        using Translator translator = Translator.Load(TestData.Find($"ct2/{model}"), new TranslatorOptions(backend));
        string[][] words =
        [
            .. ModelCaseFiles.Of(model).Where(static item => !item.IsScore).Select(static item => item.Request.Source.ToArray())
                .DistinctBy(static source => string.Join(' ', source)).Take(8),
        ];
        TranslationRequest[] requests = [.. words.Select(static (word, i) => new TranslationRequest(word)
        {
            Options = new DecodingOptions
            {
                BeamSize = 1, SamplingTopK = 0, SamplingTemperature = i % 3 == 0 ? 1.5f : 0.8f, Seed = i, NumHypotheses = i % 4 == 0 ? 3 : 1,
                MaxDecodingLength = 10,
            },
        })];
        return [.. translator.TranslateBatch(requests, TestContext.Current.CancellationToken).SelectMany(static result =>
            result.Hypotheses.Select(static h => $"{string.Join(' ', h.Tokens)} {BitConverter.SingleToInt32Bits(h.Score)}"))];
    }

    private static IReadOnlyList<CaseAnswer> Answer(IBackend backend, string model, string type)
    {
        var options = new TranslatorOptions(backend) { BatchSize = 400, ComputeType = type };
        using Translator translator = Translator.Load(TestData.Find($"ct2/{model}"), options);
        return CaseRun.Ask(translator, ModelCaseFiles.Of(model), TestContext.Current.CancellationToken);
    }
}
