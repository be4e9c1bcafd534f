// The engine's own format: what is written is read again bit by bit, and what is wrong in it is named.
using System.Text.Json.Nodes;
using CsCheck;
using Engine.Backends;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;
using Xunit;

namespace Engine.Tests.Formats;

public class OwnFormatTests
{
    internal static readonly SpecialTokens EndAlone = new() { DecoderStart = "</s>" };

    [Fact]
    public void A_PyTorch_model_needs_new_names_only()
    {
        using var directory = new TemporaryDirectory();
        using ModelData model = ModelReader.Open(TestData.WriteKhmerModel(directory["khmer"]));
        var stack = new StackConfig
        {
            Layers = 4,
            HiddenDim = 256,
            Attention = new AttentionConfig { Heads = 8, HeadDim = 8 },
            FinalNorm = true,
            Positions = new PositionConfig { Interleaved = true, Start = 0, ReachesLongest = false },
        };
        Assert.Equal(new TransformerConfig
        {
            ModelDim = 64,
            SourceVocabulary = 80,
            TargetVocabulary = 72,
            Encoder = stack,
            Decoder = stack,
        }, model.Config);
        Assert.Equal(new SpecialTokens
        {
            Begin = "<sos>",
            End = "<eos>",
            DecoderStart = "<sos>",
            AddSourceBegin = true,
            AddSourceEnd = true,
        }, model.Tokens);
        Assert.Equal("character", model.Tokenizer);
        Assert.Equal((0, 3), (model.TargetVocabulary.UnknownId, model.TargetVocabulary.Id("<eos>")));

        Dictionary<string, float[]> values = TinyModel.ReadAll(model);
        Assert.Equal(481_608, values.Values.Sum(tensor => tensor.Length));
        using SafeTensorsFile file = SafeTensorsFile.Open(TestData.Find(KhmerModel.Weights));
        float[] projection = file.Tensor(file.Entries["decoder.layers.2.multihead_attn.in_proj_weight"]).ReadFloats();
        Assert.Equal(projection[(64 * 64)..(128 * 64)], values["decoder.layers.2.cross_attention.key.weight"]);
        Assert.Equal(file.Tensor(file.Entries["linear.bias"]).ReadFloats(), values["output.bias"]);
    }

    public static TheoryData<string> Fixtures =>
    [
        "ct2/aren-transliteration", "ct2/aren-transliteration-i8", "ct2/aren-transliteration-i16",
        "ct2/aren-v6-float32", "ct2/aren-v6-float16", "ct2/aren-v6-bfloat16", "ct2/aren-v6-int8",
    ];

    [Theory, MemberData(nameof(Fixtures))]
    public void What_is_written_is_read_again_bit_by_bit(string fixture)
    {
        using var directory = new TemporaryDirectory();
        using ModelData model = ModelReader.Open(TestData.Find(fixture));
        ModelWriter.Write(model, directory["model"], cancellation: TestContext.Current.CancellationToken);
        using ModelData again = ModelReader.Open(directory["model"]);
        AssertSame(model, again);
        Assert.Equal(model.Tensors.ToDictionary(pair => pair.Key, pair => TinyModel.ReadBytes(pair.Value)),
            again.Tensors.ToDictionary(pair => pair.Key, pair => TinyModel.ReadBytes(pair.Value)));
        Assert.Equal([directory["model"]], Directory.GetFileSystemEntries(directory.Path));
    }

    [Theory]
    [InlineData("aren-v6-float32", "aren-v6-int8", DType.Int8)]
    [InlineData("aren-transliteration", "aren-v6-int8", DType.Int8)]
    [InlineData("aren-v6-float32", "aren-v6-float16", DType.Float16)]
    [InlineData("aren-v6-float32", "aren-v6-bfloat16", DType.BFloat16)]
    public void Converted_weights_are_those_of_the_reference_converter(string from, string to, DType type)
    {
        using var directory = new TemporaryDirectory();
        using ModelData model = ModelReader.Open(TestData.Find($"ct2/{from}"));
        using ModelData expected = ModelReader.Open(TestData.Find($"ct2/{to}"));
        ModelWriter.Write(model, directory["model"], type, cancellation: TestContext.Current.CancellationToken);
        using ModelData again = ModelReader.Open(directory["model"]);
        Assert.Equal(type == DType.Int8 ? ActivationRounding.Nearest : model.Rounding, again.Rounding);
        foreach (TensorSpec spec in TensorSpec.Of(expected.Config).Where(spec => spec.Role == TensorRole.Weight))
        {
            Assert.Equal(TinyModel.ReadBytes(expected.Tensors[spec.Name]),
                TinyModel.ReadBytes(again.Tensors[spec.Name]));
            Assert.Equal(expected.Tensors[spec.Name].Scales, again.Tensors[spec.Name].Scales);
        }
    }

