// Sentences as JSON, a line each or the elements of arrays, each with its own options under the names of CTranslate2.
// Items are cut apart here by brackets and quotes, so that a broken one spoils no other and memory holds one at a time.
using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Engine.Decoding;
using Engine.Text;

namespace Engine.Cli;

/// <summary>One sentence to translate, or one translation to score.</summary>
internal sealed record JsonCase
{
    /// <summary>The JSON of <c>id</c>, to be given back.</summary>
    public string? Id { get; init; }

    /// <summary>What is wrong with the item; null: nothing.</summary>
    public string? Error { get; init; }

    /// <summary>Whether <see cref="Target"/> is to be scored.</summary>
    public bool IsScore { get; init; }

    /// <summary>Whether the source was text, so that text is wanted back too.</summary>
    public bool IsText { get; init; }

    /// <summary>Tokens of the source.</summary>
    public IReadOnlyList<string> Source { get; init; } = [];

    /// <summary>Tokens to score.</summary>
    public IReadOnlyList<string> Target { get; init; } = [];

    /// <summary>Tokens that the translation begins with.</summary>
    public IReadOnlyList<string>? TargetPrefix { get; init; }

    /// <summary>Options of this item.</summary>
    public DecodingOptions Options { get; init; } = new();

    /// <summary>How many bytes it was.</summary>
    public long Bytes { get; init; }
}

