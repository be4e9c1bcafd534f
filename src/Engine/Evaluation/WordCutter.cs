// The tokenisers of BLEU. Each is a chain of replacements in the programs that defined it, and is one here, because the
// replacements of a pass do not overlap: '..5' and '.5' are cut by that.
using System.Globalization;
using System.Runtime.InteropServices;

namespace Engine.Evaluation;

/// <summary>Cuts sentences into words: code points with white space between. Its buffers are used again.</summary>
internal sealed class WordCutter(BleuTokenizer tokenizer)
{
    private List<int> _text = [];
    private List<int> _next = [];

    /// <summary>The word of a tokenizer in a signature.</summary>
    public static string Word(BleuTokenizer tokenizer) => tokenizer switch
    {
        BleuTokenizer.V13a => "13a",
        BleuTokenizer.International => "intl",
        BleuTokenizer.Characters => "char",
        BleuTokenizer.Chinese => "zh",
        _ => "none",
    };

    /// <summary>The code points of a sentence, with white space between its words; valid until the next call.</summary>
    public ReadOnlySpan<int> Cut(string sentence)
    {
        _text.Clear();
        switch (tokenizer)
        {
            case BleuTokenizer.V13a:
                PythonText.AddCodePoints($" {Unescape(sentence)} ", _text);
                CutWestern();
                break;
            case BleuTokenizer.International:
                PythonText.AddCodePoints(sentence, _text);
                CutInternational();
                break;
            case BleuTokenizer.Characters:
                PythonText.AddCodePoints(sentence, _text);
                Isolate(static _ => true);
                break;
            case BleuTokenizer.Chinese:
                PythonText.AddCodePoints(sentence, _text);
                while (_text.Count > 0 && PythonText.IsSpace(_text[^1])) _text.RemoveAt(_text.Count - 1);
                _text.RemoveRange(0, _text.TakeWhile(PythonText.IsSpace).Count());
                Isolate(IsChinese);
                CutWestern();
                break;
            case BleuTokenizer.None:
            default:
                PythonText.AddCodePoints(sentence, _text);
                break;
        }

        return CollectionsMarshal.AsSpan(_text);
    }

    // mteval-v13a.pl, the part that is the same for all languages. One after another: '&amp;lt;' is '<'.
    private static string Unescape(string sentence)
    {
        sentence = sentence.Replace("<skipped>", "", StringComparison.Ordinal)
            .Replace("-\n", "", StringComparison.Ordinal)
            .Replace('\n', ' ');
        if (!sentence.Contains('&')) return sentence;
        return sentence.Replace("&quot;", "\"", StringComparison.Ordinal)
            .Replace("&amp;", "&", StringComparison.Ordinal)
            .Replace("&lt;", "<", StringComparison.Ordinal)
            .Replace("&gt;", ">", StringComparison.Ordinal);
    }

    // mteval-v13a.pl, the part for Western languages: ASCII symbols are words; so are a period and a comma, unless between
    // digits, and a dash after a digit. Apostrophes and other dashes stay in their words.
    private void CutWestern()
    {
        Isolate(static c => c is (>= '{' and <= '~') or (>= '[' and <= '`') or (>= ' ' and <= '&') or (>= '(' and <= '+')
            or (>= ':' and <= '@') or '/');
        CutPairs(static (a, b) => !IsDigit(a) && b is '.' or ',', spaceFirst: false);
        CutPairs(static (a, b) => a is '.' or ',' && !IsDigit(b), spaceFirst: true);
        CutPairs(static (a, b) => IsDigit(a) && b == '-', spaceFirst: false);
    }

    // mteval-v14.pl: punctuation is a word, unless it stands between numbers or ends the line after one; so is a symbol.
    private void CutInternational()
    {
        CutPairs(static (a, b) => IsPunctuation(b) && !IsNumber(a), spaceFirst: false);
        CutPairs(static (a, b) => IsPunctuation(a) && !IsNumber(b), spaceFirst: true);
        Isolate(IsSymbol);
    }

    // Puts a space before and after each character of a kind.
    private void Isolate(Func<int, bool> isOfKind)
    {
        _next.Clear();
        foreach (int c in CollectionsMarshal.AsSpan(_text))
        {
            bool found = isOfKind(c);
            if (found) _next.Add(' ');
            _next.Add(c);
            if (found) _next.Add(' ');
        }

        (_text, _next) = (_next, _text);
    }

    // Puts a space into each pair of a kind, and one before or after it. Pairs do not overlap.
    private void CutPairs(Func<int, int, bool> isOfKind, bool spaceFirst)
    {
        _next.Clear();
        ReadOnlySpan<int> text = CollectionsMarshal.AsSpan(_text);
        for (int i = 0; i < text.Length; i++)
        {
            if (i + 1 == text.Length || !isOfKind(text[i], text[i + 1]))
            {
                _next.Add(text[i]);
                continue;
            }

            if (spaceFirst) _next.Add(' ');
            _next.Add(text[i]);
            _next.Add(' ');
            _next.Add(text[++i]);
            if (!spaceFirst) _next.Add(' ');
        }

        (_text, _next) = (_next, _text);
    }

    private static bool IsDigit(int c) => c is >= '0' and <= '9';

    private static bool IsPunctuation(int c) => CharUnicodeInfo.GetUnicodeCategory(c)
        is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;

    private static bool IsSymbol(int c) =>
        CharUnicodeInfo.GetUnicodeCategory(c) is >= UnicodeCategory.MathSymbol and <= UnicodeCategory.OtherSymbol;

    private static bool IsNumber(int c) =>
        CharUnicodeInfo.GetUnicodeCategory(c) is >= UnicodeCategory.DecimalDigitNumber and <= UnicodeCategory.OtherNumber;

    // As sacrebleu has it: two of its ranges are meant for U+20000 and U+2F800, but are written so that they are U+2001 to
    // U+2A6D and U+2F81 to U+2FA1; so ’ and … are Chinese, and characters beyond the basic plane are not.
    private static bool IsChinese(int c) => c is (>= 0x2001 and <= 0x2A6D) or (>= 0x2E80 and <= 0x2FDF)
        or (>= 0x2FF0 and <= 0x303F) or (>= 0x3100 and <= 0x312F) or (>= 0x31A0 and <= 0x31EF)
        or (>= 0x3200 and <= 0x4DB5) or (>= 0x4E00 and <= 0x9FBB)
        or (>= 0xF900 and <= 0xFA2D) or (>= 0xFA30 and <= 0xFA6A) or (>= 0xFA70 and <= 0xFAD9)
        or (>= 0xFE10 and <= 0xFE1F) or (>= 0xFE30 and <= 0xFE4F) or (>= 0xFF00 and <= 0xFFEF);
}
