// Translations beside references: what is printed, and what is refused.
using System.Text.Json;
using Xunit;

namespace Cli.Tests;

public sealed class EvaluateTests
{
    private const string Version = "version:2.6.0-f615c72";

    [Fact]
    public async Task Prints_BLEU_and_chrF_with_their_signatures()
    {
        using TestShell shell = Files();
        Assert.Equal(0, await shell.RunAsync("evaluate", "h.txt", "r.txt"));
        Assert.Equal(Expected("default"), shell.OutputLines);
        Assert.Empty(shell.Error);
    }

    [Theory]
    [InlineData("lowercase", "--lowercase", "--metric", "chrf++", "--metric", "BLEU", "--width", "4")]
    [InlineData("intl", "--metric", "bleu", "--tokenize", "intl", "--smooth", "floor", "--smooth-value", "0.25")]
    [InlineData("char", "--metric", "bleu", "--tokenize", "char", "--smooth", "add-k")]
    [InlineData("none", "--metric", "bleu", "--tokenize", "none", "--smooth", "none")]
    [InlineData("zh", "--metric", "bleu", "--tokenize", "zh")]
    [InlineData("chrf", "--metric", "chrf", "--char-order", "3", "--beta", "1", "--whitespace", "--eps-smoothing")]
    [InlineData("sentences", "--metric", "bleu", "--sentence-level")]
    [InlineData("confidence", "--metric", "bleu", "--confidence", "--samples", "100", "--seed", "3")]
    public async Task Options_are_those_of_sacrebleu(string expected, params string[] options)
    {
        using TestShell shell = Files();
        Assert.Equal(0, await shell.RunAsync(["evaluate", "h.txt", "r.txt", .. options]));
        Assert.Equal(Expected(expected), shell.OutputLines);
    }

    // Two lines of 2 words, one of 6: each class has the score of a corpus of its lines alone.
    [Fact]
    public async Task Scores_by_length_are_those_of_the_lines_of_a_length()
    {
        using var shell = new TestShell();
        shell.Write("h.txt", "a b\nc d e f g h\nx y\n");
        shell.Write("r.txt", "a b\nc d e f g h\nx z\n");
        shell.Write("h2.txt", "a b\nx y\n");
        shell.Write("r2.txt", "a b\nx z\n");
        Assert.Equal(0, await shell.RunAsync("evaluate", "h2.txt", "r2.txt", "--metric", "chrf"));
        string shorter = shell.OutputLines[0].Split(" = ")[1].Trim();
        using var other = new TestShell();
        other.Write("h.txt", "a b\nc d e f g h\nx y\n");
        other.Write("r.txt", "a b\nc d e f g h\nx z\n");
        Assert.Equal(0, await other.RunAsync("evaluate", "h.txt", "r.txt", "--metric", "chrf", "--by-length"));
        Assert.Equal([$"  {shorter}  0 to 5 words, 2 lines", "  100.00  6 to 10 words, 1 line"], other.OutputLines[1..]);
        Assert.Equal(2, await other.RunAsync("evaluate", "h.txt", "r.txt", "--by-length", "--sentence-level"));
    }

    [Fact]
    public async Task There_may_be_several_references_and_standard_input()
    {
        using TestShell shell = Files();
        shell.Input = new MemoryStream("Hello there, world!\nThe cat sits on a mat.\r\nNothing"u8.ToArray());
        Assert.Equal(0, await shell.RunAsync("evaluate", "h.txt", "r.txt", "-"));
        Assert.Equal(Expected("two"), shell.OutputLines);
    }

    [Fact]
    public async Task Json_has_all_digits()
    {
        using TestShell shell = Files();
        Assert.Equal(0, await shell.RunAsync("evaluate", "h.txt", "r.txt", "--json", "--output", "o.json"));
        Assert.Empty(shell.Output);
        string[] lines = File.ReadAllLines(Path.Combine(shell.Directory, "o.json"));
        JsonElement bleu = JsonDocument.Parse(lines[0]).RootElement;
        Assert.Equal("BLEU", bleu.GetProperty("name").GetString());
        Assert.Equal($"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|{Version}", bleu.GetProperty("signature").GetString());
        Assert.Equal("[9,4,2,0]", bleu.GetProperty("counts").GetRawText());
        Assert.Equal("[9,7,5,3]", bleu.GetProperty("totals").GetRawText());
        Assert.Equal("chrF2", JsonDocument.Parse(lines[1]).RootElement.GetProperty("name").GetString());
    }

    [Fact]
    public async Task Json_of_sentences_has_a_line_for_each()
    {
        using TestShell shell = Files();
        Assert.Equal(0, await shell.RunAsync("evaluate", "h.txt", "r.txt", "--json", "--sentence-level"));
        Assert.Equal(3, shell.OutputLines.Length);
        JsonElement first = JsonDocument.Parse(shell.OutputLines[0]).RootElement;
        Assert.Equal(1, first.GetProperty("line").GetInt32());
        JsonElement.ArrayEnumerator scores = first.GetProperty("scores").EnumerateArray();
        Assert.Equal(["BLEU", "chrF2"], scores.Select(score => score.GetProperty("name").GetString()));
    }

