// Which script a character is of: a piece does not mix scripts. The table is Unicode 9.0's, which google/sentencepiece uses.
using System.Globalization;

namespace Engine.Text.SentencePiece.Training;

/// <summary>Scripts as small numbers.</summary>
internal static class UnicodeScripts
{
    /// <summary>Of signs that all scripts use, and of what the table does not have.</summary>
    public const byte Common = 0;

    private const int KatakanaProlongedMark = 0x30FC;

    private static readonly byte[] Table = Read();

    /// <summary>Of marks that are of the script of the character before them.</summary>
    public static byte Inherited { get; private set; }

    /// <summary>The script of a character; Hiragana and Katakana count as Han, for Japanese words mix them.</summary>
    public static byte Of(int character) => Table[character];

    // A line: name, then ranges of code points in hexadecimal.
    private static byte[] Read()
    {
        var table = new byte[0x110000];
        var numbers = new Dictionary<string, byte>(StringComparer.Ordinal);
        using Stream stream = typeof(UnicodeScripts).Assembly.GetManifestResourceStream("UnicodeScripts.txt")!;
        using var lines = new StreamReader(stream);
        while (lines.ReadLine() is { } line)
        {
            string[] words = line.Split(' ');
            string script = words[0] is "Hiragana" or "Katakana" ? "Han" : words[0];
            if (!numbers.TryGetValue(script, out byte number)) numbers[script] = number = (byte)(numbers.Count + 1);
            if (script == "Inherited") Inherited = number;
            foreach (string range in words.AsSpan(1))
            {
                string[] ends = range.Split('-');
                int first = Parse(ends[0]), last = Parse(ends[^1]);
                table.AsSpan(first, last - first + 1).Fill(number);
            }
        }

        table[KatakanaProlongedMark] = numbers["Han"];
        return table;

        static int Parse(string text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }
}
