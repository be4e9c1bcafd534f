// A configuration read key by key, so that a key of the wrong type, or one that nobody knows, is named in the error.
using System.Text.Json;
using System.Text.Unicode;

namespace Engine.Formats;

/// <summary>A JSON object of a configuration file.</summary>
internal sealed class JsonSection
{
    private readonly string _file;
    private readonly string _prefix;
    private readonly Dictionary<string, JsonElement> _members = [];
    private readonly HashSet<string> _known = [];

    private JsonSection(string file, string prefix, JsonElement element)
    {
        _file = file;
        _prefix = prefix;
        foreach (JsonProperty member in element.EnumerateObject())
        {
            string key = Unescape(() => member.Name, "a key");
            if (!_members.TryAdd(key, member.Value))
                throw new ModelFormatException(file, Key(key), "there twice", "one value");
        }
    }

    /// <summary>Keys in the order of the file.</summary>
    public IEnumerable<string> Keys => _members.Keys;

    /// <summary>Reads a file whose content is one JSON object.</summary>
    public static JsonSection Read(string file)
    {
        return Of(file, FileSource.ReadAll(file, FormatLimits.ConfigBytes));
    }

    /// <summary>Reads bytes that are one JSON object.</summary>
    /// <param name="file">Where they are from, for messages.</param>
    /// <param name="bytes">The bytes.</param>
    public static JsonSection Of(string file, byte[] bytes)
    {
        using JsonDocument document = Parse(file, bytes);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
            throw new ModelFormatException(file, "the content", Kind(document.RootElement), "a JSON object");
        return new JsonSection(file, "", document.RootElement.Clone());
    }

    /// <summary>Whether the key is there; a null counts.</summary>
    public bool Has(string key) => _members.ContainsKey(key);

    /// <summary>A whole number.</summary>
    /// <param name="key">The key.</param>
    /// <param name="absent">The value when the key is absent; null: it is required.</param>
    /// <param name="least">Smallest value that makes sense.</param>
    /// <param name="most">Largest value that makes sense.</param>
    public int Integer(string key, int? absent, int least, int most = int.MaxValue)
    {
        string expected = most == int.MaxValue
            ? $"a whole number, at least {least}"
            : $"a whole number from {least} to {most}";
        if (!TryGet(key, out JsonElement value)) return absent ?? throw Missing(key, expected);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= least
            && number <= most
            ? number
            : throw Wrong(key, value, expected);
    }

    /// <summary>A whole number, at least 0, or null, which is also the value when the key is absent.</summary>
    public int? IntegerOrNull(string key) =>
        TryGet(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? Integer(key, null, 0) : null;

    /// <summary>A finite number or null, which is also the value when the key is absent.</summary>
    public float? NumberOrNull(string key)
    {
        if (!TryGet(key, out JsonElement value) || value.ValueKind == JsonValueKind.Null) return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) && float.IsFinite(number)
            ? number
            : throw Wrong(key, value, "a number that float32 can hold, or null");
    }

    /// <summary>True or false.</summary>
    public bool Flag(string key, bool? absent)
    {
        if (!TryGet(key, out JsonElement value)) return absent ?? throw Missing(key, "true or false");
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Wrong(key, value, "true or false"),
        };
    }

    /// <summary>A string.</summary>
    public string String(string key, string? absent)
    {
        if (!TryGet(key, out JsonElement value)) return absent ?? throw Missing(key, "a string");
        return value.ValueKind == JsonValueKind.String
            ? Unescape(() => value.GetString()!, Key(key))
            : throw Wrong(key, value, "a string");
    }

    /// <summary>A string or null.</summary>
    public string? StringOrNull(string key, string? absent) =>
        TryGet(key, out JsonElement value) && value.ValueKind == JsonValueKind.Null ? null : String(key, absent);

    /// <summary>One of some words.</summary>
    public T Word<T>(string key, T absent, ReadOnlySpan<(string Word, T Value)> words)
    {
        if (!TryGet(key, out JsonElement element)) return absent;
        var expected = new List<string>();
        string? found = element.ValueKind == JsonValueKind.String
            ? Unescape(() => element.GetString()!, Key(key))
            : null;
        foreach (var (word, value) in words)
        {
            if (found == word) return value;
            expected.Add(Quote.Text(word));
        }
        throw Wrong(key, element, string.Join(" or ", expected));
    }

    /// <summary>An object within this one; null when the key is absent.</summary>
    public JsonSection? SectionOrNull(string key)
    {
        if (!TryGet(key, out JsonElement value)) return null;
        return value.ValueKind == JsonValueKind.Object
            ? new JsonSection(_file, $"{_prefix}{key}.", value)
            : throw Wrong(key, value, "a JSON object");
    }

    /// <summary>An object within this one, that must be there.</summary>
    public JsonSection Section(string key) => SectionOrNull(key) ?? throw Missing(key, "a JSON object");

    /// <summary>A typing error must not pass for a default: refuses keys that nobody asked for.</summary>
    public void RefuseUnknownKeys()
    {
        foreach (string key in _members.Keys)
        {
            if (!_known.Contains(key))
            {
                string known = string.Join(", ", _known.Order(StringComparer.Ordinal));
                throw new ModelFormatException(_file, Key(key), "not a key that is known here", $"one of {known}");
            }
        }
    }

    /// <summary>Parses JSON; what is no JSON is an error that names the file.</summary>
    internal static JsonDocument Parse(string file, byte[] bytes)
    {
        ReadOnlyMemory<byte> json = WithoutMark(file, bytes);
        try
        {
            return JsonDocument.Parse(json);
        }
        catch (JsonException e)
        {
            throw new ModelFormatException(file, "the content", $"no JSON ({e.Message})", "JSON", e);
        }
    }

    /// <summary>The bytes without a byte order mark, once they are known to be UTF-8.</summary>
    internal static ReadOnlyMemory<byte> WithoutMark(string file, byte[] bytes)
    {
        if (!Utf8.IsValid(bytes)) throw new ModelFormatException(file, "the encoding", "not UTF-8", "UTF-8");
        return bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsMemory(3) : bytes;
    }

    private bool TryGet(string key, out JsonElement value)
    {
        _known.Add(key);
        return _members.TryGetValue(key, out value);
    }

    private string Key(string key) => Quote.Text(_prefix + key);

    private ModelFormatException Missing(string key, string expected) => new(_file, Key(key), "missing", expected);

    private ModelFormatException Wrong(string key, JsonElement value, string expected) =>
        new(_file, Key(key), Kind(value), expected);

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => value.GetRawText() is { Length: <= 80 } text ? text : "a long string",
        _ => value.GetRawText() is { Length: <= 80 } text ? text : "a number of many digits",
    };

    // An escape such as \ud800 is JSON by its grammar, and no text.
    private string Unescape(Func<string> read, string what)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFormatException(_file, what, "not valid Unicode", "Unicode text", e);
        }
    }
}
