// What the segmenters look up: the pieces that may be found in text, by their bytes.
using System.Text;

namespace Engine.Text.SentencePiece;

/// <summary>The text pieces of a model. Immutable.</summary>
internal sealed class PieceTable
{
    public PieceTable(SentencePieceModel model)
    {
        Model = model;
        Bytes = [.. model.Pieces.Select(Encoding.UTF8.GetBytes)];
        Text = PieceTrie.Make(Ids(PieceType.Normal, PieceType.UserDefined, PieceType.Unused));
        HasUnused = model.Types.Contains(PieceType.Unused);
        if (model.Types.Contains(PieceType.UserDefined)) UserDefined = PieceTrie.Make(Ids(PieceType.UserDefined));
        CutsAtSpaces = !HasUnused && Ids(PieceType.Normal, PieceType.UserDefined).All(piece => IsWithinWord(piece.Text));

        IEnumerable<(byte[] Text, int Value)> Ids(params PieceType[] types) =>
            Enumerable.Range(0, model.Count).Where(id => types.Contains(model.Types[id])).Select(id => (Bytes[id], id));
    }

    public SentencePieceModel Model { get; }

    /// <summary>Each piece in UTF-8.</summary>
    public byte[][] Bytes { get; }

    /// <summary>Normal, user-defined and unused pieces.</summary>
    public PieceTrie Text { get; }

    /// <summary>User-defined ones alone; null if there are none.</summary>
    public PieceTrie? UserDefined { get; }

    public bool HasUnused { get; }

    /// <summary>Whether no piece reaches over the beginning of a word, so that words can be cut one by one.</summary>
    public bool CutsAtSpaces { get; }

    /// <summary>Where the word that a text begins with ends; the whole text if words do not stand alone.</summary>
    public int WordLength(ReadOnlySpan<byte> text) =>
        CutsAtSpaces ? Characters.WordLength(text, hasSpaceAsSuffix: false) : text.Length;

    private bool IsWithinWord(byte[] piece) =>
        !Model.HasSpaceAsSuffix && piece.AsSpan(Characters.Length(piece)).IndexOf(Characters.Space) < 0;
}
