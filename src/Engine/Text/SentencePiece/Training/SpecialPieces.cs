// The pieces of a vocabulary that are not learned, at their ids.
using System.Text;

namespace Engine.Text.SentencePiece.Training;

/// <summary>Which ids are taken before training, in the order in which google/sentencepiece gives them.</summary>
internal sealed class SpecialPieces
{
    private readonly SortedDictionary<int, (string Piece, PieceType Type)> _pieces = [];

    /// <exception cref="ArgumentException">An id or a piece is there twice, or outside the vocabulary.</exception>
    public SpecialPieces(VocabularyOptions options)
    {
        Reserve(options.UnknownId, options.UnknownPiece, "unknown", PieceType.Unknown, options);
        Reserve(options.BeginId, options.BeginPiece, "begin", PieceType.Control, options);
        Reserve(options.EndId, options.EndPiece, "end", PieceType.Control, options);
        Reserve(options.PadId, options.PadPiece, "pad", PieceType.Control, options);
        if (options.UnknownId < 0) throw new ArgumentException($"the id of the unknown piece is {options.UnknownId}, expected 0 or more.");

        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string piece in options.Control) Add(piece, PieceType.Control);
        foreach (string piece in options.UserDefined) Add(piece, PieceType.UserDefined);
        for (int b = 0; options.HasByteFallback && b <= byte.MaxValue; b++) Add($"<0x{b:X2}>", PieceType.Byte);

        void Add(string piece, PieceType type)
        {
            if (piece.Length == 0) throw new ArgumentException("a control or user-defined piece is empty, expected text.");
            if (piece == options.UnknownPiece) throw new ArgumentException($"the piece '{piece}' is the unknown piece already.");
            if (!seen.Add(piece)) throw new ArgumentException($"the piece '{piece}' is defined twice.");

            // A piece that has an id by its role keeps it and changes its type.
            int id = _pieces.FirstOrDefault(pair => pair.Value.Piece == piece, new(-1, default)).Key;
            for (int next = 0; id < 0; next++)
                if (!_pieces.ContainsKey(next)) id = next;
            _pieces[id] = (piece, type);
        }
    }

    /// <summary>How many there are.</summary>
    public int Count => _pieces.Count;

    /// <summary>The piece that has an id, if one has.</summary>
    public bool TryGet(int id, out (string Piece, PieceType Type) piece) => _pieces.TryGetValue(id, out piece);

    /// <summary>All of them as a set of byte strings.</summary>
    public PieceTrie Trie() => PieceTrie.Make(_pieces.Select(static pair => (Encoding.UTF8.GetBytes(pair.Value.Piece), pair.Key)));

    private void Reserve(int id, string piece, string role, PieceType type, VocabularyOptions options)
    {
        if (id < 0) return;
        if (piece.Length == 0) throw new ArgumentException($"the {role} piece is empty, expected text.");
        if (id >= options.Size)
            throw new ArgumentException($"the id of the {role} piece is {id}, expected less than the size, {options.Size}.");
        if (_pieces.TryGetValue(id, out var other))
            throw new ArgumentException($"the id of the {role} piece is {id}, which '{other.Piece}' has already.");
        if (_pieces.Any(pair => pair.Value.Piece == piece))
            throw new ArgumentException($"the {role} piece is '{piece}', which is another special piece already.");
        _pieces[id] = (piece, type);
    }
}