/// <summary>Reads cases.</summary>
/// <param name="tokenizer">For what is given as text.</param>
/// <param name="options">Options of items that do not say otherwise.</param>
/// <param name="targetPrefix">Target prefix of items that bring none.</param>
internal sealed class JsonCases(
    ITokenizer tokenizer, DecodingOptions options, IReadOnlyList<string>? targetPrefix = null)
{
    private static readonly SearchValues<byte> Structure = SearchValues.Create("\"{}[],"u8);
    private static readonly SearchValues<byte> EndOfText = SearchValues.Create("\"\\"u8);

    /// <summary>The cases of an input. An item that is wrong is a case with an error.</summary>
    public IEnumerable<JsonCase> Read(InputBuffer input)
    {
        long line = 0;
        bool linesOnly = false;   // among lines, one that begins with a bracket is a wrong line and no more
        while (true)
        {
            if (!linesOnly && NextIsList(input))
            {
                input.Advance(1);
                foreach (JsonCase element in ReadArray(input)) yield return element;
            }
            else if (input.TryReadLine(out ReadOnlyMemory<byte> bytes))
            {
                line++;
                if (IsBlank(bytes.Span)) continue;
                linesOnly = true;
                yield return Parse(bytes, $"{input.Name}:{line}");
            }
            else
            {
                yield break;
            }
        }
    }

    /// <summary>What a JSON value is, in words.</summary>
    public static string Kind(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        _ => "null",
    };

    // A list of cases begins with an object (or is empty, or lacks one); any other bracket is the start of a wrong line.
    private static bool NextIsList(InputBuffer input)
    {
        if (!NextIs(input, (byte)'[')) return false;
        int at = 1;
        while (true)
        {
            ReadOnlySpan<byte> rest = input.Available[at..];
            int first = rest.IndexOfAnyExcept(" \t\r\n"u8);
            if (first >= 0) return rest[first] is (byte)'{' or (byte)']' or (byte)',';
            at = input.Available.Length;
            if (!input.Fill()) return false;
        }
    }

    // Skips blanks within the line. A line break is left to the line reader, which counts it.
    private static bool NextIs(InputBuffer input, byte wanted)
    {
        while (true)
        {
            ReadOnlySpan<byte> available = input.Available;
            int first = available.IndexOfAnyExcept(" \t"u8);
            if (first >= 0)
            {
                if (available[first] != wanted) return false;
                input.Advance(first);
                return true;
            }

            if (!input.Fill()) return false;
        }
    }

    private IEnumerable<JsonCase> ReadArray(InputBuffer input)
    {
        for (long number = 1; ; number++)
        {
            string place = $"{input.Name}, element {number}";
            int length = FindEnd(input, out byte end);
            ReadOnlyMemory<byte> element = input.Peek(length);
            bool isMissing = IsBlank(element.Span);
            bool isEmptyList = number == 1 && end == ']';
            if (!isMissing) yield return Parse(element, place);
            else if (end != 0 && !isEmptyList) yield return new JsonCase { Error = $"{place} is missing." };
            input.Advance(length);
            if (end == 0)
            {
                yield return new JsonCase { Error = $"{input.Name}: the list ends without ']'." };
                yield break;
            }

            input.Advance(1);
            if (end == ']') yield break;
        }
    }

    // Bytes of the element that begins here, and the comma or bracket after it; 0 where the input ends first.
    private static int FindEnd(InputBuffer input, out byte end)
    {
        int at = 0, depth = 0;
        bool inText = false;
        while (true)
        {
            ReadOnlySpan<byte> available = input.Available;
            int next = at >= available.Length ? -1 : available[at..].IndexOfAny(inText ? EndOfText : Structure);
            at = next < 0 ? Math.Max(at, available.Length) : at + next;
            if (next < 0)
            {
                if (input.Fill()) continue;
                end = 0;
                return input.Available.Length;
            }

            byte found = available[at];
            if (!inText && depth == 0 && (found == ',' || found == ']'))
            {
                end = found;
                return at;
            }

            if (found == '\\') at++;   // and the escaped byte, which may not have arrived yet
            else if (found == '"') inText = !inText;
            else if (found is (byte)'{' or (byte)'[') depth++;
            else if (found is (byte)'}' or (byte)']') depth = Math.Max(0, depth - 1);
            at++;
        }
    }

    private static bool IsBlank(ReadOnlySpan<byte> bytes) => bytes.IndexOfAnyExcept(" \t\r\n"u8) < 0;

    private JsonCase Parse(ReadOnlyMemory<byte> bytes, string place)
    {
        string? id = null;
        long length = bytes.Length + 1;
        if (!Utf8.IsValid(bytes.Span)) bytes = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(bytes.Span));
        try
        {
            using var document = JsonDocument.Parse(bytes);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw new FormatException($"the item is {Kind(root)}, expected an object");
            if (root.TryGetProperty("id", out JsonElement value)) id = OnOneLine(value);
            return Parse(root) with { Id = id, Bytes = length };
        }
        catch (JsonException e)
        {
            return new JsonCase { Bytes = length, Error = $"{place} is no JSON: {e.Message}" };
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException)
        {
            // InvalidOperationException: a string with half a surrogate pair.
            return new JsonCase { Id = id, Bytes = length, Error = $"{place}: {e.Message.TrimEnd('.')}." };
        }
    }

    private JsonCase Parse(JsonElement root)
    {
        string task = Property(root, "task") is { } word ? Text(word, "task") : "translate";
        if (task is not ("translate" or "score"))
            throw new FormatException($"task is '{task}', expected 'translate' or 'score'");
        bool isScore = task == "score";
        JsonElement? source = Property(root, "source"), text = Property(root, "text");
        if (source is null && text is null) throw new FormatException("there is neither 'source' nor 'text'");
        JsonElement? target = Property(root, "target");
        if (isScore && target is null) throw new FormatException("there is no 'target' to score");
        return new JsonCase
        {
            IsScore = isScore,
            IsText = source is null,
            Source = source is { } tokens ? Tokens(tokens, "source") : tokenizer.Tokenize(Text(text!.Value, "text")),
            Target = isScore ? Tokens(target!.Value, "target") : [],
            TargetPrefix = Property(root, "target_prefix") is { } own ? Tokens(own, "target_prefix") : targetPrefix,
            Options = Property(root, "options") is { } some ? Options(some) : options,
        };
    }

    private DecodingOptions Options(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw new FormatException($"options is {Kind(element)}, expected an object");
        DecodingOptions result = options;
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.Null) result = Option(result, property.Name, property.Value);
        }

        return result;
    }

    private static DecodingOptions Option(DecodingOptions options, string name, JsonElement value) => name switch
    {
        "beam_size" => options with { BeamSize = Integer(value, name) },
        "patience" => options with { Patience = Number(value, name) },
        "num_hypotheses" => options with { NumHypotheses = Integer(value, name) },
        "length_penalty" => options with { LengthPenalty = Number(value, name) },
        "coverage_penalty" => options with { CoveragePenalty = Number(value, name) },
        "repetition_penalty" => options with { RepetitionPenalty = Number(value, name) },
        "no_repeat_ngram_size" => options with { NoRepeatNgramSize = Integer(value, name) },
        "disable_unk" => options with { DisableUnknown = Boolean(value, name) },
        "suppress_sequences" => options with { SuppressSequences = Sequences(value, name) },
        "prefix_bias_beta" => options with { PrefixBiasBeta = Number(value, name) },
        "end_token" => options with
        {
            EndTokens = value.ValueKind == JsonValueKind.String ? [value.GetString()!] : Strings(value, name),
        },
        "return_end_token" => options with { ReturnEndToken = Boolean(value, name) },
        "max_input_length" => options with { MaxInputLength = Integer(value, name) },
        "max_decoding_length" => options with { MaxDecodingLength = Integer(value, name) },
        "min_decoding_length" => options with { MinDecodingLength = Integer(value, name) },
        "sampling_topk" => options with { SamplingTopK = Integer(value, name) },
        "sampling_topp" => options with { SamplingTopP = Number(value, name) },
        "sampling_temperature" => options with { SamplingTemperature = Number(value, name) },
        "seed" => options with { Seed = Long(value, name) },
        "return_attention" => options with { ReturnAttention = Boolean(value, name) },
        "return_token_scores" => options with { ReturnTokenScores = Boolean(value, name) },
        "return_alternatives" => options with { ReturnAlternatives = Boolean(value, name) },
        "min_alternative_expansion_prob" => options with { MinAlternativeExpansionProbability = Number(value, name) },
        "replace_unknowns" => options with { ReplaceUnknowns = Boolean(value, name) },
        "return_scores" => Boolean(value, name) ? options : options,   // they are always there
        "use_vmap" => options with { UseVmap = Boolean(value, name) },
        _ => throw new FormatException($"options.{name} is no option"),
    };

    private static JsonElement? Property(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private IReadOnlyList<string> Tokens(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.String ? tokenizer.Tokenize(element.GetString()!) : Strings(element, name);

    private static string Text(JsonElement element, string name) => element.ValueKind == JsonValueKind.String
        ? element.GetString()!
        : throw new FormatException($"{name} is {Kind(element)}, expected a string");

    private static List<string> Strings(JsonElement element, string name)
    {
        if (element.ValueKind != JsonValueKind.Array)
            throw new FormatException($"{name} is {Kind(element)}, expected a list of strings");
        var strings = new List<string>(element.GetArrayLength());
        foreach (JsonElement item in element.EnumerateArray()) strings.Add(Text(item, $"{name}[{strings.Count}]"));
        return strings;
    }

    private static List<IReadOnlyList<string>> Sequences(JsonElement element, string name)
    {
        if (element.ValueKind != JsonValueKind.Array)
            throw new FormatException($"options.{name} is {Kind(element)}, expected a list of lists of strings");
        var sequences = new List<IReadOnlyList<string>>(element.GetArrayLength());
        foreach (JsonElement item in element.EnumerateArray())
            sequences.Add(Strings(item, $"options.{name}[{sequences.Count}]"));
        return sequences;
    }

    private static int Integer(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out int value)
            ? value
            : throw Wrong(element, name, "an integer");

    private static long Long(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetInt64(out long value)
            ? value
            : throw Wrong(element, name, "an integer");

    private static float Number(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetSingle(out float value) && float.IsFinite(value)
            ? value
            : throw Wrong(element, name, "a number");

    private static bool Boolean(JsonElement element, string name) => element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(element, name, "true or false"),
    };

    private static FormatException Wrong(JsonElement element, string name, string expected)
    {
        string found = element.ValueKind == JsonValueKind.Number ? element.GetRawText() : Kind(element);
        return new FormatException($"options.{name} is {found}, expected {expected}");
    }

    // Lists and objects may hold line breaks; anything else goes back as it came, such as 1e400.
    private static string OnOneLine(JsonElement value)
    {
        if (value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array)) return value.GetRawText();
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer)) value.WriteTo(writer);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
