// `engine tokenize` and `engine detokenize`, and models that bring their tokenizer.
using Xunit;

namespace Cli.Tests;

public sealed class TokenizeTests : IDisposable
{
    private static readonly string Unigram = Path.Combine(TestData.Directory, "sentencepiece", "unigram-user.model");
    private static readonly string Ct2 = Path.Combine(TestData.Directory, "ct2", "aren-v6-float32");

    private readonly TestShell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Lines_become_pieces_and_pieces_lines()
    {
        string text = _shell.Write("in.txt", "Tom cried all night long.\n\nx 日\n");
        string pieces = Path.Combine(_shell.Directory, "pieces.txt");
        Assert.Equal(0, await _shell.RunAsync("tokenize", "--model", Unigram, text, "--output", pieces));
        Assert.Equal("▁Tom ▁c r i ed ▁ all ▁ n ight ▁l on g .\n\n▁ x ▁ 日\n", File.ReadAllText(pieces));
        Assert.Equal(0, await _shell.RunAsync("detokenize", "--model", Unigram, pieces));
        Assert.Equal(["Tom cried all night long.", "", "x 日"], _shell.OutputLines);
    }

    [Fact]
    public async Task Ids_go_both_ways_and_an_unknown_piece_is_lost()
    {
        string text = _shell.Write("in.txt", "Tom cried all night long.\nx 日\n");
        string ids = Path.Combine(_shell.Directory, "ids.txt");
        Assert.Equal(0, await _shell.RunAsync("tokenize", "--ids", "--model", Unigram, text, "--output", ids));
        Assert.StartsWith("22 96 13 21 46 7 131 7 12 275 137 87 33 8\n", File.ReadAllText(ids), StringComparison.Ordinal);
        Assert.Equal(0, await _shell.RunAsync("detokenize", "--ids", "--model", Unigram, ids));
        Assert.Equal(["Tom cried all night long.", "x  ⁇ "], _shell.OutputLines);
    }

    [Fact]
    public async Task An_id_that_is_none_is_told_with_its_place()
    {
        string ids = _shell.Write("ids.txt", "22\n22 4000\n");
        Assert.Equal(1, await _shell.RunAsync("detokenize", "--ids", "--model", Unigram, ids));
        Assert.Contains($"{ids}:2: the id is '4000', expected a number below", _shell.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_best_ways_stand_below_each_other_and_a_seed_repeats_a_draw()
    {
        string text = _shell.Write("in.txt", "Tom cried.\n");
        Assert.Equal(0, await _shell.RunAsync("tokenize", "--model", Unigram, "--nbest", "3", text));
        Assert.Equal(3, _shell.OutputLines.Distinct().Count());
        string Drawn(int run) => Path.Combine(_shell.Directory, $"drawn{run}.txt");
        foreach (int run in new[] { 1, 2 })
            Assert.Equal(0, await _shell.RunAsync(
                "tokenize", "--model", Unigram, "--sample", "--alpha", "0.1", "--seed", "7", text, "--output", Drawn(run)));
        Assert.Equal(File.ReadAllText(Drawn(1)), File.ReadAllText(Drawn(2)));
    }

    [Fact]
    public async Task A_directory_without_a_tokenizer_says_which_files_it_looked_for()
    {
        Assert.Equal(1, await _shell.RunAsync("tokenize", "--model", Ct2, _shell.Write("in.txt", "a\n")));
        Assert.Contains("the SentencePiece model is missing, expected source.spm and target.spm, or", _shell.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sentencepiece.model")]
    [InlineData("source.spm", "target.spm")]
    public async Task The_tokenizer_travels_with_the_model(params string[] files)
    {
        string model = Path.Combine(_shell.Directory, "with-tokenizer"), converted = Path.Combine(_shell.Directory, "converted");
        Directory.CreateDirectory(model);
        foreach (string file in Directory.GetFiles(Ct2)) File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        foreach (string file in files) File.Copy(Unigram, Path.Combine(model, file));
        Assert.Equal(0, await _shell.RunAsync("convert", model, converted));
        foreach (string file in files) Assert.True(File.Exists(Path.Combine(converted, file)));
        Assert.Contains("\"tokenizer\": \"sentencepiece\"", File.ReadAllText(Path.Combine(converted, "config.json")), StringComparison.Ordinal);
        Assert.Equal(0, await _shell.RunAsync("tokenize", "--model", converted, "--target", _shell.Write("in.txt", "Tom\n")));
        Assert.Equal(["▁Tom"], _shell.OutputLines);
    }

    [Fact]
    public async Task A_conversion_that_names_a_tokenizer_that_is_not_there_fails()
    {
        string converted = Path.Combine(_shell.Directory, "converted");
        Assert.Equal(1, await _shell.RunAsync("convert", Ct2, converted, "--tokenizer", "sentencepiece"));
        Assert.False(Directory.Exists(converted));
    }
}
