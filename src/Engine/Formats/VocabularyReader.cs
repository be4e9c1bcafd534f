// Vocabularies beside a model file: a JSON array of strings, or text with a token a line.
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Engine.Text;

namespace Engine.Formats;

/// <summary>Reads the vocabularies of a model's directory.</summary>
internal static class VocabularyReader
{
    /// <summary>Reads the source's and the target's vocabulary; shared ones are the same object.</summary>
    /// <param name="directory">Directory of the model.</param>
    /// <param name="unknown">The token for what is not in the list; appended when it is not in it.</param>
    /// <param name="sourceCount">Rows of the source embedding: how many tokens there are.</param>
    /// <param name="targetCount">Rows of the target embedding.</param>
    public static (Vocabulary Source, Vocabulary Target) Read(
        string directory, string unknown, int sourceCount, int targetCount)
    {
        if (Find(directory, "shared_vocabulary") is { } shared)
        {
            Vocabulary both = Read(shared, unknown, sourceCount);
            return targetCount == sourceCount
                ? (both, both)
                : throw WrongCount(shared, both.Count.ToString("N0"), targetCount);
        }
        string source = Find(directory, "source_vocabulary") ?? throw Missing(directory, "source_vocabulary");
        string target = Find(directory, "target_vocabulary") ?? throw Missing(directory, "target_vocabulary");
        return (Read(source, unknown, sourceCount), Read(target, unknown, targetCount));
    }

    private static string? Find(string directory, string name)
    {
        foreach (string extension in (string[])[".json", ".txt"])
            if (System.IO.Path.Combine(directory, name + extension) is var file && File.Exists(file)) return file;
        return null;
    }

    private static Vocabulary Read(string file, string unknown, int count)
    {
        byte[] bytes = FileSource.ReadAll(file, FormatLimits.VocabularyBytes);
        List<string> tokens = file.EndsWith(".json", StringComparison.Ordinal)
            ? Json(file, bytes, count)
            : Lines(file, bytes, count);
        var vocabulary = new Vocabulary(tokens, unknown);
        return vocabulary.Count == count ? vocabulary : throw WrongCount(file, vocabulary.Count.ToString("N0"), count);
    }

    private static List<string> Json(string file, byte[] bytes, int count)
    {
        var tokens = new List<string>();
        var reader = new Utf8JsonReader(JsonSection.WithoutMark(file, bytes).Span);
        try
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartArray)
                throw new ModelFormatException(file, "the content", Kind(reader.TokenType), "an array of strings");
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                if (reader.TokenType != JsonTokenType.String)
                    throw new ModelFormatException(file, $"token {tokens.Count}", Kind(reader.TokenType), "a string");
                if (tokens.Count == count) throw WrongCount(file, $"more than {count:N0}", count);
                tokens.Add(reader.GetString()!);
            }
            reader.Read();   // throws if anything follows the array
        }
        catch (JsonException e)
        {
            throw new ModelFormatException(file, "the content", $"no JSON ({e.Message})", "a JSON array of strings", e);
        }
        catch (InvalidOperationException e)   // an escape such as \ud800 is JSON by its grammar, and no text
        {
            throw new ModelFormatException(file, $"token {tokens.Count}", "not valid Unicode", "Unicode text", e);
        }
        return tokens;
    }

    // Only \n ends a line: a token may be any other character. A \r is dropped only if every line ends in one.
    private static List<string> Lines(string file, byte[] bytes, int count)
    {
        ReadOnlySpan<byte> rest = bytes;
        int lines = 0, returns = 0;
        var tokens = new List<string>();
        while (!rest.IsEmpty)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (!Utf8.IsValid(line)) throw new ModelFormatException(file, $"line {lines + 1}", "not UTF-8", "UTF-8");
            if (lines++ == count) throw WrongCount(file, $"more than {count:N0}", count);
            if (line.EndsWith("\r"u8)) returns++;
            tokens.Add(Encoding.UTF8.GetString(line));
        }
        if (returns == lines)
            for (int i = 0; i < lines; i++) tokens[i] = tokens[i][..^1];
        return tokens;
    }

    private static string Kind(JsonTokenType type) => type switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        _ => $"{type}",
    };

    private static ModelFormatException Missing(string directory, string name) =>
        new(directory, "the vocabulary", "missing", $"{name}.json, {name}.txt or shared_vocabulary.json");

    private static ModelFormatException WrongCount(string file, string found, int expected) =>
        new(file, "the number of tokens", found, $"{expected:N0}, as many as the embedding has rows");
}
