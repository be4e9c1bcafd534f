// The page of an explanation: a template that draws, with the numbers put into it. Nothing of the text becomes markup.
using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Engine.Decoding;
using Engine.Explaining;
using Engine.Text;

namespace Engine.Cli;

/// <summary>Writes pages.</summary>
internal static class ExplanationPage
{
    /// <summary>Weights are whole numbers of such parts: so they are at most half of one wrong, 0.0000077.</summary>
    public const int Parts = ushort.MaxValue;

    private const string FileName = "explanation.html", Mark = "<!-- data -->";

    /// <summary>Writes a page that needs nothing else.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="text">The sentence.</param>
    /// <param name="explanation">Its explanation.</param>
    /// <param name="tokenizer">Makes text of tokens.</param>
    public static void Write(Stream stream, string text, Explanation explanation, ITokenizer tokenizer)
    {
        string[] around = Template.Read(FileName).Split(Mark);
        (string Id, string Label, AttentionMap Map, string Queries, string Keys)[] maps =
        [
            ("encoder", "Encoder self-attention", explanation.Encoder, "source", "source"),
            ("decoder", "Masked decoder self-attention", explanation.Decoder, "input", "input"),
            ("cross", "Cross attention", explanation.Cross, "target", "source"),
            ("alignment", "Alignment", explanation.Alignment, "target", "source"),
            ("encoder-rollout", "Rollout: source in encoder", explanation.EncoderRollout, "source", "source"),
            ("source-rollout", "Rollout: source in decoder", explanation.SourceRollout, "target", "source"),
            ("target-rollout", "Rollout: translation in decoder", explanation.TargetRollout, "target", "input"),
        ];
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true);
        writer.Write(around[0]);
        writer.Write("<script type=\"application/json\" id=\"data\">");
        writer.Flush();
        using (var json = new Utf8JsonWriter(stream))   // its encoder leaves no character that HTML has a meaning for
        {
            json.WriteStartObject();
            Words(json, text, explanation, tokenizer);
            json.WriteNumber("parts", Parts);
            json.WriteStartArray("maps");
            foreach ((string id, string label, AttentionMap map, string queries, string keys) in maps)
                Describe(json, id, label, map, queries, keys);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        writer.Write("</script>\n");
        foreach ((string id, _, AttentionMap map, _, _) in maps)
        {
            for (int layer = 0; layer < map.Layers; layer++)
                writer.Write($"<script type=\"text/plain\" id=\"weights-{id}-{layer}\">{Encode(map, layer)}</script>\n");
        }

        writer.Write(around[1]);
    }

    private static void Words(Utf8JsonWriter json, string text, Explanation explanation, ITokenizer tokenizer)
    {
        json.WriteString("text", text);
        json.WriteString("translation", tokenizer.Detokenize(explanation.Hypotheses[0].Tokens));
        Strings(json, "source", explanation.SourceTokens);
        Strings(json, "input", explanation.InputTokens);
        Strings(json, "target", explanation.TargetTokens);
        json.WriteStartArray("scores");
        foreach (float score in explanation.TokenScores) Number(json, score);
        json.WriteEndArray();
        json.WriteStartArray("candidates");
        foreach (IReadOnlyList<Candidate> place in explanation.Candidates)
        {
            json.WriteStartArray();
            foreach (Candidate candidate in place)
            {
                json.WriteStartObject();
                json.WriteString("token", candidate.Token);
                json.WritePropertyName("score");
                Number(json, candidate.Score);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteStartArray("hypotheses");
        foreach (Hypothesis hypothesis in explanation.Hypotheses)
        {
            json.WriteStartObject();
            json.WriteString("text", tokenizer.Detokenize(hypothesis.Tokens));
            json.WritePropertyName("score");
            Number(json, hypothesis.Score);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Describe(Utf8JsonWriter json, string id, string label, AttentionMap map, string queries, string keys)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("label", label);
        json.WriteNumber("layers", map.Layers);
        json.WriteNumber("heads", map.Heads);
        json.WriteNumber("queries", map.Queries);
        json.WriteNumber("keys", map.Keys);
        json.WriteString("queryTokens", queries);
        json.WriteString("keyTokens", keys);
        json.WriteEndObject();
    }

    // [heads, queries, keys], two bytes a weight, the lower first.
    private static string Encode(AttentionMap map, int layer)
    {
        var bytes = new byte[2 * map.Heads * map.Queries * map.Keys];
        Span<byte> rest = bytes;
        for (int head = 0; head < map.Heads; head++)
        {
            for (int query = 0; query < map.Queries; query++)
            {
                foreach (float weight in map.Row(layer, head, query))
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(rest, (ushort)Math.Round(Math.Clamp((double)weight, 0, 1) * Parts));
                    rest = rest[2..];
                }
            }
        }

        return Convert.ToBase64String(bytes);
    }

    private static void Strings(Utf8JsonWriter json, string name, IReadOnlyList<string> strings)
    {
        json.WriteStartArray(name);
        foreach (string value in strings) json.WriteStringValue(value);
        json.WriteEndArray();
    }

    // JSON has no infinity: the log-probability of what cannot be is null.
    private static void Number(Utf8JsonWriter json, float value)
    {
        if (float.IsFinite(value)) json.WriteNumberValue(value);
        else json.WriteNullValue();
    }
}
