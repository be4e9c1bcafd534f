// Text as Python sees it, because the scores are defined by a program in Python: code points, white space, lower case, and
// numbers of so many digits. Each differs a little from what .NET does.
using System.Globalization;
using System.Text;

namespace Engine.Evaluation;

/// <summary>What <c>str</c> of Python does.</summary>
internal static class PythonText
{
    private const char CapitalSigma = 'Σ';
    private const char CapitalDottedI = '\u0130';
    private const int DigitsOfATie = 40;   // a double of 0.005 or more that is no tie differs from one in 18 digits

    /// <summary>White space of <c>str.split</c> and <c>str.rstrip</c>: that of .NET, and U+001C to U+001F.</summary>
    public static bool IsSpace(int codePoint) => codePoint < 0x80
        ? codePoint is ' ' or (>= 0x09 and <= 0x0D) or (>= 0x1C and <= 0x1F)
        : codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint);

    /// <summary><c>str.rstrip</c>.</summary>
    public static string TrimEnd(string text)
    {
        int length = text.Length;
        while (length > 0 && IsSpace(text[length - 1])) length--;
        return length == text.Length ? text : text[..length];
    }

    /// <summary>Appends the code points of a text. An unpaired surrogate stands for itself.</summary>
    public static void AddCodePoints(string text, List<int> codePoints)
    {
        for (int i = 0; i < text.Length; i++)
        {
            bool pair = char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]);
            codePoints.Add(pair ? char.ConvertToUtf32(text[i], text[++i]) : text[i]);
        }
    }

    /// <summary>
    /// <c>str.lower</c>. Beside the mapping of single characters, which .NET has, Python knows two of Unicode's special
    /// cases: a capital sigma at the end of a word is 'ς', and 'İ' becomes 'i' and a combining dot.
    /// </summary>
    public static string Lower(string text)
    {
        if (!text.AsSpan().ContainsAny(CapitalSigma, CapitalDottedI)) return text.ToLowerInvariant();
        var lower = new StringBuilder(text.Length + 1);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == CapitalSigma) lower.Append(IsFinal(text, i) ? 'ς' : 'σ');
            else if (text[i] == CapitalDottedI) lower.Append("i\u0307");
            else lower.Append(text[i]);
        }

        return lower.ToString().ToLowerInvariant();
    }

    /// <summary>
    /// <c>f"{value:.2f}"</c>, with two or another number of digits: the value as it is stored, rounded once, half to even.
    /// </summary>
    public static string Fixed(double value, int digits)
    {
        string exact = value.ToString($"F{digits + DigitsOfATie}", CultureInfo.InvariantCulture);
        int end = exact.Length - DigitsOfATie;
        bool isTie = exact[end] == '5' && !exact.AsSpan(end + 1).ContainsAnyExcept('0');
        int kept = digits == 0 ? end - 1 : end;   // without the point
        return isTie && (exact[kept - 1] - '0') % 2 == 0
            ? exact[..kept]
            : value.ToString($"F{digits}", CultureInfo.InvariantCulture);
    }

    // Final_Sigma (The Unicode Standard, 3.13): a cased letter stands before it, and none after it; what is ignored for case
    // may stand between.
    private static bool IsFinal(string text, int sigma)
    {
        int before = sigma;
        Rune rune = default;
        while (before > 0)
        {
            Rune.DecodeLastFromUtf16(text.AsSpan(0, before), out rune, out int length);
            if (!IsIgnored(rune)) break;
            before -= length;
        }

        if (before == 0 || !IsCased(rune)) return false;
        int after = sigma + 1;
        while (after < text.Length)
        {
            Rune.DecodeFromUtf16(text.AsSpan(after), out rune, out int length);
            if (!IsIgnored(rune)) return !IsCased(rune);
            after += length;
        }

        return true;
    }

    // Case_Ignorable: marks, formats, modifiers, and what breaks no word in its middle.
    private static bool IsIgnored(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
        or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol
        || rune.Value is '\'' or '.' or ':' or 0xB7 or 0x387 or 0x55F or 0x5F4 or 0x2018 or 0x2019 or 0x2024 or 0x2027
            or 0xFE13 or 0xFE52 or 0xFE55 or 0xFF07 or 0xFF0E or 0xFF1A;

    // Cased: letters of a case, ordinal indicators, Roman numerals, circled and squared letters.
    private static bool IsCased(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
        || rune.Value is 0xAA or 0xBA or (>= 0x2160 and <= 0x217F) or (>= 0x24B6 and <= 0x24E9)
            or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);
}
