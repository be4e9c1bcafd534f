// Tokens and ids.
using Engine.Text;
using Xunit;

namespace Engine.Tests.Text;

public class VocabularyTests
{
    [Fact]
    public void The_unknown_token_is_appended_if_it_is_not_in_the_list()
    {
        var vocabulary = new Vocabulary(["a", "b"], "<unk>");
        Assert.Equal(["a", "b", "<unk>"], vocabulary.Tokens);
        Assert.Equal((2, 2), (vocabulary.UnknownId, vocabulary.Id("c")));
        Assert.Equal(2, new Vocabulary(["<unk>", "a"], "<unk>").Count);
    }

    [Fact]
    public void A_token_that_stands_twice_has_its_first_id()
    {
        var vocabulary = new Vocabulary(["a", "b", "a", "<unk>"], "<unk>");
        Assert.Equal(0, vocabulary.Id("a"));
        Assert.Equal(("a", "a"), (vocabulary[0], vocabulary[2]));
    }

    [Fact]
    public void Empty_tokens_and_zero_bytes_are_tokens()
    {
        var vocabulary = new Vocabulary(["", "\0", "<unk>"], "<unk>");
        Assert.Equal((0, 1), (vocabulary.Id(""), vocabulary.Id("\0")));
        Assert.False(vocabulary.TryGetId("\u0001", out _));
    }

    [Theory]
    [InlineData('\uD800')]
    [InlineData('\uDC00')]
    public void Half_a_surrogate_pair_is_no_token(char half)
    {
        Assert.Contains("Token 1", Assert.Throws<ArgumentException>(() => new Vocabulary(["a", $"x{half}"], "<unk>"))
            .Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new Vocabulary([$"{half}x"], "<unk>"));
        Assert.Equal(2, new Vocabulary(["\uD83D\uDE00", "\uFFFD"], "\uFFFD").Count);
    }

    [Fact]
    public void An_id_outside_the_list_is_an_error()
    {
        var vocabulary = new Vocabulary(["a"], "a");
        Assert.Throws<ArgumentOutOfRangeException>(() => vocabulary[1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => vocabulary[-1]);
    }
}
