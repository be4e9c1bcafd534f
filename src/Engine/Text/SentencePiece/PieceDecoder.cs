// Pieces become text: spaces where U+2581 stood, bytes joined to characters, nothing for control pieces.
using System.Text;

namespace Engine.Text.SentencePiece;

/// <summary>Joins pieces.</summary>
internal sealed class PieceDecoder(SentencePieceModel model)
{
    private readonly bool _stripsPrefix =
        model.Normalizer.AddsDummyPrefix || model.Normalizer.RemovesExtraSpaces;
    private readonly List<byte> _text = [];
    private readonly List<byte> _bytes = [];
    private bool _isBeginning = true;

    /// <summary>Adds a piece; an unknown one that is not the model's own is copied as it is.</summary>
    public void Add(int id, string piece)
    {
        PieceType type = model.Types[id];
        if (type == PieceType.Byte)
        {
            _bytes.Add((byte)model.BytePieces.IndexOf(id));
            return;
        }

        EndBytes();
        if (type == PieceType.Control) return;
        if (type == PieceType.Unknown)
        {
            string surface = piece == model.Pieces[id] ? model.UnknownSurface : piece;
            _text.AddRange(Encoding.UTF8.GetBytes(surface));
        }
        else
        {
            ReadOnlySpan<byte> rest = Encoding.UTF8.GetBytes(piece);
            if (_isBeginning && _stripsPrefix && rest.StartsWith(Characters.Space))
            {
                rest = rest[Characters.Space.Length..];
                _isBeginning = model.Normalizer.RemovesExtraSpaces;
            }

            while (!rest.IsEmpty)
            {
                bool isSpace = rest.StartsWith(Characters.Space);
                int length = Characters.Length(rest);
                _text.AddRange(isSpace ? " "u8 : rest[..length]);
                rest = rest[length..];
            }
        }

        if (_text.Count > 0) _isBeginning = false;
    }

    /// <summary>The text.</summary>
    public ReadOnlySpan<byte> Finish()
    {
        EndBytes();
        return System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_text);
    }

    private void EndBytes()
    {
        ReadOnlySpan<byte> rest = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes);
        while (!rest.IsEmpty)
        {
            int length = Characters.ValidLength(rest);
            _text.AddRange(length > 0 ? rest[..length] : Characters.Replacement);
            rest = rest[Math.Max(length, 1)..];
        }

        if (_bytes.Count > 0) _isBeginning = false;
        _bytes.Clear();
    }
}
