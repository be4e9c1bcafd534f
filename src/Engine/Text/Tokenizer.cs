// Text to tokens and back, where that needs no model: by space, or by character.
using System.Text;

namespace Engine.Text;

/// <summary>Cuts text in tokens and joins tokens to text.</summary>
public interface ITokenizer
{
    /// <summary>The word that configurations call it by.</summary>
    string Word { get; }

    /// <summary>Tokens of a line of text.</summary>
    IReadOnlyList<string> Tokenize(string text);

    /// <summary>The text of tokens.</summary>
    string Detokenize(IReadOnlyList<string> tokens);
}

/// <summary>Finds a tokenizer by its word.</summary>
public static class Tokenizer
{
    /// <summary>Tokens are separated by spaces.</summary>
    public static ITokenizer Space { get; } = new SpaceTokenizer();

    /// <summary>Every character (Unicode scalar value) is a token.</summary>
    public static ITokenizer Character { get; } = new CharacterTokenizer();

    /// <summary>The tokenizer of a word.</summary>
    /// <exception cref="ArgumentException">There is no such tokenizer.</exception>
    public static ITokenizer Find(string word) => word switch
    {
        "space" => Space,
        "character" => Character,
        _ => throw new ArgumentException($"The tokenizer is '{word}', expected 'space' or 'character'.", nameof(word)),
    };

    private sealed class SpaceTokenizer : ITokenizer
    {
        public string Word => "space";

        public IReadOnlyList<string> Tokenize(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

        public string Detokenize(IReadOnlyList<string> tokens) => string.Join(' ', tokens);
    }

    private sealed class CharacterTokenizer : ITokenizer
    {
        public string Word => "character";

        // An unpaired surrogate is no character; it becomes U+FFFD as everywhere in .NET.
        public IReadOnlyList<string> Tokenize(string text)
        {
            var tokens = new List<string>(text.Length);
            foreach (Rune rune in text.EnumerateRunes()) tokens.Add(rune.ToString());
            return tokens;
        }

        public string Detokenize(IReadOnlyList<string> tokens) => string.Concat(tokens);
    }
}
