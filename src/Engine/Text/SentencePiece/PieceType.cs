// What a piece of a SentencePiece model is for.
namespace Engine.Text.SentencePiece;

/// <summary>Kinds of pieces, with the numbers that the file has.</summary>
public enum PieceType
{
    /// <summary>Found in text, with a score.</summary>
    Normal = 1,

    /// <summary>Stands for what no piece matches; exactly one in a model.</summary>
    Unknown = 2,

    /// <summary>Never found in text, and no text: begin, end.</summary>
    Control = 3,

    /// <summary>Found in text before anything else, and never cut.</summary>
    UserDefined = 4,

    /// <summary>In the list, but never used.</summary>
    Unused = 5,

    /// <summary>A byte of a character that no piece matches, written <c>&lt;0x00&gt;</c> .. <c>&lt;0xFF&gt;</c>.</summary>
    Byte = 6,
}
