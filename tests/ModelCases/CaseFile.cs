// The cases of tests/data/ct2/*.expected.json: what CTranslate2 4.8.1 answered to each request.
using System.Text.Json;
using Engine.Decoding;

namespace Engine.ModelCases;

/// <summary>One case.</summary>
internal sealed record Case(string Id, string Model, string[] Source, JsonElement Json)
{
    public bool IsScore => Json.GetProperty("task").GetString() == "score";

    public string[][] Hypotheses => [.. Json.GetProperty("hypotheses").EnumerateArray().Select(CaseFile.Strings)];

    public float[] Scores => CaseFile.Floats(Json.GetProperty("scores"));

    public float[][][]? Attention => Json.TryGetProperty("attention", out JsonElement attention)
        ? [.. attention.EnumerateArray().Select(static h => h.EnumerateArray().Select(CaseFile.Floats).ToArray())]
        : null;

    public TranslationRequest Request => new(Source)
    {
        TargetPrefix = Json.TryGetProperty("target_prefix", out JsonElement prefix) ? CaseFile.Strings(prefix) : null,
        Options = CaseFile.Options(Json.GetProperty("options")),
    };

    public ScoreRequest ScoreRequest => new(Source, CaseFile.Strings(Json.GetProperty("target")));
}

/// <summary>Reads cases.</summary>
internal static class CaseFile
{
    /// <summary>All cases of a file.</summary>
    public static IReadOnlyList<Case> Read(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return [.. document.RootElement.EnumerateArray().Select(static json => new Case(
            json.GetProperty("id").GetString()!, json.GetProperty("model").GetString()!.Split('/')[^1],
            Strings(json.GetProperty("source")), json.Clone()))];
    }

    public static string[] Strings(JsonElement json) => [.. json.EnumerateArray().Select(static s => s.GetString()!)];

    public static float[] Floats(JsonElement json) => [.. json.EnumerateArray().Select(static s => s.GetSingle())];

    // A key that is not known fails the test: no option of the file may pass unread.
    public static DecodingOptions Options(JsonElement json)
    {
        var options = new DecodingOptions();
        foreach (JsonProperty p in json.EnumerateObject())
        {
            JsonElement v = p.Value;
            options = p.Name switch
            {
                "beam_size" => options with { BeamSize = v.GetInt32() },
                "patience" => options with { Patience = v.GetSingle() },
                "num_hypotheses" => options with { NumHypotheses = v.GetInt32() },
                "length_penalty" => options with { LengthPenalty = v.GetSingle() },
                "coverage_penalty" => options with { CoveragePenalty = v.GetSingle() },
                "repetition_penalty" => options with { RepetitionPenalty = v.GetSingle() },
                "no_repeat_ngram_size" => options with { NoRepeatNgramSize = v.GetInt32() },
                "disable_unk" => options with { DisableUnknown = v.GetBoolean() },
                "suppress_sequences" => options with { SuppressSequences = [.. v.EnumerateArray().Select(Strings)] },
                "prefix_bias_beta" => options with { PrefixBiasBeta = v.GetSingle() },
                "end_token" => options with { EndTokens = [v.GetString()!] },
                "return_end_token" => options with { ReturnEndToken = v.GetBoolean() },
                "max_input_length" => options with { MaxInputLength = v.GetInt32() },
                "max_decoding_length" => options with { MaxDecodingLength = v.GetInt32() },
                "min_decoding_length" => options with { MinDecodingLength = v.GetInt32() },
                "return_attention" => options with { ReturnAttention = v.GetBoolean() },
                "return_alternatives" => options with { ReturnAlternatives = v.GetBoolean() },
                "min_alternative_expansion_prob" => options with { MinAlternativeExpansionProbability = v.GetSingle() },
                "use_vmap" => options with { UseVmap = v.GetBoolean() },
                "replace_unknowns" => options with { ReplaceUnknowns = v.GetBoolean() },
                "return_scores" => options,
                _ => throw new InvalidDataException($"The case has the option {p.Name}, which this test does not know."),
            };
        }

        return options;
    }
}
