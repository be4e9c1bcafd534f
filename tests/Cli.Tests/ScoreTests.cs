// Two files, line by line.
using Engine.Decoding;
using Xunit;

namespace Cli.Tests;

public sealed class ScoreTests
{
    [Fact]
    public async Task Each_pair_gives_its_sum_and_its_mean()
    {
        using var shell = new TestShell();
        shell.Write("s.txt", "a b\nc\n");
        shell.Write("t.txt", "x y\nz");
        Assert.Equal(0, await shell.RunAsync("score", "s.txt", "t.txt"));
        var first = new ScoreResult(["x", "y", "</s>"], [-0.1f, -0.2f, -0.1f * 3]);
        var second = new ScoreResult(["z", "</s>"], [-0.1f, -0.2f]);
        Assert.Equal([$"{first.Sum}\t{first.Mean}", $"{second.Sum}\t{second.Mean}"], shell.OutputLines);
        Assert.Equal(["a", "b"], shell.Translation.Scores[0].Source);
        Assert.Equal(["x", "y"], shell.Translation.Scores[0].Target);
        Assert.Equal(1024, shell.Translation.Scores[0].MaxInputLength);
    }

    [Fact]
    public async Task Json_gives_each_token()
    {
        using var shell = new TestShell { Input = new MemoryStream("z\n"u8.ToArray()) };
        shell.Write("s.txt", "a\n");
        Assert.Equal(0, await shell.RunAsync("score", "s.txt", "-", "--json", "--max-input-length", "3"));
        Assert.Equal("""{"tokens":["z","</s>"],"tokens_score":[-0.1,-0.2]}""", Assert.Single(shell.OutputLines));
        Assert.Equal(3, shell.Translation.Scores[0].MaxInputLength);
    }

    [Theory]
    [InlineData("a\nb\nc\n", "x\n", "engine: s.txt:2 has no line of TARGET beside it.")]
    [InlineData("a\n", "x\ny\n", "engine: t.txt:2 has no line of SOURCE beside it.")]
    public async Task Files_of_different_length_are_an_error_after_the_pairs(string source, string target, string message)
    {
        using var shell = new TestShell();
        shell.Write("s.txt", source);
        shell.Write("t.txt", target);
        Assert.Equal(1, await shell.RunAsync("score", "s.txt", "t.txt"));
        Assert.Single(shell.OutputLines);
        Assert.Equal(message, Assert.Single(shell.ErrorLines));
    }
}
