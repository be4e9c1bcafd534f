// Vocabulary maps: the rules of CTranslate2's vmap.txt, and what is no such file.
using System.Text;
using Engine.Formats;
using Engine.Reference;
using Engine.Text;
using Xunit;

namespace Engine.Tests.Formats;

public class VocabularyMapTests
{
    private static readonly Vocabulary Target = new(["<unk>", "<s>", "</s>", "un", "deux", "trois", "quatre"], "<unk>");

    [Theory]
    [InlineData("\tun deux\n", "x", new[] { 0, 1, 2, 3, 4 })]
    [InlineData("x\ttrois quatre\n", "y x y", new[] { 0, 1, 2, 5, 6 })]
    [InlineData("x\ttrois quatre", "y z", new[] { 0, 1, 2 })]
    [InlineData("x y\ttrois\ny z\tun", "x y z", new[] { 0, 1, 2, 3, 5 })]
    [InlineData("x y\ttrois\n", "x z y", new[] { 0, 1, 2 })]
    [InlineData("x y z\ttrois\n", "x y z", new[] { 0, 1, 2, 5 })]
    [InlineData("x\tun\nx\tdeux\n", "x", new[] { 0, 1, 2, 4 })]          // the last rule of a key counts
    [InlineData("x\tun cinq \n", "x", new[] { 0, 1, 2, 3 })]              // what is not in the vocabulary is unknown
    [InlineData("x\t\n", "x", new[] { 0, 1, 2 })]
    [InlineData("x\tun\r\n", "x", new[] { 0, 1, 2 })]                     // a carriage return is part of a token
    public void Candidates_are_those_of_every_run_of_source_tokens(string file, string source, int[] expected)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["vmap.txt"], file);
        VocabularyMap map = VocabularyMapFile.Read(directory.Path, Target, new SpecialTokens())!;
        Assert.Equal(expected, map.Candidates(source.Split(' '), []));
        VocabularyMapFile.Write(map, Target, directory.Make("again"));
        VocabularyMap again = VocabularyMapFile.Read(directory["again"], Target, new SpecialTokens())!;
        Assert.Equal(expected, again.Candidates(source.Split(' '), []));
    }

    [Fact]
    public void The_given_tokens_are_candidates()
    {
        var map = new VocabularyMap([], [2, 0]);
        Assert.Equal([0, 2, 4, 6], map.Candidates([], [6, 4, 2]));
    }

    [Theory]
    [InlineData("x\tun\ny un\n", "line 2 is one without a tab")]
    [InlineData("x\tun\n\ny\tun\n", "line 2 is one without a tab")]
    [InlineData("x\tun\tdeux\n", "line 1 is one with several tabs")]
    public void A_line_that_is_no_rule_is_refused(string file, string message)
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["vmap.txt"], file);
        var error = Assert.Throws<ModelFormatException>(
            () => VocabularyMapFile.Read(directory.Path, Target, new SpecialTokens()));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        File.WriteAllBytes(directory["vmap.txt"], [.. Encoding.UTF8.GetBytes("x\tun\n\t"), 0xFF]);
        error = Assert.Throws<ModelFormatException>(
            () => VocabularyMapFile.Read(directory.Path, Target, new SpecialTokens()));
        Assert.Contains("line 2 is not UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_map_that_asks_for_too_much_is_refused()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["vmap.txt"], new string(' ', 64) + "\tun\n");
        var error = Assert.Throws<ModelFormatException>(
            () => VocabularyMapFile.Read(directory.Path, Target, new SpecialTokens()));
        Assert.Contains("source tokens in line 1 is 65, expected at most 64", error.Message, StringComparison.Ordinal);
        File.WriteAllText(directory["vmap.txt"], string.Concat(Enumerable.Repeat("x\t\n", (1 << 20) + 1)));
        error = Assert.Throws<ModelFormatException>(
            () => VocabularyMapFile.Read(directory.Path, Target, new SpecialTokens()));
        Assert.Contains("the number of rules is larger", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(WeightLayout.Rows)]
    [InlineData(WeightLayout.Packed)]
    public void A_model_keeps_its_map_when_it_is_converted(WeightLayout layout)
    {
        using var directory = new TemporaryDirectory();
        using (ModelData model = RandomModel.Create(RandomModel.Config(8, 2, 16, 1, 20)))
        {
            Assert.Null(model.VocabularyMap);
            ModelWriter.Write(model, directory["first"], layout: layout, cancellation: TestContext.Current.CancellationToken);
        }

        File.WriteAllText(Path.Combine(directory["first"], "vmap.txt"), "t3 t4\tt5 t6\n\tt7\n");
        using (ModelData model = ModelReader.Open(directory["first"])) ModelWriter.Write(model, directory["second"], cancellation: TestContext.Current.CancellationToken);
        using ModelData again = ModelReader.Open(directory["second"]);
        Assert.Equal([0, 1, 2, 5, 6, 7], again.VocabularyMap!.Candidates(["t3", "t4"], []));
    }
}
