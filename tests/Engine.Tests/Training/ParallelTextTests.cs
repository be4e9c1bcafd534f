// Reading pairs of lines: what is a line, what is a pair, and what is counted as neither.
using System.Text;
using Engine.Formats;
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class ParallelTextTests : IDisposable
{
    private readonly TrainingFolder _folder = new();
    private readonly BadLines _bad = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Lines_of_two_files_are_pairs_with_their_number()
    {
        Assert.Equal(
            [new TextPair("a b", "A B", 1), new TextPair("c\u2028d\tx", "C", 2), new TextPair("e", "E", 3)],
            Read("\uFEFFa b\r\nc\u2028d\tx\ne", "A B\n C \nE\n"));
        Assert.Empty(_bad.Describe());
    }

    [Fact]
    public void What_is_no_pair_is_counted_and_named()
    {
        Assert.Equal(
            [new TextPair("a", "A", 1), new TextPair("d", "D", 5)],
            Read("a\n\nb\nc\nd\n", "A\nB\n  \n\uFFFFbad\nD\n"));
        string source = _folder.File("s"), target = _folder.File("t");
        Assert.Equal(
            [
                $"left out 2 lines with an empty side: {source}:2, {target}:3",
                $"left out 1 line not UTF-8: {target}:4",
            ],
            _bad.Describe());
    }

    [Theory]
    [InlineData("a\nb\nc\n", "A\n", "s", 2)]
    [InlineData("a\n", "A\nB\nC", "t", 2)]
    [InlineData("", "A\nB", "t", 1)]
    public void Files_of_different_lengths_are_told(string source, string target, string longer, int first)
    {
        _ = Read(source, target);
        Assert.Equal(2, _bad.Count);
        string file = _folder.File(longer);
        Assert.Equal(
            $"left out 2 lines without a partner in the other file: {file}:{first}, {file}:{first + 1}",
            Assert.Single(_bad.Describe()));
    }

    [Fact]
    public void Columns_are_counted_from_1()
    {
        _folder.Write("x", "1\tHi.\tHallo.\trest\n2\tno target\n\n3\t\tleer\n4\tGo.\tGeh.\n");
        string file = _folder.File("x");
        Assert.Equal(
            [new TextPair("Hallo.", "Hi.", 1), new TextPair("Geh.", "Go.", 5)],
            ParallelText.Read(new TextFiles(file, file, 3, 2), _bad));
        Assert.Equal(
            [
                $"left out 2 lines with a missing column: {file}:2, {file}:3",
                $"left out 1 line with an empty side: {file}:4",
            ],
            _bad.Describe());
    }

    [Fact]
    public void A_line_that_is_far_too_long_is_passed_by()
    {
        string huge = new('x', 3_000_000);
        Assert.Equal([new TextPair("a", "A", 1), new TextPair("b", "B", 3)], Read($"a\n{huge}\nb\n", $"A\nH\nB\n"));
        Assert.Equal($"left out 1 line too long: {_folder.File("s")}:2", Assert.Single(_bad.Describe()));
    }

    [Fact]
    public void Lines_longer_than_the_buffer_are_whole()
    {
        string longer = string.Join(' ', Enumerable.Range(0, 50_000));
        Assert.Equal(
            [new TextPair("a", "A", 1), new TextPair(longer, "L", 2), new TextPair("b", "B", 3)],
            Read($"a\n{longer}\nb", "A\nL\nB"));
    }

    [Fact]
    public void Only_the_first_lines_of_a_kind_are_named()
    {
        _bad.Add(BadLines.EmptySide, "f", 10, 1000);
        _bad.Add(BadLines.EmptySide, "f", 5000);
        Assert.Equal("left out 1,001 lines with an empty side: f:10, f:11, f:12, ...", Assert.Single(_bad.Describe()));
    }

    [Fact]
    public void A_file_that_is_missing_is_named()
    {
        ModelFormatException missing = Assert.Throws<ModelFormatException>(
            () => ParallelText.Read(new TextFiles(_folder.File("no"), _folder.File("no")), _bad).ToList());
        Assert.Equal($"{_folder.File("no")}: the file is missing, expected a file with text.", missing.Message);
    }

    private List<TextPair> Read(string source, string target)
    {
        File.WriteAllText(_folder.File("s"), source);

        // U+FFFF stands for a byte that is no UTF-8.
        string text = Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(target));
        text = text.Replace("\xEF\xBF\xBF", "\xFF", StringComparison.Ordinal);
        File.WriteAllBytes(_folder.File("t"), Encoding.Latin1.GetBytes(text));
        return [.. ParallelText.Read(new TextFiles(_folder.File("s"), _folder.File("t")), _bad)];
    }
}
