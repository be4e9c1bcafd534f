// What a head is, in numbers: one that is taken out adds nothing and leaves all else as it is; shares are means over queries.
using Engine.Backends;
using Engine.Cpu;
using Engine.Explaining;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Studies;
using Engine.Tensors;
using Engine.Tests.Decoding;
using Xunit;

namespace Engine.Tests.Studies;

public sealed class HeadStudyTests
{
    [Theory]
    [InlineData("encoder.layers.0.self_attention", 0)]
    [InlineData("decoder.layers.1.cross_attention", 1)]
    public void A_head_that_is_taken_out_has_zeros_in_its_columns_alone(string name, int head)
    {
        using ModelData data = RandomModel.Create(ModelShapes.Config(ModelShapes.Names.First()));
        int width = data.Config.Encoder.Attention.HeadDim;
        ModelData without = HeadStudy.Without(data, name, head, width);
        string matrix = $"{name}.output.weight";
        foreach ((string other, HostTensor tensor) in data.Tensors)
            if (other != matrix) Assert.Same(tensor, without.Tensors[other]);
        float[] before = data.Tensors[matrix].ReadFloats(), after = without.Tensors[matrix].ReadFloats();
        int columns = data.Tensors[matrix].Shape.Columns;
        for (int i = 0; i < before.Length; i++)
        {
            bool isOut = i % columns / width == head;
            Assert.NotEqual(0, before[i]);
            Assert.Equal(isOut ? 0 : before[i], after[i]);
        }
    }

    [Fact]
    public void Shares_are_means_over_the_queries_that_have_such_a_key()
    {
        // One head, three queries and keys: the first looks at itself, the second at the first, the third half at itself, half at the second.
        var map = new AttentionMap([[1, 0, 0, 1, 0, 0, 0, 0.5f, 0.5f]], 1, 3, 3);
        var shares = new HeadShares();
        shares.Add(map, 0, 0, ["\u2581a", "\u2581,", "</s>"], edge: 2);
        Assert.Equal((1 + 0.5) / 2, shares.Previous);
        Assert.Equal((1 + 0.5) / 3, shares.Same);
        Assert.Equal(0, shares.Next);
        Assert.Equal(0.5 / 3, shares.Edge);
        Assert.Equal(0.5 / 3, shares.Punctuation);
        Assert.Equal("previous token", shares.Describe(isCross: false, "end token"));
    }

    [Fact]
    public void Agreement_is_the_share_of_queries_with_the_same_largest_key()
    {
        var map = new AttentionMap([[0.6f, 0.4f, 0.3f, 0.7f]], 1, 2, 2);
        var shares = new HeadShares();
        shares.Add(map, 0, 0, ["a", "</s>"], edge: 1);
        shares.AddAgreement(map, 0, 0, [0, 0]);
        Assert.Equal(0.5, shares.Agreement);
        Assert.Equal(0.55, shares.Edge, 1e-7);
        Assert.Equal("end token", shares.Describe(isCross: true, "end token"));
    }

    [Fact]
    public void A_head_without_a_habit_has_no_name()
    {
        var shares = new HeadShares();
        shares.Add(new AttentionMap([[0.5f, 0.5f, 0.5f, 0.5f]], 1, 2, 2), 0, 0, ["a", "b"], edge: 1);
        Assert.Equal("", shares.Describe(isCross: false, "end token"));
    }

    [Fact]
    public void Every_head_of_a_model_is_looked_at()
    {
        string model = Path.Combine(Root(), "models", "arabic-names");
        using var backend = new CpuBackend(new BackendOptions { Threads = 2 });
        StudyReport report = HeadStudy.Run(
            new StudyOptions(backend) { Quick = true }, new HeadStudyInput(model, ["محمد", "علي"], ["muhammad", "ali"]),
            TestContext.Current.CancellationToken);
        Assert.Equal(
            ["1 of 64", "2 of 32", "4 of 16", "8 of 8", "16 of 4"], report.Sections[0].Tables[0].Rows.Select(static row => row[0].Text!));
        IReadOnlyList<IReadOnlyList<StudyCell>> heads = report.Sections[1].Tables[0].Rows;
        Assert.Equal(3 * 6 * 8, heads.Count);
        Assert.Equal(["encoder", "decoder", "cross"], heads.Select(static row => row[0].Text!).Distinct());
        Assert.Contains(heads, static row => row[4].Number > 0.01);   // names it knows are less probable without some head
        foreach (IReadOnlyList<StudyCell> row in heads)
        {
            for (int column = 5; column < 11; column++) Assert.InRange(row[column].Number ?? 0, 0, 1 + 1e-5);
            Assert.Equal(row[0].Text == "cross", row[10].Number is not null);
        }
    }

    [Fact]
    public void References_must_be_as_many_as_sentences()
    {
        using var backend = new CpuBackend(new BackendOptions { Threads = 1 });
        var input = new HeadStudyInput("nowhere", ["a", "b"], ["a"]);
        Assert.Throws<ArgumentException>(() => HeadStudy.Run(new StudyOptions(backend), input, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void What_has_no_heads_is_refused_before_the_work()
    {
        using var backend = new CpuBackend(new BackendOptions { Threads = 1 });
        var options = new StudyOptions(backend) { Progress = static message => Assert.Fail($"began with {message}") };
        var empty = new HeadStudyInput("nowhere", ["a", " "], ["a", "b"]);
        Assert.Throws<ArgumentException>(() => HeadStudy.Run(options, empty, TestContext.Current.CancellationToken));

        TransformerConfig config = ModelShapes.Config(ModelShapes.Names.First());
        config = config with { Encoder = config.Encoder with { Mixing = new MixingConfig { Kind = MixingKind.SeparableConvolution } } };
        DirectoryInfo directory = Directory.CreateTempSubdirectory("head-study-");
        try
        {
            using (ModelData data = RandomModel.Create(config))
                ModelWriter.Write(data, directory.FullName, cancellation: TestContext.Current.CancellationToken);
            var input = new HeadStudyInput(directory.FullName, ["a"], ["b"]);
            var refused = Assert.Throws<NotSupportedException>(() => HeadStudy.Run(options, input, TestContext.Current.CancellationToken));
            Assert.Equal(
                "What mixes positions in the encoder is 'separable_convolution', expected 'attention': nothing else has weights to show.",
                refused.Message);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static string Root()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Engine.sln"))) directory = directory.Parent;
        return directory?.FullName ?? throw new DirectoryNotFoundException($"No Engine.sln above {AppContext.BaseDirectory}.");
    }
}
