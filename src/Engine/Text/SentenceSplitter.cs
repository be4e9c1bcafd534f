// Long text cut into sentences, and sentences that are still too long into parts, for models that were trained on sentences.
using System.Globalization;
using System.Text;

namespace Engine.Text;

/// <summary>Cuts text by rules: punctuation, what follows it, and the abbreviations of a few languages.</summary>
public static class SentenceSplitter
{
    private const string Enders = ".!?…。！？｡؟۔।॥։";

    // After these a sentence ends without a space.
    private const string EndersOfItself = "。！？｡";

    private const string Closers = "\"'”’»›)]}」』）";

    private const string PartEnders = ",;:—–、，；：،؛";

    // Words that a full stop follows within a sentence, in lower case.
    private static readonly HashSet<string> Abbreviations = new(StringComparer.OrdinalIgnoreCase)
    {
        "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "etc", "e.g", "i.e", "cf", "approx", "gen",
        "col", "capt", "lt", "sgt", "rev", "hon", "inc", "ltd", "co", "corp", "dept", "est", "jan", "feb", "mar", "apr", "jun", "jul",
        "aug", "sep", "sept", "oct", "nov", "dec", "z.b", "d.h", "u.a", "bzw", "usw", "ca", "str", "hr", "fr", "evtl", "ggf",
        "bspw", "inkl", "vgl", "mio", "mrd", "p.ex", "mme", "mlle", "sra", "srta", "dra", "ud",
    };

    // Those that are words of their own unless a number follows.
    private static readonly HashSet<string> BeforeNumbers = new(StringComparer.OrdinalIgnoreCase)
    {
        "no", "nr", "fig", "vol", "art", "abs", "p", "pp", "pág", "abb", "kap", "ch", "sec",
    };

    /// <summary>The sentences of a text, without the spaces between them.</summary>
    public static IReadOnlyList<string> Sentences(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var sentences = new List<string>();
        int start = 0;
        for (int at = 0; at < text.Length; at++)
        {
            if (!Enders.Contains(text[at])) continue;
            int end = at + 1;
            while (end < text.Length && Enders.Contains(text[end])) end++;
            while (end < text.Length && Closers.Contains(text[end])) end++;
            if (IsEnd(text, at, end))
            {
                Add(text[start..end]);
                start = end;
            }

            at = end - 1;
        }

        Add(text[start..]);
        return sentences;

        void Add(string sentence)
        {
            sentence = sentence.Trim();
            if (sentence.Length > 0) sentences.Add(sentence);
        }
    }

    /// <summary>The text itself if it has at most so many tokens; else its sentences, those that have more cut in parts.</summary>
    /// <param name="text">A line of text.</param>
    /// <param name="mostTokens">At least 1. A single character may have more.</param>
    /// <param name="tokenizer">What counts.</param>
    /// <returns>The tokens of each part; one without tokens if the text has none.</returns>
    public static IReadOnlyList<IReadOnlyList<string>> Parts(string text, int mostTokens, ITokenizer tokenizer)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(mostTokens, 1);
        IReadOnlyList<string> whole = tokenizer.Tokenize(text);
        if (whole.Count <= mostTokens) return [whole];
        var parts = new List<IReadOnlyList<string>>();
        foreach (string sentence in Sentences(text)) AddParts(sentence, mostTokens, tokenizer, parts);
        return parts.Count > 0 ? parts : [whole];
    }

    // By halves, so that no part is a remnant of a few words.
    private static void AddParts(string text, int mostTokens, ITokenizer tokenizer, List<IReadOnlyList<string>> parts)
    {
        IReadOnlyList<string> tokens = tokenizer.Tokenize(text);
        int cut = tokens.Count <= mostTokens ? 0 : Middle(text);
        if (cut == 0)
        {
            if (tokens.Count > 0) parts.Add(tokens);
            return;
        }

        AddParts(text[..cut].Trim(), mostTokens, tokenizer, parts);
        AddParts(text[cut..].Trim(), mostTokens, tokenizer, parts);
    }

    // Behind a comma in the middle half, else behind a space, else between two characters, each the nearest to the middle; 0: nowhere.
    private static int Middle(string text)
    {
        int comma = Nearest(i => PartEnders.Contains(text[i - 1]) && char.IsWhiteSpace(text[i]));
        if (comma > text.Length / 4 && comma < text.Length - (text.Length / 4)) return comma;
        int space = Nearest(i => char.IsWhiteSpace(text[i - 1]) && !char.IsWhiteSpace(text[i]));
        return space > 0 ? space : Nearest(i => !char.IsLowSurrogate(text[i]) && !IsMark(text, i));

        int Nearest(Func<int, bool> holds)
        {
            int middle = text.Length / 2;
            for (int distance = 0; distance <= middle + 1; distance++)
            {
                if (middle - distance is > 0 and int left && left < text.Length && holds(left)) return left;
                if (middle + distance is > 0 and int right && right < text.Length && holds(right)) return right;
            }

            return 0;
        }
    }

    private static bool IsMark(string text, int at) => CharUnicodeInfo.GetUnicodeCategory(text, at)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    // Whether a sentence ends where its punctuation, from `at` to `end`, does.
    private static bool IsEnd(string text, int at, int end)
    {
        if (end == text.Length || EndersOfItself.Contains(text[at])) return true;
        if (!char.IsWhiteSpace(text[end])) return false;
        int next = end;
        while (next < text.Length && (char.IsWhiteSpace(text[next]) || char.IsPunctuation(text[next]))) next++;
        if (next < text.Length && Rune.TryGetRuneAt(text, next, out Rune rune) && Rune.IsLower(rune)) return false;
        return text[at] != '.' || end > at + 1 || !IsWithinSentence(text, at, next);
    }

    // A full stop after an initial, an abbreviation, or a number of a day: "J. Smith", "Dr. No", "am 3. Mai".
    private static bool IsWithinSentence(string text, int stop, int next)
    {
        int start = stop;
        while (start > 0 && !char.IsWhiteSpace(text[start - 1]) && !"([{\"'“„«".Contains(text[start - 1])) start--;
        string word = text[start..stop];
        bool isInitial = word.Length == 1 && char.IsUpper(word[0]) && word is not "I";
        bool isDay = word.Length is 1 or 2 && word.All(char.IsAsciiDigit);
        bool isNumbered = next < text.Length && char.IsAsciiDigit(text[next]) && BeforeNumbers.Contains(word);
        return isInitial || isDay || isNumbered || Abbreviations.Contains(word);
    }
}
