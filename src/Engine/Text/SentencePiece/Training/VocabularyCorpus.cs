// The text that a vocabulary is learned from: normalised lines, the characters it must have, and its words with their counts.
using System.Runtime.InteropServices;
using System.Text;

namespace Engine.Text.SentencePiece.Training;

/// <summary>A word and how often it stands in the text.</summary>
/// <param name="Text">UTF-8, its space first.</param>
/// <param name="Count">How often.</param>
internal readonly record struct CountedWord(byte[] Text, long Count);

/// <summary>Training text, prepared as google/sentencepiece prepares it.</summary>
internal sealed class VocabularyCorpus
{
    /// <summary>Stands in <see cref="Characters"/> after each line.</summary>
    public const int LineEnd = 0;

    private VocabularyCorpus()
    {
    }

    /// <summary>
    /// Code points of all lines, each ended by <see cref="LineEnd"/>; what must not be part of a piece is <see cref="PieceRules.Unknown"/>.
    /// </summary>
    public required int[] Characters { get; init; }

    /// <summary>The characters that must be pieces, the most frequent first, of equals the lower code point.</summary>
    public required IReadOnlyList<(int Character, long Count)> Required { get; init; }

    /// <summary>Lines that were used.</summary>
    public required long LineCount { get; init; }

    /// <summary>Lines that were too long, or had the character that stands for unknown ones.</summary>
    public required long LeftOutCount { get; init; }

    /// <summary>Reads lines.</summary>
    /// <param name="lines">UTF-8 without line ends; each is used before the next is asked for.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="special">Pieces that are never part of others.</param>
    public static VocabularyCorpus Read(
        IEnumerable<ReadOnlyMemory<byte>> lines, VocabularyOptions options, SpecialPieces special)
    {
        PieceTrie never = special.Trie();
        var normalizer = new Normalizer(
            NormalizerRules.Read(SentencePieceModelWriter.Normalization(options), "options", null), null, hasSpaceAsSuffix: false);
        byte[] unknown = Encoding.UTF8.GetBytes(char.ConvertFromUtf32(PieceRules.Unknown));
        var text = new List<int>();
        var counts = new long[0x110000];
        long used = 0, leftOut = 0;
        byte[] buffer = [];
        foreach (ReadOnlyMemory<byte> line in lines)
        {
            if (line.IsEmpty) continue;
            if (line.Length > options.MaxLineBytes || line.Span.IndexOf(unknown) >= 0)
            {
                leftOut++;
                continue;
            }

            int length = normalizer.Run(line.Span, ref buffer);
            if (length == 0) continue;
            used++;
            for (ReadOnlySpan<byte> rest = buffer.AsSpan(0, length); !rest.IsEmpty;)
            {
                var (_, symbol) = never.Longest(rest);
                Rune character = new(PieceRules.Unknown);
                if (symbol == 0) Rune.DecodeFromUtf8(rest, out character, out symbol);
                rest = rest[symbol..];
                if (character.Value is LineEnd or '\t') character = new Rune(PieceRules.Unknown);
                text.Add(character.Value);
                counts[character.Value]++;
            }

            text.Add(LineEnd);
        }

        if (used == 0) throw new InvalidDataException("there is no text to learn from.");
        int[] characters = [.. text];
        List<(int, long)> required = Cover(counts, options.CharacterCoverage);
        Replace(characters, required);
        return new VocabularyCorpus { Characters = characters, Required = required, LineCount = used, LeftOutCount = leftOut };
    }

    /// <summary>The words between spaces, the most frequent first, of equals in the order of their bytes.</summary>
    public List<CountedWord> Words()
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var byText = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        char[] word = new char[64];
        int length = 0;
        foreach (int character in Characters)
        {
            if (character is LineEnd or PieceRules.Space && length > 0)
            {
                CollectionsMarshal.GetValueRefOrAddDefault(byText, word.AsSpan(0, length), out _)++;
                length = 0;
            }

            if (character == LineEnd) continue;
            if (length + 2 > word.Length) Array.Resize(ref word, 2 * word.Length);
            length += new Rune(character).EncodeToUtf16(word.AsSpan(length));
        }

        List<CountedWord> words = [.. counts.Select(static pair => new CountedWord(Encoding.UTF8.GetBytes(pair.Key), pair.Value))];
        words.Sort(static (x, y) => x.Count != y.Count ? y.Count.CompareTo(x.Count) : x.Text.AsSpan().SequenceCompareTo(y.Text));
        return words;
    }

    // The most frequent characters until they make up the share that is asked for. Special pieces count as characters of the
    // text, but are none of the vocabulary.
    private static List<(int Character, long Count)> Cover(long[] counts, float coverage)
    {
        double all = counts.Sum();
        long covered = 0;
        var required = new List<(int, long)>();
        foreach (int character in Enumerable.Range(0, counts.Length).Where(c => counts[c] > 0).OrderByDescending(c => counts[c]))
        {
            if ((float)(covered / all) >= coverage) break;
            covered += counts[character];
            if (character != PieceRules.Unknown) required.Add((character, counts[character]));
        }

        return required;
    }

    private static void Replace(int[] characters, List<(int Character, long Count)> required)
    {
        var isRequired = new bool[0x110000];
        isRequired[LineEnd] = true;
        foreach (var (character, _) in required) isRequired[character] = true;
        foreach (ref int character in characters.AsSpan())
            if (!isRequired[character]) character = PieceRules.Unknown;
    }
}
