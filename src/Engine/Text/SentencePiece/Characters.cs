// UTF-8 as SentencePiece reads it.
namespace Engine.Text.SentencePiece;

/// <summary>Lengths of characters.</summary>
internal static class Characters
{
    /// <summary>U+FFFD, which stands for a byte that is no UTF-8.</summary>
    public static ReadOnlySpan<byte> Replacement => "\uFFFD"u8;

    /// <summary>U+2581, which stands for a space in pieces.</summary>
    public static ReadOnlySpan<byte> Space => "\u2581"u8;

    /// <summary>Bytes of a character by its first byte; of what is none, 1.</summary>
    public static int Length(byte first) => first switch
    {
        < 0xC0 => 1,
        < 0xE0 => 2,
        < 0xF0 => 3,
        _ => 4,
    };

    /// <summary>Bytes of the character that text begins with, or of what is left of it.</summary>
    public static int Length(ReadOnlySpan<byte> text) => Math.Min(Length(text[0]), text.Length);

    /// <summary>Bytes of the word that text begins with: up to the next space, or with it where a space ends its word.</summary>
    public static int WordLength(ReadOnlySpan<byte> text, bool hasSpaceAsSuffix)
    {
        int from = hasSpaceAsSuffix ? 0 : Length(text);
        int space = text[from..].IndexOf(Space);
        if (space < 0) return text.Length;
        return from + space + (hasSpaceAsSuffix ? Space.Length : 0);
    }

    /// <summary>Code points in UTF-8.</summary>
    public static byte[] ToUtf8(ReadOnlySpan<int> characters)
    {
        Span<byte> text = stackalloc byte[4 * characters.Length];
        int length = 0;
        foreach (int character in characters) length += new System.Text.Rune(character).EncodeToUtf8(text[length..]);
        return text[..length].ToArray();
    }

    /// <summary>Bytes of the valid character that text begins with; 0 if it begins with none.</summary>
    public static int ValidLength(ReadOnlySpan<byte> text) =>
        System.Text.Rune.DecodeFromUtf8(text, out _, out int count) == System.Buffers.OperationStatus.Done ? count : 0;
}