    [Fact]
    public void Integers_become_the_floats_that_they_stand_for()
    {
        using var directory = new TemporaryDirectory();
        using ModelData model = ModelReader.Open(TestData.Find("ct2/aren-transliteration-i16"));
        ModelWriter.Write(model, directory["model"], DType.Float32, cancellation: TestContext.Current.CancellationToken);
        using ModelData again = ModelReader.Open(directory["model"]);
        Assert.All(again.Tensors.Values, tensor => Assert.Equal(DType.Float32, tensor.Type));
        Assert.Equal(TinyModel.ReadAll(model), TinyModel.ReadAll(again));
        Assert.Equal(ActivationRounding.Legacy, again.Rounding);
    }

    // Every field of the configuration by chance, so that none is forgotten by writer or reader.
    [Fact]
    public void Every_configuration_survives()
    {
        Gen<float?> scale = Gen.OneOf(Gen.Const((float?)null), Gen.Float[0.01f, 100f].Select(value => (float?)value));
        Gen<int?> window = Gen.OneOf(Gen.Const((int?)null), Gen.Int[0, 9].Select(value => (int?)value));
        Gen<AttentionConfig> attention = Gen.Select(Gen.Enum<AttentionKind>(), Gen.Int[1, 3], Gen.Int[1, 3], scale,
            window, window,
            (kind, heads, headDim, factor, left, right) => new AttentionConfig
            {
                Kind = kind,
                Heads = heads,
                HeadDim = headDim,
                Scale = factor,
                WindowLeft = left,
                WindowRight = right,
            });
        Gen<PositionConfig> positions = Gen.Select(Gen.Enum<PositionKind>(), Gen.Bool, Gen.Int[0, 5], Gen.Bool,
            (kind, interleaved, start, longest) =>
                new PositionConfig { Kind = kind, Interleaved = interleaved, Start = start, ReachesLongest = longest });
        Gen<StackConfig> stack = Gen.Select(Gen.Int[1, 2], attention, positions, Gen.Enum<Activation>(), Gen.Int[0, 31],
            scale, Gen.Float[1e-9f, 1f])
            .Select((layers, heads, places, activation, flags, factor, epsilon) => new StackConfig
            {
                Layers = layers,
                HiddenDim = 5,
                Attention = heads,
                Activation = activation,
                Gated = (flags & 1) != 0,
                PreNorm = (flags & 2) != 0,
                FinalNorm = (flags & 4) != 0,
                EmbeddingNorm = (flags & 8) != 0,
                RmsNorm = (flags & 16) != 0,
                NormEpsilon = epsilon,
                EmbeddingScale = factor,
                Positions = places,
            });
        Gen.Select(stack, stack, Gen.Bool, Gen.Bool, Gen.Bool, Gen.Bool)
            .Sample((encoder, decoder, zero, tied, biases, begin) =>
        {
            var config = new TransformerConfig
            {
                ModelDim = 6,
                SourceVocabulary = 4,
                TargetVocabulary = 5,
                Encoder = encoder,
                Decoder = decoder,
                StartsFromZeroEmbedding = zero,
                AlignmentLayer = -decoder.Layers,
                AlignmentHeads = decoder.Attention.Heads,
            };
            var tokens = new SpecialTokens
            {
                DecoderStart = zero ? null : "</s>",
                AddSourceBegin = begin,
                AddSourceEnd = !begin,
            };
            using ModelData model = Model(config, tokens, biases, tied);
            using var directory = new TemporaryDirectory();
            ModelWriter.Write(model, directory["model"], cancellation: TestContext.Current.CancellationToken);
            using ModelData again = ModelReader.Open(directory["model"]);
            AssertSame(model, again);
            Assert.Equal(TinyModel.ReadAll(model), TinyModel.ReadAll(again));
            Assert.Equal(tied, ReferenceEquals(again.Tensors["output.weight"],
                again.Tensors["decoder.embedding.weight"]));
        }, iter: 60, threads: 1);
    }

