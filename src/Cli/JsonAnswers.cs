// Answers as JSON: to a case under the names that CTranslate2's results have, to a line of text under plain ones.
using System.Text.Json;
using Engine.Decoding;
using Engine.Text;

namespace Engine.Cli;

/// <summary>Writes answers into an object that is open.</summary>
internal static class JsonAnswers
{
    /// <summary>The answer to a case of translation.</summary>
    public static void Translation(
        Utf8JsonWriter json, JsonCase question, TranslationResult result, ITokenizer tokenizer)
    {
        Id(json, question);
        json.WriteStartArray("hypotheses");
        foreach (Hypothesis hypothesis in result.Hypotheses) Strings(json, hypothesis.Tokens);
        json.WriteEndArray();
        if (question.IsText)
        {
            json.WriteStartArray("texts");
            foreach (Hypothesis hypothesis in result.Hypotheses)
                json.WriteStringValue(tokenizer.Detokenize(hypothesis.Tokens));
            json.WriteEndArray();
        }

        json.WriteStartArray("scores");
        foreach (Hypothesis hypothesis in result.Hypotheses) Number(json, hypothesis.Score);
        json.WriteEndArray();
        if (question.Options.ReturnTokenScores)
        {
            json.WriteStartArray("token_scores");
            foreach (Hypothesis hypothesis in result.Hypotheses) Numbers(json, hypothesis.TokenScores ?? []);
            json.WriteEndArray();
        }

        if (question.Options.ReturnAttention)
        {
            json.WriteStartArray("attention");
            foreach (Hypothesis hypothesis in result.Hypotheses) Matrix(json, hypothesis.Attention ?? []);
            json.WriteEndArray();
        }
    }

    /// <summary>The answer to a case of scoring.</summary>
    public static void Score(Utf8JsonWriter json, JsonCase question, ScoreResult result)
    {
        Id(json, question);
        Score(json, result);
    }

    /// <summary>The answer to a case that is wrong.</summary>
    public static void Error(Utf8JsonWriter json, JsonCase question, string message)
    {
        Id(json, question);
        json.WriteString("error", message);
    }

    /// <summary>The answer to a line of text.</summary>
    public static void Line(Utf8JsonWriter json, string text, TranslationResult result, ITokenizer tokenizer)
    {
        json.WriteString("text", text);
        json.WriteStartArray("hypotheses");
        foreach (Hypothesis hypothesis in result.Hypotheses)
        {
            json.WriteStartObject();
            json.WriteString("text", tokenizer.Detokenize(hypothesis.Tokens));
            json.WritePropertyName("tokens");
            Strings(json, hypothesis.Tokens);
            json.WritePropertyName("score");
            Number(json, hypothesis.Score);
            if (hypothesis.TokenScores is { } scores)
            {
                json.WritePropertyName("token_scores");
                Numbers(json, scores);
            }

            if (hypothesis.Attention is { } attention)
            {
                json.WritePropertyName("attention");
                Matrix(json, attention);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>The answer to a line of text that cannot be translated.</summary>
    public static void LineError(Utf8JsonWriter json, string text, string message)
    {
        json.WriteString("text", text);
        json.WriteString("error", message);
    }

    /// <summary>Tokens and the log-probability of each.</summary>
    public static void Score(Utf8JsonWriter json, ScoreResult result)
    {
        json.WritePropertyName("tokens");
        Strings(json, result.Tokens);
        json.WritePropertyName("tokens_score");
        Numbers(json, result.TokenScores);
    }

    private static void Id(Utf8JsonWriter json, JsonCase question)
    {
        if (question.Id is null) return;
        json.WritePropertyName("id");
        json.WriteRawValue(question.Id, skipInputValidation: true);
    }

    private static void Strings(Utf8JsonWriter json, IReadOnlyList<string> strings)
    {
        json.WriteStartArray();
        foreach (string value in strings) json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void Numbers(Utf8JsonWriter json, IReadOnlyList<float> numbers)
    {
        json.WriteStartArray();
        foreach (float value in numbers) Number(json, value);
        json.WriteEndArray();
    }

    private static void Matrix(Utf8JsonWriter json, IReadOnlyList<IReadOnlyList<float>> rows)
    {
        json.WriteStartArray();
        foreach (IReadOnlyList<float> row in rows) Numbers(json, row);
        json.WriteEndArray();
    }

    // JSON has no infinity: the log-probability of what cannot be is null.
    private static void Number(Utf8JsonWriter json, float value)
    {
        if (float.IsFinite(value)) json.WriteNumberValue(value);
        else json.WriteNullValue();
    }
}
