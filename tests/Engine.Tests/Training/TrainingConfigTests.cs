// Configurations: what is refused and how it is told, defaults, changes; and that every key is documented.
using System.Text.RegularExpressions;
using Engine.Formats;
using Engine.Models;
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed partial class TrainingConfigTests : IDisposable
{
    private static readonly string[] Sections =
    [
        "", "data", "data.train", "data.validation", "tokenizer", "tokenizer.vocabulary", "model", "training", "training.dropout",
        "training.optimizer", "training.learningRate", "validation", "validation.bleu", "checkpoints",
    ];

    private readonly TrainingFolder _folder = TrainingFolder.OfDigits(reversed: false, pairs: 1);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_key_is_documented()
    {
        string page = File.ReadAllText(Path.Combine(Root(), "docs", "training.md"));
        foreach (string section in Sections)
        {
            foreach (string key in KnownKeys(section))
            {
                bool isThere = page.Contains($"`{key}`", StringComparison.Ordinal)
                    || page.Contains($"### {key}\n", StringComparison.Ordinal);
                Assert.True(isThere, $"{section}.{key}");
            }
        }
    }

    [Fact]
    public void Every_example_can_be_read()
    {
        foreach (string file in Directory.GetFiles(Path.Combine(Root(), "examples"), "*.json")) _ = TrainingConfig.Load(file);
    }

    [Fact]
    public void The_recipe_of_the_paper_is_the_standard()
    {
        TrainingConfig config = _folder.Load("model={}", "training={\"steps\":1}");
        Assert.Equal((512, 6, 6), (config.Model.ModelDim, config.Model.Encoder.Layers, config.Model.Decoder.Layers));
        StackConfig encoder = config.Model.Encoder;
        Assert.Equal((8, 64, 2048), (encoder.Attention.Heads, encoder.Attention.HeadDim, encoder.HiddenDim));
        LoopSettings loop = config.Training;
        Assert.Equal((0.9f, 0.98f, 1e-9f, 0f), (loop.Beta1, loop.Beta2, loop.Epsilon, loop.Decay));
        Assert.Equal((0.1f, 0.1f, 4000), (loop.Smoothing, loop.Dropout.Residual, loop.Warmup));
        Assert.Equal(Tying.All, config.Model.Tie);
        Assert.False(encoder.PreNorm);
    }

    [Fact]
    public void What_mixes_positions_is_said_for_both_stacks_or_for_one()
    {
        ModelSettings both = _folder.Load("model.mixing=gru").Model;
        Assert.Equal((MixingKind.Gru, MixingKind.Gru), (both.Encoder.Mixing.Kind, both.Decoder.Mixing.Kind));
        ModelSettings groups = _folder.Load("model.decoderMixing=gru", "model.encoderGroup=8", "model.encoderWindow=3").Model;
        Assert.Equal((8, 3), (groups.Encoder.Attention.Group, groups.Encoder.Attention.WindowLeft));
        Assert.Equal((null, null), (groups.Decoder.Attention.Group, groups.Decoder.Attention.WindowLeft));
        ModelSettings one = _folder.Load("model.encoderMixing=separable_convolution", "model.kernel=5", "model.dilation=2").Model;
        Assert.Equal(new MixingConfig { Kind = MixingKind.SeparableConvolution, Kernel = 5, Dilation = 2 }, one.Encoder.Mixing);
        Assert.Equal(MixingKind.Attention, one.Decoder.Mixing.Kind);
    }

    [Theory]
    [InlineData("\"training.steps\" is missing, expected a number of steps, or of epochs.", "training={}")]
    [InlineData("\"training.clip\" is -1, expected a number, at least 0.", "training.clip=-1")]
    [InlineData("\"training.labelSmoothing\" is 1, expected a number from 0 to 0.99.", "training.labelSmoothing=1")]
    [InlineData(
        "\"training.dropout.residual\" is \"high\", expected a number that float32 can hold, or null.",
        "training.dropout.residual=high")]
    [InlineData(
        "\"training.dropout.all\" is not a key that is known here, expected one of activation, attention, residual.",
        "training.dropout.all=0")]
    [InlineData("\"training.optimizer.name\" is \"sgd\", expected \"adam\" or \"adamw\".", "training.optimizer.name=sgd")]
    [InlineData("\"tokenizer.kind\" is missing, expected \"spaces\", \"characters\" or \"sentencepiece\".", "tokenizer={}")]
    [InlineData("\"tokenizer.joiner\" is 3, expected a string.", "tokenizer.joiner=3")]
    [InlineData(
        "\"model.tie\" is \"all\", expected \"decoder\" or \"none\", since source and target have vocabularies of their own.",
        "tokenizer.vocabulary.sides=separate", "model.tie=all")]
    [InlineData(
        "\"model.maxPositions\" is 100, expected more than data.maxLength, 256, as there is an end token too.",
        "model.positions=learned", "model.maxPositions=100")]
    [InlineData("\"model.scale\" is -0.5, expected a number greater than 0, or null.", "model.scale=-0.5")]
    [InlineData("\"model.kernel\" is 0, expected a whole number from 1 to 4096.", "model.kernel=0")]
    [InlineData("\"model.kernel\" is 5, expected no such key, since neither stack is a convolution.", "model.mixing=gru", "model.kernel=5")]
    [InlineData("\"model.dilation\" is 2, expected no such key, since neither stack is a convolution.", "model.dilation=2")]
    [InlineData(
        "\"model.encoderGroup\" is 8, expected no such key, since the encoder is not attention.", "model.mixing=gru", "model.encoderGroup=8")]
    [InlineData(
        "\"model.encoderWindow\" is 4, expected no such key, since the encoder is not attention.", "model.encoderMixing=lstm", "model.encoderWindow=4")]
    [InlineData(
        "\"model.decoderWindow\" is 4, expected no such key, since the decoder is not attention.", "model.decoderMixing=lstm", "model.decoderWindow=4")]
    [InlineData(
        "\"model.encoderMixing\" is \"rnn\", expected \"attention\" or \"recurrent\" or \"lstm\" or \"gru\" or \"convolution\" or \"separable_convolution\".",
        "model.encoderMixing=rnn")]
    [InlineData("\"data.train\" is \"x\", expected a JSON object.", "data.train=x")]
    [InlineData(
        "\"data.train.targetColumn\" is 1, expected another column than the source's.",
        "data.train={\"tsv\":\"x\",\"targetColumn\":1}")]
    [InlineData(
        "\"validation\" is there, expected no such section, or a section data.validation beside it.",
        "data={\"train\":{\"tsv\":\"x\"}}")]
    [InlineData("\"checkpoints.every\" is 0, expected a whole number, at least 1.", "checkpoints.every=0")]
    [InlineData("\"output\" is null, expected a string.", "output=null")]
    public void What_cannot_be_is_named(string message, params string[] changes)
    {
        ModelFormatException wrong = Assert.Throws<ModelFormatException>(() => _folder.Load(changes));
        Assert.Equal($"{_folder.ConfigFile}: {message}", wrong.Message);
    }

    [Fact]
    public void The_scale_of_attention_is_the_papers_unless_it_is_said()
    {
        Assert.Null(_folder.Load().Model.Decoder.Attention.Scale);
        TrainingConfig unscaled = _folder.Load("model.scale=1");
        Assert.Equal((1f, 1f), (unscaled.Model.Encoder.Attention.Scale!.Value, unscaled.Model.Decoder.Attention.Scale!.Value));
    }

    [Theory]
    [InlineData("steps")]
    [InlineData("=1")]
    [InlineData("a..b=1")]
    [InlineData(".=1")]
    public void A_change_that_is_none_is_refused(string change)
    {
        ArgumentException wrong = Assert.Throws<ArgumentException>(() => _folder.Load(change));
        Assert.Equal($"The change is '{change}', expected a key and a value as in 'training.steps=1000'.", wrong.Message);
    }

    [Fact]
    public void Of_changes_the_last_counts_and_a_section_is_replaced_whole()
    {
        TrainingConfig config = _folder.Load(
            "training.steps=5", "training.steps=6", "training.dropout.residual=0.5", "training.dropout={\"attention\":0.2}",
            "data.train.source=a=b", "model={\"modelDim\":32}", "model.heads=4", "model={\"modelDim\":64}",
            "model.encoderLayers=3");
        Assert.Equal((64, 8, 3), (config.Model.ModelDim, config.Model.Encoder.Attention.Heads, config.Model.Encoder.Layers));
        Assert.Equal(6, config.Training.Steps);
        Assert.Equal(new DropoutRates(0.1f, 0.2f, 0), config.Training.Dropout);
        Assert.Equal(_folder.File("a=b"), config.Data.Train.Source);
    }

    [Fact]
    public void Paths_begin_at_the_file_and_at_the_directory_of_the_data()
    {
        TrainingConfig config = _folder.Load("data.directory=texts", "data.train.target=/absolute");
        Assert.Equal(_folder.File("texts/train.src"), config.Data.Train.Source);
        Assert.Equal("/absolute", config.Data.Train.Target);
        Assert.Equal(_folder.File("out"), config.Output);
    }

    [Fact]
    public void A_key_that_stands_twice_is_refused_with_changes_too()
    {
        _folder.Write("config.json", "{\"seed\":1,\"seed\":2}");
        foreach (string[] changes in (string[][])[[], ["output=x"]])
        {
            ModelFormatException wrong = Assert.Throws<ModelFormatException>(() => _folder.Load(changes));
            Assert.Contains("\"seed\" is there twice", wrong.Message, StringComparison.Ordinal);
        }
    }

    // The error that refuses an unknown key tells all that are known, of the tokenizer those of the kind.
    private HashSet<string> KnownKeys(string section)
    {
        var keys = new HashSet<string>();
        string[][] kinds =
        [
            ["tokenizer.kind=spaces"], ["tokenizer.kind=sentencepiece", "tokenizer.vocabulary={}"],
            ["tokenizer.kind=sentencepiece", "tokenizer.model=x"],
            ["tokenizer={\"kind\":\"sentencepiece\",\"sourceModel\":\"x\",\"targetModel\":\"y\"}", "model.tie=none"],
            ["data.train={\"tsv\":\"x\"}", "data.validation={\"tsv\":\"x\"}"],
        ];
        foreach (string[] kind in kinds)
        {
            string key = section.Length == 0 ? "unheardOf" : $"{section}.unheardOf";
            try
            {
                _ = _folder.Load([.. kind, $"{key}=1"]);
                Assert.Fail($"{key} was not refused.");
            }
            catch (ModelFormatException refused)
            {
                Match known = Known().Match(refused.Message);
                if (known.Success && refused.Message.Contains($"\"{key}\"", StringComparison.Ordinal))
                    keys.UnionWith(known.Groups[1].Value.Split(", "));
            }
        }

        Assert.NotEmpty(keys);
        return keys;
    }

    private static string Root()
    {
        string? directory = AppContext.BaseDirectory;
        while (directory is not null && !File.Exists(Path.Combine(directory, "Engine.sln")))
            directory = Path.GetDirectoryName(directory);
        return directory ?? throw new DirectoryNotFoundException("There is no Engine.sln above the tests.");
    }

    [GeneratedRegex("expected one of (.*)\\.$")]
    private static partial Regex Known();
}
