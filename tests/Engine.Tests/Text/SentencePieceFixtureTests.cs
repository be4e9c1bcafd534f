// The tokenizer against what google/sentencepiece made of 6,135 lines with four models, and OPUS-MT's 336 cases.
using System.Text.Json;
using Engine.Text.SentencePiece;
using Xunit;

namespace Engine.Tests.Text;

public class SentencePieceFixtureTests
{
    [Theory]
    [InlineData("m30k.uni8k")]
    [InlineData("m30k.uni8k_bf")]
    [InlineData("m30k.bpe8k")]
    [InlineData("m30k.bpe8k_bf")]
    public void Every_line_gives_the_ids_pieces_and_text_of_the_reference(string name)
    {
        string[] input = JsonSerializer.Deserialize<string[]>(File.ReadAllText(TestData.Find("sentencepiece/input.json")))!;
        using var expected = JsonDocument.Parse(File.ReadAllText(TestData.Find($"sentencepiece/{name}.model.json")));
        JsonElement ids = expected.RootElement.GetProperty("ids"), pieces = expected.RootElement.GetProperty("pcs");
        JsonElement decoded = expected.RootElement.GetProperty("dec");
        SentencePieceTokenizer tokenizer = SentencePieceTokenizer.Load(TestData.Find($"sentencepiece/{name}.model"));
        Assert.Equal(input.Length, ids.GetArrayLength());
        var wrong = new List<string>();
        for (int i = 0; i < input.Length; i++)
        {
            int[] wantedIds = [.. ids[i].EnumerateArray().Select(static id => id.GetInt32())];
            string[] wantedPieces = [.. pieces[i].EnumerateArray().Select(static piece => piece.GetString()!)];
            int[] found = tokenizer.Encode(input[i]);
            if (!found.SequenceEqual(wantedIds)) wrong.Add($"ids of line {i}: {string.Join(' ', found)}");
            if (!tokenizer.Tokenize(input[i]).SequenceEqual(wantedPieces)) wrong.Add($"pieces of line {i}");
            string text = decoded[i].GetString()!;
            if (tokenizer.Decode(wantedIds) != text) wrong.Add($"text of line {i}: '{tokenizer.Decode(wantedIds)}' for '{text}'");
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void Opus_cases_are_equal()
    {
        using var fixture = JsonDocument.Parse(File.ReadAllText(TestData.Find("marian/opus-mt-en-mg.fixture.json")));
        SentencePieceTokenizer tokenizer = SentencePieceTokenizer.Load(TestData.Find("marian/opus-mt-en-mg/source.spm"));
        var wrong = new List<string>();
        foreach (JsonElement item in fixture.RootElement.GetProperty("items").EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            string[] wanted = [.. item.GetProperty("pieces").EnumerateArray().Select(static piece => piece.GetString()!)];
            IReadOnlyList<string> found = tokenizer.Tokenize(text);
            if (!found.SequenceEqual(wanted)) wrong.Add($"{text}: {string.Join(' ', found)} for {string.Join(' ', wanted)}");
        }

        Assert.Empty(wrong);
    }
}