    [Fact]
    public void A_small_configuration_is_filled_with_the_documented_defaults()
    {
        using var directory = new TemporaryDirectory();
        string place = TestData.WriteKhmerModel(directory["khmer"]);
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(place, "config.json")))!;
        config["encoder"]!["rms_norm"] = false;
        config["encoder"]!["positions"] = new JsonObject { ["kind"] = "none" };
        config["source_vocabulary_size"] = 80;
        File.WriteAllText(Path.Combine(place, "config.json"), config.ToJsonString());
        using ModelData model = ModelReader.Open(place);
        Assert.Equal(PositionKind.None, model.Config.Encoder.Positions.Kind);
        Assert.Equal((-1, 1), (model.Config.AlignmentLayer, model.Config.AlignmentHeads));
        Assert.Equal(ActivationRounding.Nearest, model.Rounding);
        Assert.Null(model.Config.Encoder.EmbeddingScale);
    }

    public static TheoryData<string, string> WrongConfigurations => new()
    {
        { """{"format_version": 2}""", "\"format_version\" is 2" },
        { """{"model_dimm": 6}""", "\"model_dimm\" is not a key that is known here" },
        { """{"model_dim": "6"}""", "\"model_dim\" is \"6\"" },
        { """{"model_dim": 6.5}""", "\"model_dim\" is 6.5" },
        { """{"model_dim": 99999999999}""", "\"model_dim\" is 99999999999" },
        { """{"model_dim": 8}""", "the shape of encoder.embedding.weight is [4, 6], expected a matrix of [4, 8]" },
        { """{"model_dim": null}""", "\"model_dim\" is null" },
        { """{"encoder": []}""", "\"encoder\" is an array" },
        { """{"encoder": {"layers": 2000000000}}""", "encoder.layers.1.self_attention.query.weight is missing" },
        { """{"encoder": {"hidden_dim": 2147483647}}""",
            "the shape of encoder.layers.0.feed_forward.up.weight is [5, 6]" },
        { """{"encoder": {"attention": {"heads": 1000000, "head_dim": 1000000}}}""",
            "encoder.attention.head_dim is 1000000" },
        { """{"encoder": {"attention": {"heads": 4, "head_dim": 3}}}""",
            "the shape of encoder.layers.0.self_attention.query.weight" },
        { """{"encoder": {"attention": {"scale": -1}}}""", "encoder.attention.scale is -1" },
        { """{"encoder": {"attention": {"scale": 1e99}}}""", "\"encoder.attention.scale\" is 1e99" },
        { """{"encoder": {"attention": {"kind": "product"}}}""",
            "\"encoder.attention.kind\" is \"product\", expected \"dot_product\" or \"additive\"" },
        { """{"encoder": {"attention": {"window_left": -1}}}""", "\"encoder.attention.window_left\" is -1" },
        { """{"encoder": {"attention": {"group": 0}}}""", "encoder.attention.group is 0, expected at least 1, or null" },
        { """{"decoder": {"attention": {"group": 4}}}""",
            "decoder.attention.group is 4, expected null, as a group sees positions that come later" },
        { """{"encoder": {"mixing": {"kind": "rnn"}}}""", "\"encoder.mixing.kind\" is \"rnn\", expected \"attention\" or \"recurrent\" or" },
        { """{"encoder": {"mixing": {"kind": "lstm"}}}""", "encoder.layers.0.mixing.input.weight is missing, expected a matrix of [24, 6]" },
        { """{"decoder": {"mixing": {"kind": "convolution", "kernel": 4}}}""",
            "decoder.layers.0.mixing.filter.weight is missing, expected a matrix of [6, 24]" },
        { """{"encoder": {"mixing": {"kernel": 0}}}""", "\"encoder.mixing.kernel\" is 0" },
        { """{"encoder": {"mixing": {"kernel": 2000000000}}}""", "encoder.mixing.kernel is 2000000000, expected 1 to" },
        { """{"encoder": {"mixing": {"dilation": 0}}}""", "\"encoder.mixing.dilation\" is 0" },
        { """{"decoder": {"norm_epsilon": 0}}""", "decoder.norm_epsilon is 0" },
        { """{"decoder": {"positions": {"start": -1}}}""", "\"decoder.positions.start\" is -1" },
        { """{"decoder": {"positions": {"kind": "learned"}}}""", "decoder.positions.weight is missing" },
        { """{"decoder": {"pre_norm": 1}}""", "\"decoder.pre_norm\" is 1, expected true or false" },
        { """{"decoder": {"embedding_norm": true}}""", "decoder.embedding_norm.weight is missing" },
        { """{"decoder": {"rms_norm": true}}""", "_norm.bias is there, expected no such tensor" },
        { """{"decoder": {"gated": true}}""", "decoder.layers.0.feed_forward.gate.weight is missing" },
        { """{"alignment_layer": 1}""", "alignment_layer is 1, expected a layer of the decoder, -1 to 0" },
        { """{"alignment_heads": 3}""", "alignment_heads is 3, expected 0 to 2" },
        { """{"tokenizer": "words"}""", "\"tokenizer\" is \"words\", expected \"space\" or \"character\"" },
        { """{"activation_rounding": "up"}""", "\"activation_rounding\" is \"up\"" },
        { """{"tokens": {"end": "</end>"}}""",
            "the end token is \"</end>\", expected a token of the target vocabulary" },
        { """{"tokens": {"begin": "<begin>", "add_source_begin": true}}""", "the begin token is \"<begin>\"" },
        { """{"tokens": {"begin": "@@"}}""", "\"tokens.begin\" is not valid Unicode" },
        { """{"tokens": {"start": "x"}}""", "\"tokens.start\" is not a key that is known here" },
        { """{"source_vocabulary_size": 5}""", "the number of tokens is 4, expected 5" },
        { """{"aliases": {"output.weight": "decoder.embedding.weight"}}""",
            "the alias \"output.weight\" is a tensor of the file too" },
        { """{"aliases": {"output.bias": "output.bia"}}""", "the alias \"output.bias\" is \"output.bia\"" },
        { """{"aliases": {"a": "b", "b": "a"}}""", "the alias \"a\" is \"b\", expected a tensor of model.safetensors" },
        { """{"aliases": {"a": "output.weight"}}""", "a is there, expected no such tensor" },
        { """{"aliases": {"output.bias": "output.weight"}}""",
            "the shape of output.bias is [5, 6], expected one dimension" },
    };

    [Theory, MemberData(nameof(WrongConfigurations))]
    public void A_wrong_configuration_names_its_key(string change, string message)
    {
        using var directory = new TemporaryDirectory();
        bool biases = change.Contains("rms_norm", StringComparison.Ordinal);
        using (ModelData model = Model(SmallConfig(), EndAlone, biases, tied: false))
            ModelWriter.Write(model, directory["model"], cancellation: TestContext.Current.CancellationToken);
        string file = Path.Combine(directory["model"], "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(file))!;
        File.WriteAllText(file, Merge(config, JsonNode.Parse(change)!).ToJsonString()
            .Replace("@@", "\\ud800", StringComparison.Ordinal));
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => TinyModel.Load(directory["model"]));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.StartsWith(directory["model"], error.File, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_of_another_program_is_told_from_a_broken_one()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory["model.safetensors"], "");
        File.WriteAllText(directory["config.json"], """{"architectures": ["MarianMTModel"], "d_model": 512}""");
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(directory.Path));
        Assert.Equal(("\"format_version\"", "missing"), (error.Field, error.Found));
    }

    [Fact]
    public void A_key_that_stands_twice_is_refused()
    {
        using var directory = new TemporaryDirectory();
        string place = TestData.WriteKhmerModel(directory["khmer"]);
        string file = Path.Combine(place, "config.json");
        File.WriteAllText(file, File.ReadAllText(file)
            .Replace("\"model_dim\": 64,", "\"model_dim\": 64, \"model_dim\": 64,", StringComparison.Ordinal));
        Assert.Equal("there twice", Assert.Throws<ModelFormatException>(() => ModelReader.Open(place)).Found);
    }

    [Fact]
    public void Text_vocabularies_and_a_byte_order_mark_are_read_too()
    {
        using var directory = new TemporaryDirectory();
        using ModelData model = Model(SmallConfig(), EndAlone, biases: false, tied: false);
        ModelWriter.Write(model, directory["model"], cancellation: TestContext.Current.CancellationToken);
        string config = Path.Combine(directory["model"], "config.json");
        File.WriteAllText(config, "\uFEFF" + File.ReadAllText(config));
        File.Delete(Path.Combine(directory["model"], "source_vocabulary.json"));
        File.WriteAllText(Path.Combine(directory["model"], "source_vocabulary.txt"),
            string.Join("\r\n", model.SourceVocabulary.Tokens) + "\r\n");
        using ModelData again = ModelReader.Open(directory["model"]);
        AssertSame(model, again);
    }

    [Fact]
    public void Equal_vocabularies_are_shared()
    {
        using var directory = new TemporaryDirectory();
        TransformerConfig config = SmallConfig() with { SourceVocabulary = 5 };
        using ModelData model = Model(config, EndAlone, biases: true, tied: true);
        ModelWriter.Write(model, directory["model"], cancellation: TestContext.Current.CancellationToken);
        Assert.True(File.Exists(Path.Combine(directory["model"], "shared_vocabulary.json")));
        using ModelData again = ModelReader.Open(directory["model"]);
        Assert.Same(again.SourceVocabulary, again.TargetVocabulary);
        AssertSame(model, again);
    }

    [Fact]
    public void A_directory_with_something_in_it_is_not_touched()
    {
        using var directory = new TemporaryDirectory();
        using ModelData model = Model(SmallConfig(), EndAlone, biases: true, tied: false);
        directory.Make("empty");
        ModelWriter.Write(model, directory["empty"], cancellation: TestContext.Current.CancellationToken);
        ModelWriter.Write(model, directory["new/and/deep"], cancellation: TestContext.Current.CancellationToken);
        TinyModel.Load(directory["new/and/deep"]);
        byte[] before = File.ReadAllBytes(Path.Combine(directory["empty"], "model.safetensors"));
        Assert.Throws<ArgumentException>(() => ModelWriter.Write(model, directory["empty"], DType.Int8, cancellation: TestContext.Current.CancellationToken));
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(directory["empty"], "model.safetensors")));
        Assert.Throws<ArgumentException>(() => ModelWriter.Write(model, directory["other"], DType.Int32, cancellation: TestContext.Current.CancellationToken));
        Assert.Throws<ArgumentException>(() =>
            ModelWriter.Write(model, Path.Combine(directory["empty"], "config.json"), cancellation: TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Nothing_is_left_of_a_model_that_could_not_be_written()
    {
        using var directory = new TemporaryDirectory();
        using ModelData model = Model(SmallConfig(), EndAlone, biases: true, tied: false);
        var tensors = (Dictionary<string, HostTensor>)model.Tensors;
        float[] values = new float[30];
        values[7] = 65_520;   // the first number that rounds beyond float16
        tensors["output.weight"] = HostTensor.FromValues("output.weight", new Shape(5, 6), values);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            ModelWriter.Write(model, directory["model"], DType.Float16, cancellation: TestContext.Current.CancellationToken));
        Assert.Equal("output.weight[1, 1]", error.Field);
        Assert.Empty(Directory.GetFileSystemEntries(directory.Path));
    }

    [Fact]
    public void Each_matrix_may_have_its_own_type_and_each_bias_may_be_absent()
    {
        using var directory = new TemporaryDirectory();
        using ModelData model = Model(SmallConfig(), EndAlone, biases: true, tied: false);
        var tensors = (Dictionary<string, HostTensor>)model.Tensors;
        tensors.Remove("decoder.layers.0.cross_attention.key.bias");
        tensors["output.weight"] = WeightConversion.Convert(tensors["output.weight"], DType.Int8);
        tensors["output.bias"] = WeightConversion.Convert(tensors["output.bias"], DType.Float16);
        ModelWriter.Write(model, directory["model"], cancellation: TestContext.Current.CancellationToken);
        using ModelData again = ModelReader.Open(directory["model"]);
        AssertSame(model, again);
        Assert.Equal(TinyModel.ReadAll(model), TinyModel.ReadAll(again));
    }

    [Fact]
    public void The_documented_configuration_is_the_tested_one()
    {
        string? root = Path.GetDirectoryName(TestData.TryFind("README.md"));
        string document = Path.Combine(root!, "..", "..", "docs", "model-format.md");
        Assert.Contains(KhmerModel.Config.ReplaceLineEndings("\n"), File.ReadAllText(document).ReplaceLineEndings("\n"),
            StringComparison.Ordinal);
    }

    internal static TransformerConfig SmallConfig()
    {
        var stack = new StackConfig
        {
            Layers = 1,
            HiddenDim = 5,
            Attention = new AttentionConfig { Heads = 2, HeadDim = 3 },
            FinalNorm = true,
        };
        return new TransformerConfig
        {
            ModelDim = 6,
            SourceVocabulary = 4,
            TargetVocabulary = 5,
            Encoder = stack,
            Decoder = stack,
        };
    }

    /// <summary>A model in memory, with weights by chance.</summary>
    internal static ModelData Model(TransformerConfig config, SpecialTokens tokens, bool biases, bool tied)
    {
        var random = new Random(3);
        var tensors = new Dictionary<string, HostTensor>();
        foreach (TensorSpec spec in TensorSpec.Of(config))
        {
            if (spec.IsOptional && !biases) continue;
            var shape = new Shape(spec.Rows == 0 ? 7 : spec.Rows, spec.Columns);
            tensors.Add(spec.Name, HostTensor.FromValues(spec.Name, shape, TinyModel.Values(random, (int)shape.Count)));
        }
        if (tied) tensors["output.weight"] = tensors["decoder.embedding.weight"];
        string[] words = ["<s>", "</s>", "\0 \"quoted\" \uD83D\uDE00", "", "<unk>"];
        string[] fewer = ["<s>", "</s>", "\uFFFD", "<unk>"];
        return new ModelData
        {
            Path = "memory",
            Format = "made by a test",
            Config = config,
            Tensors = tensors,
            SourceVocabulary = new Vocabulary(config.SourceVocabulary == 5 ? words : fewer, "<unk>"),
            TargetVocabulary = new Vocabulary(words, "<unk>"),
            Tokens = tokens,
            Tokenizer = "character",
            SplitLongerThan = 77,
        };
    }

    private static void AssertSame(ModelData expected, ModelData found)
    {
        Assert.Equal(expected.Config, found.Config);
        Assert.Equal(expected.Tokens, found.Tokens);
        Assert.Equal(expected.Tokenizer, found.Tokenizer);
        Assert.Equal(expected.SplitLongerThan, found.SplitLongerThan);
        Assert.Equal(expected.Rounding, found.Rounding);
        Assert.Equal(expected.SourceVocabulary.Tokens, found.SourceVocabulary.Tokens);
        Assert.Equal(expected.TargetVocabulary.Tokens, found.TargetVocabulary.Tokens);
        Assert.Equal(expected.Tensors.Keys.Order(), found.Tensors.Keys.Order());
        foreach (var (name, tensor) in expected.Tensors)
        {
            HostTensor other = found.Tensors[name];
            Assert.Equal((tensor.Type, tensor.Shape), (other.Type, other.Shape));
            Assert.Equal(tensor.Scales, other.Scales);
        }
    }

    private static JsonNode Merge(JsonNode into, JsonNode change)
    {
        foreach (var (key, value) in change.AsObject())
        {
            if (value is JsonObject && into[key] is JsonObject inner) Merge(inner, value);
            else into[key] = value?.DeepClone();
        }
        return into;
    }
}
