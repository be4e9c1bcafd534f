// Models of every kind and setting against what SentencePiece 0.1.97 made of the same lines: user-defined, unused and byte pieces, spaces
// as suffix or kept, words, characters, pieces over spaces; the five best ways of Unigram models with their scores.
using System.Text.Json;
using Engine.Text.SentencePiece;
using Xunit;

namespace Engine.Tests.Text;

public class SentencePieceVariantTests
{
    private const string Folder = "sentencepiece";

    private static readonly Lazy<JsonDocument> Expected = new(
        static () => JsonDocument.Parse(File.ReadAllText(TestData.Find($"{Folder}/variants.json"))));

    public static TheoryData<string> Names =>
    [
        "unigram-user", "unigram-suffix", "unigram-raw", "unigram-span", "unigram-unused", "bpe-user-bytes", "bpe-suffix", "bpe-raw",
        "bpe-unused", "word", "char",
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public void Ids_pieces_and_text_are_those_of_the_reference(string name)
    {
        SentencePieceTokenizer tokenizer = Open(name);
        var wrong = new List<string>();
        foreach (JsonElement @case in Cases(name))
        {
            string text = @case.GetProperty("text").GetString()!, decoded = @case.GetProperty("decoded").GetString()!;
            int[] ids = [.. @case.GetProperty("ids").EnumerateArray().Select(static id => id.GetInt32())];
            string[] pieces = [.. @case.GetProperty("pieces").EnumerateArray().Select(static piece => piece.GetString()!)];
            if (!tokenizer.Encode(text).SequenceEqual(ids) || !tokenizer.Tokenize(text).SequenceEqual(pieces))
                wrong.Add($"'{text}': {string.Join('|', tokenizer.Tokenize(text))} for {string.Join('|', pieces)}");
            if (tokenizer.Decode(ids) != decoded) wrong.Add($"'{text}' comes back as '{tokenizer.Decode(ids)}' for '{decoded}'");
        }

        Assert.Empty(wrong);
    }

    [Theory]
    [InlineData("unigram-user")]
    [InlineData("unigram-suffix")]
    [InlineData("unigram-raw")]
    [InlineData("unigram-span")]
    public void The_best_ways_have_the_scores_of_the_reference(string name)
    {
        SentencePieceTokenizer tokenizer = Open(name);
        foreach (JsonElement @case in Cases(name))
        {
            string text = @case.GetProperty("text").GetString()!;
            (string Pieces, float Score)[] wanted = [.. @case.GetProperty("nbest").EnumerateArray().Select(static way => (
                string.Join('|', way.GetProperty("pieces").EnumerateArray().Select(static piece => piece.GetString())),
                way.GetProperty("score").GetSingle()))];
            ScoredPieces[] found = [.. tokenizer.Best(text, 5)];
            if (text.Length == 0 || wanted is [("", _)]) continue;   // the reference gives one empty way or none
            Assert.Equal(wanted.Length, found.Length);
            for (int i = 0; i < found.Length; i++)
            {
                Assert.Equal(wanted[i].Score, found[i].Score, Math.Max(1e-4f, 2e-6f * Math.Abs(wanted[i].Score)));

                // Of ways with the same score any may come first, and as the last one.
                if (wanted.Append(wanted[^1] with { Pieces = "" })
                    .All(other => other == wanted[i] || Math.Abs(other.Score - wanted[i].Score) > 1e-3f))
                    Assert.Equal(wanted[i].Pieces, string.Join('|', found[i].Pieces));
            }
        }
    }

    private static SentencePieceTokenizer Open(string name) => SentencePieceTokenizer.Load(TestData.Find($"{Folder}/{name}.model"));

    private static JsonElement.ArrayEnumerator Cases(string name) => Expected.Value.RootElement.GetProperty(name).EnumerateArray();
}
