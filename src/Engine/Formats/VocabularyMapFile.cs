// vmap.txt, as CTranslate2 has it: a rule a line, source tokens, a tab, target tokens.
using System.Text;
using System.Text.Unicode;
using Engine.Text;

namespace Engine.Formats;

/// <summary>Reads and writes vocabulary maps.</summary>
internal static class VocabularyMapFile
{
    /// <summary>The file beside a model.</summary>
    public const string FileName = "vmap.txt";

    /// <summary>Reads the map of a model's directory; null if it has none.</summary>
    /// <param name="directory">Directory of the model.</param>
    /// <param name="target">Tokens of the target; a token that is not in it becomes the unknown one.</param>
    /// <param name="tokens">Tokens with a meaning; they are always candidates.</param>
    /// <exception cref="ModelFormatException">A line is no rule.</exception>
    public static VocabularyMap? Read(string directory, Vocabulary target, SpecialTokens tokens)
    {
        string file = Path.Combine(directory, FileName);
        if (!File.Exists(file)) return null;
        byte[] bytes = FileSource.ReadAll(file, FormatLimits.VocabularyMapBytes);
        var rules = new List<KeyValuePair<string, int[]>>();
        ReadOnlySpan<byte> rest = bytes;
        for (int line = 1; !rest.IsEmpty; line++)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> rule = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (!Utf8.IsValid(rule)) throw new ModelFormatException(file, $"line {line}", "not UTF-8", "UTF-8");
            int tab = rule.IndexOf((byte)'\t');
            if (tab < 0 || rule[(tab + 1)..].Contains((byte)'\t'))
                throw new ModelFormatException(
                    file, $"line {line}", tab < 0 ? "one without a tab" : "one with several tabs",
                    "source tokens, a tab, target tokens");
            int sourceTokens = rule[..tab].Count((byte)' ') + 1;
            if (sourceTokens > FormatLimits.VocabularyMapTokens)
                throw new ModelFormatException(file, $"the number of source tokens in line {line}", $"{sourceTokens:N0}",
                    $"at most {FormatLimits.VocabularyMapTokens}");
            if (rules.Count == FormatLimits.VocabularyMapRules)
                throw new ModelFormatException(file, "the number of rules", "larger",
                    $"at most {FormatLimits.VocabularyMapRules:N0}");
            rules.Add(new(Encoding.UTF8.GetString(rule[..tab]), Ids(Encoding.UTF8.GetString(rule[(tab + 1)..]), target)));
        }

        return new VocabularyMap(rules, [target.UnknownId, target.Id(tokens.Begin), target.Id(tokens.End)]);
    }

    /// <summary>Writes a map. Its tokens hold no spaces, tabs or ends of lines, or they would not have been read.</summary>
    public static void Write(VocabularyMap map, Vocabulary target, string directory)
    {
        using var writer = new StreamWriter(Path.Combine(directory, FileName), false, new UTF8Encoding(false)) { NewLine = "\n" };
        foreach (var (key, ids) in map.Rules)
            writer.WriteLine($"{key}\t{string.Join(' ', ids.Select(id => target[id]))}");
    }

    // A space ends a token; what follows the last space is one too, unless it is empty.
    private static int[] Ids(string tokens, Vocabulary target)
    {
        string[] words = tokens.Split(' ');
        int count = words[^1].Length == 0 ? words.Length - 1 : words.Length;
        return [.. words.Take(count).Select(target.Id)];
    }
}
