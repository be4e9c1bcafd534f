// Every case that CTranslate2 answered, with every option in it, on any backend: the same tokens, and scores within float32's
// reach. Linked into the test project of each backend.
using Engine.Backends;
using Engine.Decoding;
using Xunit;

namespace Engine.ModelCases;

/// <summary>The model that writes Arabic names in Latin letters. A backend's tests inherit this and say how it is made.</summary>
public abstract class TransliterationParity
{
    /// <summary>Sentences side by side; a device wants more than a processor.</summary>
    protected virtual int BatchSize => 32;

    /// <summary>Whether activations are rounded to float16 where the weights are; how far that is off is another test's.</summary>
    protected virtual bool RoundsToFloat16 => false;

    /// <summary>Makes the backend that is tested.</summary>
    protected abstract IBackend Open();

    // A score is a mean of log-probabilities; float32 logits of this model differ by some 1e-6 between implementations.
    [Theory]
    [InlineData("aren-transliteration", "aren-transliteration.expected.json", 1e-4f)]
    [InlineData("aren-v6-float32", "aren-v6.expected.json", 1e-4f)]
    [InlineData("aren-v6-float16", "aren-v6.expected.json", 1e-4f)]
    [InlineData("aren-v6-bfloat16", "aren-v6.expected.json", 1e-4f)]
    public void Every_hypothesis_of_every_case_is_equal(string model, string file, float tolerance)
    {
        Assert.SkipWhen(
            RoundsToFloat16 && model == "aren-v6-float16", "Products in float16 are held against what rounding explains (Precision).");
        IReadOnlyList<CaseAnswer> answers = Answers(model, file);
        string[] differences = [.. answers.Select(answer => answer.Difference(tolerance)).OfType<string>()];
        Assert.True(differences.Length == 0, $"{differences.Length} differ:\n{string.Join('\n', differences.Take(20))}");
    }

    // Files of binary version 2 round activations down, so a last-bit difference is a whole step: the best hypothesis is equal
    // in 96 of 100 cases, and its score within 0.05 a token.
    [Fact]
    public void The_old_int8_model_gives_the_same_best_hypotheses()
    {
        CaseAnswer[] results =
        [
            .. Answers("aren-transliteration-i8", "aren-transliteration.expected.json").Where(static r => !r.Case.IsScore),
        ];
        int equal = results.Count(static r => r.Translation!.Hypotheses[0].Tokens.SequenceEqual(r.Case.Hypotheses[0]));
        Assert.InRange(equal, (int)Math.Ceiling(0.96 * results.Length), results.Length);
        foreach ((Case c, TranslationResult? result, _) in results)
        {
            if (!result!.Hypotheses[0].Tokens.SequenceEqual(c.Hypotheses[0])) continue;
            Assert.InRange(Math.Abs(result.Hypotheses[0].Score - c.Scores[0]) / TokensInScore(c), 0, 0.05);
        }
    }

    /// <summary>The cases that are asked of those that a model has.</summary>
    private protected virtual IReadOnlyList<Case> Asked(IReadOnlyList<Case> cases) => cases;

    private protected static IEnumerable<Case> Of(string model, string file) =>
        CaseFile.Read(TestData.Find($"ct2/{file}")).Where(c => c.Model == model);

    private protected IReadOnlyList<CaseAnswer> Answers(string model, string file)
    {
        Case[] cases = [.. Of(model, file)];
        Assert.Equal(390, cases.Length);
        using IBackend backend = Open();
        var options = new TranslatorOptions(backend) { BatchSize = BatchSize };
        using Translator translator = Translator.Load(TestData.Find($"ct2/{model}"), options);
        return CaseRun.Ask(translator, Asked(cases), TestContext.Current.CancellationToken);
    }

    // Sums of several tokens' log-probabilities may be off by as many steps.
    private static int TokensInScore(Case c) =>
        c.Request.Options!.LengthPenalty == 1 ? 1 : c.Hypotheses[0].Length + 1;
}