    [Theory]
    [InlineData("bootstrap")]
    [InlineData("randomization", "--paired", "randomization", "--samples", "50")]
    [InlineData("both", "--paired", "randomization", "--confidence", "--metric", "chrf")]
    public async Task A_baseline_is_tested_against(string expected, params string[] options)
    {
        using TestShell shell = Files();
        shell.Write("b.txt", "Hello world\na mat\n\n");
        Assert.Equal(0, await shell.RunAsync(["evaluate", "h.txt", "r.txt", "--baseline", "b.txt", .. options]));
        Assert.Equal(Expected(expected), shell.OutputLines);
    }

    [Fact]
    public async Task A_test_as_json_names_both_files()
    {
        using TestShell shell = Files();
        shell.Write("b.txt", "Hello world\na mat\n\n");
        string[] options = ["--baseline", "b.txt", "--json", "--metric", "bleu", "--seed", "7", "--samples", "20"];
        Assert.Equal(0, await shell.RunAsync(["evaluate", "h.txt", "r.txt", .. options]));
        JsonElement found = JsonDocument.Parse(Assert.Single(shell.OutputLines)).RootElement;
        Assert.StartsWith("nrefs:1|bs:20|seed:7|", found.GetProperty("signature").GetString(), StringComparison.Ordinal);
        Assert.Equal("b.txt", found.GetProperty("baseline").GetProperty("file").GetString());
        Assert.Equal("h.txt", found.GetProperty("system").GetProperty("file").GetString());
        Assert.InRange(found.GetProperty("p_value").GetDouble(), 1.0 / 21, 1);
    }

    [Theory]
    [InlineData("engine: short.txt has 2 lines, expected 3 as h.txt has.", "h.txt", "short.txt")]
    [InlineData("engine: r.txt has 3 lines, expected 2 as short.txt has.", "short.txt", "r.txt")]
    [InlineData("engine: short.txt has 2 lines, expected 3 as h.txt has.", "h.txt", "r.txt", "--baseline", "short.txt")]
    [InlineData("engine: standard input has 0 lines, expected 3 as h.txt has.", "h.txt", "-")]
    [InlineData("engine: standard input has 0 lines, expected 1 or more.", "-", "r.txt")]
    [InlineData("engine: absent.txt was not found.", "h.txt", "absent.txt")]
    public async Task Files_that_do_not_fit_are_named(string message, params string[] arguments)
    {
        using TestShell shell = Files();
        shell.Write("short.txt", "one\ntwo\n");
        Assert.Equal(1, await shell.RunAsync(["evaluate", .. arguments]));
        Assert.Equal(message, Assert.Single(shell.ErrorLines));
        Assert.Empty(shell.Output);
    }

    [Theory]
    [InlineData("'-', standard input, is named more than once.", "-", "-")]
    [InlineData("--metric is 'ter', expected 'bleu' or 'chrf' or 'chrf++'.", "h.txt", "r.txt", "--metric", "ter")]
    [InlineData("--smooth-value is given, but --smooth exp takes none.", "h.txt", "r.txt", "--smooth-value", "1")]
    [InlineData("--smooth-value is '-1', expected a number from 0.", "h.txt", "r.txt", "--smooth-value", "-1")]
    [InlineData("--paired is given without --baseline.", "h.txt", "r.txt", "--paired", "bootstrap")]
    [InlineData("--seed is given without --baseline or --confidence.", "h.txt", "r.txt", "--seed", "1")]
    [InlineData("--seed is '-1', expected an integer from 0.", "h.txt", "r.txt", "--confidence", "--seed", "-1")]
    [InlineData("--sentence-level has no tests: expected neither --confidence nor --baseline.",
        "h.txt", "r.txt", "--sentence-level", "--confidence")]
    [InlineData("r.txt is both input and output.", "h.txt", "r.txt", "--output", "r.txt")]
    public async Task What_cannot_be_meant_is_told(string message, params string[] arguments)
    {
        using TestShell shell = Files();
        Assert.Equal(2, await shell.RunAsync(["evaluate", .. arguments]));
        Assert.Equal($"engine: {message} See 'engine evaluate --help'.", Assert.Single(shell.ErrorLines));
    }

