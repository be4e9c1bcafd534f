// Text as a SentencePiece model wants it: characters replaced, spaces joined and written U+2581.
namespace Engine.Text.SentencePiece;

/// <summary>Prepares text. Immutable.</summary>
/// <param name="rules">The model's.</param>
/// <param name="userDefined">Symbols that pass unchanged; null if there are none.</param>
/// <param name="hasSpaceAsSuffix">Whether a word ends with its space instead of beginning with it.</param>
internal sealed class Normalizer(NormalizerRules rules, PieceTrie? userDefined, bool hasSpaceAsSuffix)
{
    // Beside three bytes for each of text: a dummy prefix, and replacements that are longer.
    private const int LeastRoom = 64;

    private readonly byte[] _space = rules.EscapesSpaces ? Characters.Space.ToArray() : [(byte)' '];

    /// <summary>Normalises text into a buffer, which grows where it must.</summary>
    /// <returns>The number of bytes written.</returns>
    public int Run(ReadOnlySpan<byte> text, ref byte[] buffer)
    {
        CharacterMap map = rules.Map;
        bool removes = rules.RemovesExtraSpaces;
        int at = 0, written = 0;
        while (removes && at < text.Length)
        {
            int consumed = Next(text[at..], out ReadOnlySpan<byte> replacement);
            if (replacement is not [(byte)' ']) break;
            at += consumed;
        }

        if (at == text.Length) return 0;
        if (buffer.Length < (3 * text.Length) + LeastRoom) Array.Resize(ref buffer, (3 * text.Length) + LeastRoom);
        if (rules.AddsDummyPrefix && !hasSpaceAsSuffix) Put(_space, buffer, ref written);
        bool isAfterSpace = removes;
        while (at < text.Length)
        {
            byte b = text[at];
            if (b < 0x80 && userDefined is null && map.IsPlain(b) && (at + 1 == text.Length || text[at + 1] < 0x80))
            {
                at++;
                if (b != ' ')
                {
                    if (written == buffer.Length) Array.Resize(ref buffer, 2 * buffer.Length);
                    buffer[written++] = b;
                    isAfterSpace = false;
                }
                else if (!isAfterSpace)
                {
                    Room(ref buffer, written, _space.Length);
                    Put(_space, buffer, ref written);
                    isAfterSpace = removes;
                }

                continue;
            }

            at += Next(text[at..], out ReadOnlySpan<byte> piece);
            while (isAfterSpace && piece is [(byte)' ', ..]) piece = piece[1..];
            if (!piece.IsEmpty)
            {
                Room(ref buffer, written, _space.Length * piece.Length);
                foreach (byte c in piece)
                {
                    if (c == ' ') Put(_space, buffer, ref written);
                    else buffer[written++] = c;
                }

                isAfterSpace = piece[^1] == ' ';
            }

            if (!removes) isAfterSpace = false;
        }

        while (removes && buffer.AsSpan(0, written).EndsWith(_space)) written -= _space.Length;
        if (rules.AddsDummyPrefix && hasSpaceAsSuffix)
        {
            Room(ref buffer, written, _space.Length);
            Put(_space, buffer, ref written);
        }

        return written;
    }

    // What stands at the beginning of text, and how many bytes it takes.
    private int Next(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        if (userDefined is not null && userDefined.Longest(text) is { Length: > 0 } symbol)
        {
            replacement = text[..symbol.Length];
            return symbol.Length;
        }

        int length = rules.Map.Longest(text, out replacement);
        if (length > 0) return length;
        length = Characters.ValidLength(text);
        replacement = length > 0 ? text[..length] : Characters.Replacement;
        return Math.Max(length, 1);
    }

    private static void Put(byte[] bytes, byte[] buffer, ref int written)
    {
        foreach (byte b in bytes) buffer[written++] = b;
    }

    private static void Room(ref byte[] buffer, int written, int count)
    {
        if (buffer.Length - written < count) Array.Resize(ref buffer, Math.Max(2 * buffer.Length, written + count));
    }
}
