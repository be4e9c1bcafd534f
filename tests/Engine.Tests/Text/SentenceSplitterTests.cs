// Where sentences end and where they do not, and that no part of a long text is lost or too long.
using CsCheck;
using Engine.Decoding;
using Engine.Text;
using Xunit;

namespace Engine.Tests.Text;

public class SentenceSplitterTests
{
    [Theory]
    [InlineData("One. Two! Three? Four", "One.|Two!|Three?|Four")]
    [InlineData("Dr. Smith met J. R. Brown at 3.15 p.m. yesterday. He left.", "Dr. Smith met J. R. Brown at 3.15 p.m. yesterday.|He left.")]
    [InlineData("Am 3. Mai kam er, d.h. zu spät. Gut.", "Am 3. Mai kam er, d.h. zu spät.|Gut.")]
    [InlineData("He said no. Then he went to No. 5.", "He said no.|Then he went to No. 5.")]
    [InlineData("\"Go!\" she said. \"Now.\" He went…  Away.", "\"Go!\" she said.|\"Now.\"|He went…|Away.")]
    [InlineData("Wait... what? The site www.example.org is down.", "Wait... what?|The site www.example.org is down.")]
    [InlineData("今日は晴れ。明日は雨？「はい。」そう", "今日は晴れ。|明日は雨？|「はい。」|そう")]
    [InlineData("هل أنت هنا؟ نعم.", "هل أنت هنا؟|نعم.")]
    [InlineData("  ", "")]
    [InlineData("", "")]
    [InlineData("...", "...")]
    public void Sentences_end_at_their_punctuation(string text, string expected) =>
        Assert.Equal(expected, string.Join('|', SentenceSplitter.Sentences(text)));

    [Fact]
    public void Nothing_is_lost_and_no_part_is_too_long() =>
        Gen.String[Gen.Char["ab.,! 。é\u0301"]].Select(Gen.Int[1, 20]).Sample((text, most) =>
        {
            IReadOnlyList<IReadOnlyList<string>> parts = SentenceSplitter.Parts(text, most, Tokenizer.Character);
            static string Bare(string value) => string.Concat(value.Where(static c => !char.IsWhiteSpace(c)));
            Assert.Equal(Bare(text), Bare(string.Concat(parts.SelectMany(static part => part))));
            Assert.All(parts, part => Assert.True(part.Count <= most || part.Skip(1).All(static token => token == "\u0301")));
        });

    [Fact]
    public void A_text_that_is_short_enough_is_left_whole() =>
        Assert.Single(SentenceSplitter.Parts("One. Two.", 2, Tokenizer.Space));

    [Fact]
    public void A_long_sentence_is_cut_behind_a_comma_near_its_middle()
    {
        IReadOnlyList<IReadOnlyList<string>> parts =
            SentenceSplitter.Parts("a b c d, e f g h i, j k l m n o p", 9, Tokenizer.Space);
        Assert.Equal(["a b c d, e f g h i,", "j k l m n o p"], parts.Select(static part => string.Join(' ', part)));
    }

    [Fact]
    public async Task Hypotheses_of_parts_are_joined_rank_by_rank()
    {
        var asked = new List<TranslationRequest>();
        Task<TranslationResult> Translate(TranslationRequest request)
        {
            asked.Add(request);
            Hypothesis Make(int rank) => new([.. request.Source.Select(token => $"{token}{rank}")], -request.Source.Count - rank)
            {
                Attention = [.. request.Source.Select((_, i) => (IReadOnlyList<float>)[.. request.Source.Select((_, k) => k == i ? 1f : 0f)])],
            };
            return Task.FromResult(new TranslationResult([Make(0), Make(1)]));
        }

        TranslationResult result = await LongText.TranslateAsync("A b. C d e.", 3, Tokenizer.Space, null, ["x"], Translate);
        Assert.Equal(["A b.", "C d e."], asked.Select(static request => string.Join(' ', request.Source)));
        Assert.Equal(["x"], asked[0].TargetPrefix);
        Assert.Null(asked[1].TargetPrefix);
        Assert.Equal(2, result.Hypotheses.Count);
        Assert.Equal(["A1", "b.1", "C1", "d1", "e.1"], result.Hypotheses[1].Tokens);
        Assert.Equal(((-3f * 2) + (-4f * 3)) / 5, result.Hypotheses[1].Score, 1e-6f);
        Assert.Equal([0f, 0f, 0f, 1f, 0f], result.Hypotheses[0].Attention![3]);
        Assert.Single((await LongText.TranslateAsync("A b. C d e.", 0, Tokenizer.Space, null, null, Translate)).Hypotheses[0].Attention![0], 1f);
    }

    [Fact]
    public async Task A_part_that_fails_fails_the_line() => await Assert.ThrowsAsync<ArgumentException>(() => LongText.TranslateAsync(
        "A b. C d e.", 2, Tokenizer.Space, null, null,
        static request => request.Source[0] == "C" ? throw new ArgumentException("no") : Task.FromResult(new TranslationResult([]))));
}
