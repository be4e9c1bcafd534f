// Text to tokens and back: by space, by character, or by the SentencePiece models that lie beside a translation model.
using System.Text;
using Engine.Text.SentencePiece;

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

    /// <summary>The words that there are.</summary>
    public static IReadOnlyList<string> Words { get; } = [Space.Word, Character.Word, SentencePieceTokenizer.Name];

    /// <summary>The tokenizer of a word.</summary>
    /// <param name="word">One of <see cref="Words"/>.</param>
    /// <param name="directory">Of the translation model, for a tokenizer that has files.</param>
    /// <exception cref="ArgumentException">There is no such tokenizer.</exception>
    /// <exception cref="Engine.Formats.ModelFormatException">Its files are broken, or not there.</exception>
    public static ITokenizer Open(string word, string directory)
    {
        if (word == Space.Word) return Space;
        if (word == Character.Word) return Character;
        if (word == SentencePieceTokenizer.Name) return TokenizerFiles.Open(directory);
        throw new ArgumentException(
            $"The tokenizer is '{word}', expected {string.Join(" or ", Words.Select(static known => $"'{known}'"))}.", nameof(word));
    }

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
