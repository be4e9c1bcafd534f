// Values from a command line instead of those in a JSON file: the object is written again with them, so that whoever reads it has
// one place to look, and a change passes the same checks as the file.
using System.Buffers;
using System.Text.Json;

namespace Engine.Training;

/// <summary>Changes to a JSON object.</summary>
internal static class JsonChanges
{
    /// <summary>Writes a JSON object with some values changed.</summary>
    /// <param name="root">The object.</param>
    /// <param name="changes">As in <c>a.b=1</c>; what is no JSON is a string. Of equal keys the last.</param>
    /// <exception cref="ArgumentException">A change is no <c>key=value</c>.</exception>
    public static byte[] Apply(JsonElement root, IEnumerable<string> changes)
    {
        var tree = new Node();
        foreach (string change in changes)
        {
            int equals = change.IndexOf('=', StringComparison.Ordinal);
            string[] path = equals < 0 ? [] : change[..equals].Trim().Split('.');
            if (path.Length == 0 || path.Any(string.IsNullOrEmpty))
                throw new ArgumentException($"The change is '{change}', expected a key and a value as in 'training.steps=1000'.");
            Node node = tree;
            foreach (string key in path)
            {
                if (!node.Below.TryGetValue(key, out Node? below)) node.Below.Add(key, below = new Node());
                node = below;
            }

            node.Below.Clear();
            node.Value = change[(equals + 1)..];
        }

        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer)) Write(json, root, tree);
        return buffer.WrittenSpan.ToArray();
    }

    // A value that is followed by changes within it is what they change.
    private static void Write(Utf8JsonWriter json, JsonElement element, Node node)
    {
        if (node.Value is { } value) element = Parse(value);
        if (node.Value is not null && node.Below.Count == 0)
        {
            element.WriteTo(json);
            return;
        }

        json.WriteStartObject();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        if (element.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty member in element.EnumerateObject())
            {
                json.WritePropertyName(member.Name);
                seen.Add(member.Name);
                if (node.Below.TryGetValue(member.Name, out Node? below)) Write(json, member.Value, below);
                else member.Value.WriteTo(json);
            }
        }

        foreach ((string key, Node below) in node.Below)
        {
            if (seen.Contains(key)) continue;
            json.WritePropertyName(key);
            Write(json, default, below);
        }

        json.WriteEndObject();
    }

    private static JsonElement Parse(string value)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(value);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            using JsonDocument text = JsonDocument.Parse($"\"{JsonEncodedText.Encode(value)}\"");
            return text.RootElement.Clone();
        }
    }

    private sealed class Node
    {
        public string? Value { get; set; }

        public Dictionary<string, Node> Below { get; } = new(StringComparer.Ordinal);
    }
}
