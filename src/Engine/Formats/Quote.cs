// Text from a file, as an error message can show it.
using System.Text;

namespace Engine.Formats;

/// <summary>Quotes text of unknown origin.</summary>
internal static class Quote
{
    private const int MostCharacters = 80;

    /// <summary>The text in quotes, cut when it is long, with what does not print as \u0000.</summary>
    public static string Text(string text)
    {
        var quoted = new StringBuilder("\"");
        for (int i = 0; i < text.Length && i < MostCharacters; i++)
        {
            char c = text[i];
            if (char.IsControl(c) || (char.IsSurrogate(c) && !IsPaired(text, i))) quoted.Append($"\\u{(int)c:x4}");
            else quoted.Append(c);
        }
        if (text.Length > MostCharacters) quoted.Append('…');
        return quoted.Append('"').ToString();
    }

    private static bool IsPaired(string text, int i) => char.IsHighSurrogate(text[i])
        ? i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])
        : i > 0 && char.IsHighSurrogate(text[i - 1]);
}
