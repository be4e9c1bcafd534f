// Which strings may be pieces: google/sentencepiece's rules.
namespace Engine.Text.SentencePiece.Training;

/// <summary>Tells what may be a piece.</summary>
internal sealed class PieceRules(VocabularyOptions options)
{
    /// <summary>U+2585, which stands in training text for characters that are to be unknown.</summary>
    public const int Unknown = 0x2585;

    /// <summary>U+2581, which stands for a space.</summary>
    public const int Space = 0x2581;

    // A script that agrees with all others.
    private const int Any = -1;

    /// <summary>
    /// Whether characters may be one piece: not too many, a space only as the first, digits alone if that is asked for, and
    /// all of one script, where common signs count as a script.
    /// </summary>
    public bool Allow(ReadOnlySpan<int> piece)
    {
        if (piece.IsEmpty || piece.Length > options.MaxPieceLength) return false;
        int previous = Any;
        for (int i = 0; i < piece.Length; i++)
        {
            int character = piece[i];
            if (character is Unknown or 0 or '\t' or ' ') return false;
            if (character == Space)
            {
                if (i > 0) return false;
                continue;
            }

            if (options.SplitsDigits && piece.Length > 1 && IsDigit(character)) return false;
            int script = UnicodeScripts.Of(character);
            if (script == UnicodeScripts.Inherited) script = previous;
            if (script != Any && previous != Any && script != previous) return false;
            previous = script;
        }

        return true;
    }

    // As in European and in full-width text.
    private static bool IsDigit(int character) => character is (>= '0' and <= '9') or (>= 0xFF10 and <= 0xFF19);
}
