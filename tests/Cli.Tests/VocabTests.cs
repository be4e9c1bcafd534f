// `engine vocab train`: what it writes, and what it refuses.
using Engine.Text.SentencePiece;
using Xunit;

namespace Cli.Tests;

public sealed class VocabTests : IDisposable
{
    private static readonly string Text = Path.Combine(TestData.Directory, "vocabulary", "tiny.txt");
    private static readonly string[] Bpe = ["vocab", "train", "--type", "bpe", "--size", "400", "--output", "tiny.model"];
    private readonly TestShell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task It_writes_a_model_and_its_pieces_as_text()
    {
        Assert.Equal(0, await _shell.RunAsync([.. Bpe, Text]));
        SentencePieceModel model = SentencePieceModel.Load(Path.Combine(_shell.Directory, "tiny.model"));
        Assert.Equal((400, SegmentationType.Bpe), (model.Count, model.Segmentation));
        string expected = await File.ReadAllTextAsync(
            Path.Combine(TestData.Directory, "vocabulary", "bpe.vocab"), TestContext.Current.CancellationToken);
        Assert.Equal(expected, await File.ReadAllTextAsync(
            Path.Combine(_shell.Directory, "tiny.vocab"), TestContext.Current.CancellationToken));
        Assert.Contains("tiny.model: 400 pieces.", _shell.Error, StringComparison.Ordinal);
        Assert.Empty(_shell.Output);
    }

    [Fact]
    public async Task It_reads_standard_input_and_options_that_are_given_several_times()
    {
        _shell.Input = File.OpenRead(Text);
        Assert.Equal(0, await _shell.RunAsync(
            "vocab", "train", "--size", "330", "--output", "out", "--control", "<2de>", "--control", "<2en>",
            "--user-defined", "lamp", "--quiet"));
        SentencePieceModel model = SentencePieceModel.Load(Path.Combine(_shell.Directory, "out"));
        Assert.Equal(["<unk>", "<s>", "</s>", "<2de>", "<2en>", "lamp"], model.Pieces.Take(6));
        Assert.Equal(PieceType.UserDefined, model.Types[5]);
        Assert.True(File.Exists(Path.Combine(_shell.Directory, "out.vocab")));
        Assert.Empty(_shell.Error);
    }

    [Fact]
    public async Task A_text_that_is_too_little_is_exit_code_1_and_names_how_many_pieces_there_are()
    {
        Assert.Equal(1, await _shell.RunAsync("vocab", "train", "--quiet", "--output", "x.model", "--size", "9000", Text));
        Assert.Equal("engine: the size is 9,000, but this text has no more than 353 pieces.", Assert.Single(_shell.ErrorLines));
        Assert.False(File.Exists(Path.Combine(_shell.Directory, "x.model")));
    }

    [Theory]
    [InlineData("--size", "0")]
    [InlineData("--type", "word")]
    [InlineData("--character-coverage", "0.5")]
    [InlineData("--normalization", "nfc")]
    public async Task A_wrong_value_is_exit_code_2(string option, string value)
    {
        Assert.Equal(2, await _shell.RunAsync("vocab", "train", "--output", "x.model", option, value, Text));
        Assert.Contains($"{option} is '{value}', expected", _shell.Error, StringComparison.Ordinal);
        Assert.Contains("See 'engine vocab train --help'.", _shell.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_text_is_not_overwritten()
    {
        string text = _shell.Write("x.model", "text");
        Assert.Equal(2, await _shell.RunAsync("vocab", "train", "--output", text, text));
        Assert.Equal("text", await File.ReadAllTextAsync(text, TestContext.Current.CancellationToken));
    }
}