    // What sacrebleu 2.6.0 says to the files below, with the numbers of its tests in lines as the command writes them.
    private static string[] Expected(string name) => name switch
    {
        "default" =>
        [
            $"BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|{Version}"
                + " = 28.33 100.0/57.1/40.0/16.7 (BP = 0.641 ratio = 0.692 hyp_len = 9 ref_len = 13)",
            $"chrF2|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|{Version} = 56.82",
        ],
        "lowercase" =>
        [
            $"chrF2++|nrefs:1|case:lc|eff:yes|nc:6|nw:2|space:no|{Version} = 59.9141",
            $"BLEU|nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|{Version}"
                + " = 39.4190 100.0/71.4/60.0/33.3 (BP = 0.641 ratio = 0.692 hyp_len = 9 ref_len = 13)",
        ],
        "intl" =>
        [
            $"BLEU|nrefs:1|case:mixed|eff:no|tok:intl|smooth:floor[0.25]|{Version}"
                + " = 23.82 100.0/57.1/40.0/8.3 (BP = 0.641 ratio = 0.692 hyp_len = 9 ref_len = 13)",
        ],
        "char" =>
        [
            $"BLEU|nrefs:1|case:mixed|eff:no|tok:char|smooth:add-k[1.00]|{Version}"
                + " = 55.87 100.0/92.6/84.0/69.6 (BP = 0.651 ratio = 0.700 hyp_len = 28 ref_len = 40)",
        ],
        "none" =>
        [
            $"BLEU|nrefs:1|case:mixed|eff:no|tok:none|smooth:none|{Version}"
                + " = 0.00 87.5/50.0/25.0/0.0 (BP = 0.687 ratio = 0.727 hyp_len = 8 ref_len = 11)",
        ],
        "zh" =>
        [
            $"BLEU|nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|{Version}"
                + " = 28.33 100.0/57.1/40.0/16.7 (BP = 0.641 ratio = 0.692 hyp_len = 9 ref_len = 13)",
        ],
        "chrf" =>
        [
            $"chrF1|nrefs:1|case:mixed|eff:no|nc:3|nw:0|space:yes|{Version} = 79.48",
        ],
        "two" =>
        [
            $"BLEU|nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|{Version}"
                + " = 31.66 100.0/57.1/40.0/16.7 (BP = 0.717 ratio = 0.750 hyp_len = 9 ref_len = 12)",
            $"chrF2|nrefs:2|case:mixed|eff:yes|nc:6|nw:0|space:no|{Version} = 56.82",
        ],
        "sentences" =>
        [
            $"BLEU|nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp|{Version}"
                + " = 49.76 100.0/66.7/50.0/50.0 (BP = 0.779 ratio = 0.800 hyp_len = 4 ref_len = 5)",
            $"BLEU|nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp|{Version}"
                + " = 36.99 100.0/50.0/33.3/25.0 (BP = 0.819 ratio = 0.833 hyp_len = 5 ref_len = 6)",
            $"BLEU|nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp|{Version}"
                + " = 0.00 0.0/0.0/0.0/0.0 (BP = 0.000 ratio = 0.000 hyp_len = 0 ref_len = 2)",
        ],
        "confidence" =>
        [
            $"BLEU|nrefs:1|bs:100|seed:3|case:mixed|eff:no|tok:13a|smooth:exp|{Version}"
                + " = 28.33 (μ = 26.51 ± 10.59) 100.0/57.1/40.0/16.7 (BP = 0.641 ratio = 0.692 hyp_len = 9 ref_len = 13)",
        ],
        "bootstrap" =>
        [
            $"BLEU|nrefs:1|bs:1000|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|{Version}",
            "  b.txt = 0.00 (μ = 0.00 ± 0.00) (baseline)",
            "  h.txt = 28.33 (μ = 26.56 ± 18.91) (p = 0.0010)*",
            $"chrF2|nrefs:1|bs:1000|seed:12345|case:mixed|eff:yes|nc:6|nw:0|space:no|{Version}",
            "  b.txt = 19.87 (μ = 19.87 ± 19.95) (baseline)",
            "  h.txt = 56.82 (μ = 54.67 ± 35.32) (p = 0.0010)*",
        ],
        "randomization" =>
        [
            $"BLEU|nrefs:1|ar:50|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|{Version}",
            "  b.txt = 0.00 (baseline)",
            "  h.txt = 28.33 (p = 0.0196)*",
            $"chrF2|nrefs:1|ar:50|seed:12345|case:mixed|eff:yes|nc:6|nw:0|space:no|{Version}",
            "  b.txt = 19.87 (baseline)",
            "  h.txt = 56.82 (p = 0.0196)*",
        ],
        "both" =>
        [
            $"chrF2|nrefs:1|bs:1000|ar:10000|seed:12345|case:mixed|eff:yes|nc:6|nw:0|space:no|{Version}",
            "  b.txt = 19.87 (μ = 19.87 ± 19.95) (baseline)",
            "  h.txt = 56.82 (μ = 53.99 ± 35.32) (p = 0.0001)*",
        ],
        _ => throw new ArgumentException(name),
    };

    private static TestShell Files()
    {
        var shell = new TestShell();
        shell.Write("h.txt", "Hello big world!\nthe cat sat on mat\n\n");
        shell.Write("r.txt", "Hello, big world!  \nThe cat sat on the mat\nNot empty\n");
        return shell;
    }
}
