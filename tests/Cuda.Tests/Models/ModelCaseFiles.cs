// Which cases a model is asked. The stand-in needs half a minute of a processor for all cases of a model, so of the models that are one
// model in several types it is two that are asked all of them, float32 and int8 of binary version 2, and the others every fifth. Four
// cases whose answers have 256 tokens take ten times as many steps as all others together. Where ENGINE_TEST_ALL is 1 all models are
// asked everything.
using Engine.ModelCases;

namespace Cuda.Tests.Models;

internal static class ModelCaseFiles
{
    private const int LongestAnswer = 64, ShareOfOthers = 5;

    private static bool IsAll => Environment.GetEnvironmentVariable("ENGINE_TEST_ALL") == "1";

    /// <summary>The cases that a model is asked; those of the float32 model for one that no reference was made with.</summary>
    public static IReadOnlyList<Case> Of(string model)
    {
        string file = model.StartsWith("aren-v6", StringComparison.Ordinal) ? "aren-v6" : "aren-transliteration";
        string owner = model == "aren-transliteration-i16" ? "aren-transliteration" : model;
        IReadOnlyList<Case> cases = [.. CaseFile.Read(TestData.Find($"ct2/{file}.expected.json")).Where(one => one.Model == owner)];
        return Asked(cases, isWhole: model is "aren-transliteration" or "aren-transliteration-i8");
    }

    /// <summary>Those of a model's cases that are asked.</summary>
    public static IReadOnlyList<Case> Asked(IReadOnlyList<Case> cases) =>
        Asked(cases, isWhole: cases[0].Model is "aren-transliteration" or "aren-transliteration-i8");

    private static IReadOnlyList<Case> Asked(IReadOnlyList<Case> cases, bool isWhole) => IsAll
        ? cases
        : [.. cases.Where((_, i) => isWhole || i % ShareOfOthers == 0)
            .Where(static one => one.IsScore || one.Hypotheses.Max(static tokens => tokens.Length) <= LongestAnswer)];
}
