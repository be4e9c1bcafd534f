// Which neighbours of byte-pair encoding may be joined, as numbers instead of strings.
namespace Engine.Text.SentencePiece;

/// <summary>
/// Symbols and their merges. A symbol is a text piece, by its id, or a character of a piece that is none itself, by a number after
/// them. Immutable.
/// </summary>
internal sealed class BpeMerges
{
    public BpeMerges(PieceTable table)
    {
        Table = table;
        SentencePieceModel model = table.Model;
        int[] pieces = [.. Enumerable.Range(0, model.Count)
            .Where(id => model.Types[id] is PieceType.Normal or PieceType.UserDefined or PieceType.Unused)];
        List<(byte[] Text, int Value)> symbols = [.. pieces.Select(id => (table.Bytes[id], id))];
        var characters = new HashSet<string>(StringComparer.Ordinal);
        foreach (int id in pieces)
        {
            ReadOnlySpan<byte> rest = table.Bytes[id];
            for (int length; !rest.IsEmpty; rest = rest[length..])
            {
                length = Characters.Length(rest);
                if (table.Text.Find(rest[..length]) < 0 && characters.Add(Convert.ToHexString(rest[..length])))
                    symbols.Add((rest[..length].ToArray(), model.Count + characters.Count - 1));
            }
        }

        Symbols = PieceTrie.Make(symbols);
        Lengths = new int[model.Count + characters.Count];
        foreach (var (text, value) in symbols) Lengths[value] = text.Length;
        foreach (int id in pieces)
        {
            ReadOnlySpan<byte> text = table.Bytes[id];
            for (int cut = Characters.Length(text); cut < text.Length; cut += Characters.Length(text[cut..]))
            {
                int left = Symbols.Find(text[..cut]), right = Symbols.Find(text[cut..]);
                if (left >= 0 && right >= 0) Pairs.Add(left, right, id);
            }
        }
    }

    public PieceTable Table { get; }

    /// <summary>Symbols by their bytes.</summary>
    public PieceTrie Symbols { get; }

    /// <summary>Bytes of each symbol.</summary>
    public int[] Lengths { get; }

    /// <summary>Which two symbols are which piece.</summary>
    public PairTable Pairs { get; } = new();
}
