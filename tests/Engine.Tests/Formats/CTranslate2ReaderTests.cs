// CTranslate2 models: the fixtures that its own converter wrote, and small files of every binary version.
using Engine.Backends;
using Engine.Formats;
using Engine.Models;
using Engine.Tensors;
using Xunit;

namespace Engine.Tests.Formats;

public class CTranslate2ReaderTests
{
    public static TheoryData<string, DType, int> Fixtures => new()
    {
        { "aren-transliteration", DType.Float32, 2 },
        { "aren-transliteration-i8", DType.Int8, 2 },
        { "aren-transliteration-i16", DType.Int16, 2 },
        { "aren-v6-float32", DType.Float32, 6 },
        { "aren-v6-float16", DType.Float16, 6 },
        { "aren-v6-bfloat16", DType.BFloat16, 6 },
        { "aren-v6-int8", DType.Int8, 6 },
    };

    [Theory, MemberData(nameof(Fixtures))]
    public void Fixtures_are_read_as_their_converter_meant_them(string name, DType type, int version)
    {
        using ModelData model = ModelReader.Open(TestData.Find($"ct2/{name}"));
        Assert.Equal($"CTranslate2, binary version {version}", model.Format);
        Assert.Equal(version <= 4 ? ActivationRounding.Legacy : ActivationRounding.Nearest, model.Rounding);
        Assert.Equal("space", model.Tokenizer);
        Assert.Equal(new SpecialTokens(), model.Tokens);
        Assert.Equal(51, model.SourceVocabulary.Count);
        Assert.Equal(43, model.TargetVocabulary.Count);
        Assert.Equal(50, model.SourceVocabulary.UnknownId);
        Assert.Equal(42, model.TargetVocabulary.UnknownId);
        var stack = new StackConfig
        {
            Layers = 6,
            HiddenDim = 128,
            Attention = new AttentionConfig { Heads = 8, HeadDim = 4, Scale = model.Config.Encoder.Attention.Scale },
            PreNorm = true,
            FinalNorm = true,
            NormEpsilon = 1e-5f,
            Positions = new PositionConfig { Interleaved = false, Start = 1, ReachesLongest = true },
        };
        Assert.Equal(new TransformerConfig
        {
            ModelDim = 32,
            SourceVocabulary = 51,
            TargetVocabulary = 43,
            Encoder = stack,
            Decoder = stack,
        }, model.Config);
        Assert.True(stack.Attention.Scale is null or 0.5f);
        Assert.All(model.Tensors.Where(pair => TensorSpec.Of(model.Config).Single(spec => spec.Name == pair.Key)
            .Role == TensorRole.Weight),
            pair => Assert.Equal(type, pair.Value.Type));
        Dictionary<string, float[]> values = TinyModel.ReadAll(model);
        Assert.Equal(32 * 43, values["output.weight"].Length);

        // The same weights in every build: within half a step of the stored type, or a whole one where it was cut.
        using ModelData original = ModelReader.Open(TestData.Find("ct2/aren-transliteration"));
        foreach (var (key, expected) in TinyModel.ReadAll(original))
        {
            HostTensor tensor = model.Tensors[key];
            for (int i = 0; i < expected.Length; i++)
            {
                float step = tensor.Type switch
                {
                    DType.Float32 => 0,
                    DType.Float16 => MathF.Max(MathF.Abs(expected[i]) / 2048, 3e-8f),
                    DType.BFloat16 => MathF.Abs(expected[i]) / 256,
                    DType.Int8 => 1.0001f / tensor.Scales![i / tensor.Shape.Columns],
                    _ => 1.0001f / tensor.Scales![0],
                };
                Assert.InRange(values[key][i], expected[i] - step, expected[i] + step);
            }
        }
    }

    [Theory]
    [InlineData("aren-transliteration", "aren-transliteration-i8", DType.Int8, ActivationRounding.Legacy)]
    [InlineData("aren-transliteration", "aren-v6-int8", DType.Int8, ActivationRounding.Nearest)]
    [InlineData("aren-transliteration", "aren-v6-float16", DType.Float16, ActivationRounding.Nearest)]
    [InlineData("aren-transliteration", "aren-v6-bfloat16", DType.BFloat16, ActivationRounding.Nearest)]
    public void Conversion_gives_the_bits_of_the_reference_converter(
        string from, string to, DType type, ActivationRounding rounding)
    {
        using ModelData floats = ModelReader.Open(TestData.Find($"ct2/{from}"));
        using ModelData expected = ModelReader.Open(TestData.Find($"ct2/{to}"));
        foreach (var (name, tensor) in expected.Tensors)
        {
            HostTensor converted = WeightConversion.Convert(floats.Tensors[name], tensor.Type, rounding);
            Assert.Equal(TinyModel.ReadBytes(tensor), TinyModel.ReadBytes(converted));
            Assert.Equal(tensor.Scales, converted.Scales);
        }
        Assert.Equal(type, expected.Tensors["output.weight"].Type);
    }

    [Fact]
    public void Old_int16_weights_were_cut_at_a_thousandth()
    {
        using ModelData floats = ModelReader.Open(TestData.Find("ct2/aren-transliteration"));
        using ModelData model = ModelReader.Open(TestData.Find("ct2/aren-transliteration-i16"));
        foreach (var (name, tensor) in model.Tensors)
        {
            if (tensor.Type != DType.Int16) continue;
            Assert.Equal([1000f], tensor.Scales!);
            short[] expected = [.. floats.Tensors[name].ReadFloats()
                .Select(value => (short)MathF.Truncate(value * 1000))];
            Assert.Equal(expected, TinyModel.Int16s(TinyModel.ReadBytes(tensor)));
        }
    }

    [Theory]
    [InlineData(1, DType.Float32)]
    [InlineData(1, DType.Int8)]
    [InlineData(1, DType.Int16)]
    [InlineData(2, DType.Int8)]
    [InlineData(3, DType.Int16)]
    [InlineData(3, DType.Float32)]
    [InlineData(4, DType.Int8)]
    [InlineData(4, DType.BFloat16)]
    [InlineData(5, DType.Float16)]
    [InlineData(6, DType.Int16)]
    public void Every_binary_version_is_read(int version, DType type)
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = version == 1 ? TinyModel.BuildVersion1(type) : TinyModel.Build(version, type);
        using ModelData model = ModelReader.Open(TinyModel.Write(directory["model"], writer));
        Assert.Equal(version == 1 ? 8 : 4, model.Config.ModelDim);
        Assert.Equal(version == 1 ? 8 : 2, model.Config.Encoder.Attention.Heads);
        Assert.Equal(type, model.Tensors["decoder.layers.0.cross_attention.key.weight"].Type);
        Assert.Equal(TensorSpec.Of(model.Config).Select(spec => spec.Name).Order(), model.Tensors.Keys.Order());
        TinyModel.ReadAll(model);
    }

    [Fact]
    public void Names_of_the_first_revision_mean_the_same()
    {
        string fixture = TestData.Find("ct2/aren-transliteration");
        using var directory = new TemporaryDirectory();
        using (CTranslate2File file = CTranslate2File.Open(Path.Combine(fixture, "model.bin")))
        {
            var writer = new CTranslate2Writer(1);
            foreach (string name in file.Names)
            {
                CTranslate2Variable variable = file.Find(name)!;
                var data = new byte[variable.Count * variable.Type.Bytes()];
                file.Source.Read(variable.Offset, data);
                writer.Add(TinyModel.FirstRevisionName(name), variable.Type, variable.Dimensions, data);
            }
            File.WriteAllBytes(directory["model.bin"], writer.ToBytes());
        }
        foreach (string side in (string[])["source", "target"])
            File.Copy(Path.Combine(fixture, $"{side}_vocabulary.txt"), directory[$"{side}_vocabulary.txt"]);

        using ModelData expected = ModelReader.Open(fixture);
        using ModelData model = ModelReader.Open(directory.Path);
        Assert.Equal("CTranslate2, binary version 1", model.Format);
        Assert.Equal(expected.Config, model.Config);
        Assert.Equal(TinyModel.ReadAll(expected), TinyModel.ReadAll(model));
    }

    [Fact]
    public void A_fused_matrix_is_query_key_value_from_its_first_row_on()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6);
        float[] weight = [.. Enumerable.Range(0, 48).Select(i => (float)i)],
            bias = [.. Enumerable.Range(100, 12).Select(i => (float)i)];
        writer.Replace("decoder/layer_0/self_attention/linear_0/weight", old =>
            old with { Data = CTranslate2Writer.Bytes(weight) });
        writer.Replace("decoder/layer_0/self_attention/linear_0/bias", old =>
            old with { Data = CTranslate2Writer.Bytes(bias) });
        writer.Replace("decoder/layer_0/attention/linear_1/weight", old =>
            old with { Data = CTranslate2Writer.Bytes(weight[..32]) });
        Dictionary<string, float[]> values = TinyModel.Load(TinyModel.Write(directory["model"], writer));
        Assert.Equal(weight[..16], values["decoder.layers.0.self_attention.query.weight"]);
        Assert.Equal(weight[16..32], values["decoder.layers.0.self_attention.key.weight"]);
        Assert.Equal(weight[32..], values["decoder.layers.0.self_attention.value.weight"]);
        Assert.Equal(bias[4..8], values["decoder.layers.0.self_attention.key.bias"]);
        Assert.Equal(bias[8..], values["decoder.layers.0.self_attention.value.bias"]);
        Assert.Equal(weight[..16], values["decoder.layers.0.cross_attention.key.weight"]);
        Assert.Equal(weight[16..32], values["decoder.layers.0.cross_attention.value.weight"]);
    }

    [Fact]
    public void Aliases_are_one_tensor_with_one_scale()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(5, DType.Int8, layers: 2);
        foreach (string gone in (string[])["decoder/projection/weight", "decoder/projection/weight_scale",
            "decoder/layer_1/self_attention/linear_0/bias", "encoder/layer_1/self_attention/linear_1/weight",
            "encoder/layer_1/self_attention/linear_1/weight_scale"])
            writer.Remove(gone);
        writer.Alias("decoder/projection/weight", "decoder/embeddings/weight");   // its scale follows by itself
        writer.Alias("decoder/layer_1/self_attention/linear_0/bias", "decoder/layer_0/self_attention/linear_0/bias");
        writer.Alias("encoder/layer_1/self_attention/linear_1/weight",
            "encoder/layer_0/self_attention/linear_1/weight");
        writer.Alias("encoder/layer_1/self_attention/linear_1/weight_scale",
            "encoder/layer_0/self_attention/linear_1/weight_scale");
        using ModelData model = ModelReader.Open(TinyModel.Write(directory["model"], writer));
        Assert.Same(model.Tensors["decoder.embedding.weight"], model.Tensors["output.weight"]);
        Assert.Equal(6, model.Tensors["output.weight"].Scales!.Length);
        Assert.Same(model.Tensors["decoder.layers.0.self_attention.key.bias"],
            model.Tensors["decoder.layers.1.self_attention.key.bias"]);
        Assert.Same(model.Tensors["encoder.layers.0.self_attention.output.weight"],
            model.Tensors["encoder.layers.1.self_attention.output.weight"]);
    }

    // Two matrices of equal integers but unequal scales share the integers only.
    [Fact]
    public void An_alias_may_have_a_scale_of_its_own()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6, DType.Int8);
        writer.Remove("decoder/projection/weight");
        writer.Replace("decoder/projection/weight_scale", old =>
            old with { Data = CTranslate2Writer.Bytes([1, 2, 3, 4, 5, 6]) });
        writer.Alias("decoder/projection/weight", "decoder/embeddings/weight");
        using ModelData model = ModelReader.Open(TinyModel.Write(directory["model"], writer));
        Assert.Equal([1, 2, 3, 4, 5, 6], model.Tensors["output.weight"].Scales!);
        Assert.NotEqual(model.Tensors["output.weight"].Scales, model.Tensors["decoder.embedding.weight"].Scales);
        Assert.Equal(TinyModel.ReadBytes(model.Tensors["output.weight"]),
            TinyModel.ReadBytes(model.Tensors["decoder.embedding.weight"]));
    }

    [Fact]
    public void Int16_weights_without_a_scale_were_multiplied_by_a_thousand()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(3, DType.Int16);
        writer.Remove("encoder/embeddings_0/weight_scale");
        using ModelData model = ModelReader.Open(TinyModel.Write(directory["model"], writer));
        Assert.Equal([1000f], model.Tensors["encoder.embedding.weight"].Scales!);
    }

    [Fact]
    public void Attributes_of_both_sides_are_read()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6, layers: 3);
        writer.AddFlag("encoder/pre_norm", false);
        writer.Add("encoder/activation", DType.Int8, [], [3]);
        writer.Add("decoder/activation", DType.Int32, [], [2, 0, 0, 0]);
        writer.AddFlag("encoder/scale_embeddings", false);
        writer.Add("decoder/scale_embeddings", [], 3.5f);
        writer.Add("encoder/position_encodings/encodings", [7, 4], new float[28]);
        writer.Add("encoder/layernorm_embedding/gamma", [4], 1, 1, 1, 1);
        writer.Add("encoder/layernorm_embedding/beta", [4], 0, 0, 0, 0);
        writer.AddInteger("decoder/alignment_layer", 1);
        writer.AddInteger("decoder/alignment_heads", 0);
        writer.AddFlag("decoder/start_from_zero_embedding", true);
        writer.Remove("decoder/layer_norm/beta");
        writer.Remove("decoder/layer_norm/gamma");
        for (int i = 0; i < 3; i++)
        {
            TinyModel.AddWeight(writer, $"encoder/layer_{i}/ffn/linear_0_noact/weight", 6, 4, DType.Float32,
                new Random(i));
            writer.Add($"encoder/layer_{i}/self_attention/queries_scale", [], 1);
        }
        foreach (string idle in (string[])["decoder/alibi", "decoder/scale_alibi", "encoder/multi_query_attention",
            "encoder/embeddings_merge"])
            writer.AddFlag(idle, false);
        writer.AddFlag("decoder/alibi_use_positive_positions", true);
        writer.Add("decoder/final_logit_softcapping", [], 0);
        writer.Add("decoder/scale_outputs", [], 1);
        writer.Add("encoder/sliding_window", DType.Int32, [], [0, 0, 0, 0]);
        writer.Add("decoder/layer_2/attention/num_heads_kv", DType.Int32, [], [2, 0, 0, 0]);
        string place = TinyModel.Write(directory["model"], writer);
        Dictionary<string, object?> config = TinyModel.Config();
        (config["layer_norm_epsilon"], config["decoder_start_token"], config["add_source_eos"]) = (1e-3, null, true);
        TinyModel.WriteConfig(place, config);

        using ModelData model = ModelReader.Open(place);
        Assert.Equal(new TransformerConfig
        {
            ModelDim = 4,
            SourceVocabulary = 5,
            TargetVocabulary = 6,
            Encoder = new StackConfig
            {
                Layers = 3,
                HiddenDim = 6,
                Attention = new AttentionConfig { Heads = 2, HeadDim = 2, Scale = 1 },
                Activation = Activation.Gelu,
                Gated = true,
                FinalNorm = true,
                EmbeddingNorm = true,
                NormEpsilon = 1e-3f,
                EmbeddingScale = 1,
                Positions = new PositionConfig { Kind = PositionKind.Learned },
            },
            Decoder = new StackConfig
            {
                Layers = 3,
                HiddenDim = 6,
                Attention = new AttentionConfig { Heads = 2, HeadDim = 2 },
                Activation = Activation.Silu,
                PreNorm = true,
                NormEpsilon = 1e-3f,
                EmbeddingScale = 3.5f,
                Positions = new PositionConfig { Interleaved = false, Start = 1, ReachesLongest = true },
            },
            StartsFromZeroEmbedding = true,
            AlignmentLayer = 1,
            AlignmentHeads = 0,
        }, model.Config);
        Assert.Equal(new SpecialTokens { DecoderStart = null, AddSourceEnd = true }, model.Tokens);
        Assert.Equal(new Shape(7, 4), model.Tensors["encoder.positions.weight"].Shape);
        Assert.Equal(new Shape(6, 4), model.Tensors["encoder.layers.2.feed_forward.gate.weight"].Shape);
        Assert.False(model.Tensors.ContainsKey("encoder.layers.2.feed_forward.gate.bias"));
        TinyModel.ReadAll(model);
    }

    [Theory]
    [InlineData(0, Activation.Relu)]
    [InlineData(1, Activation.GeluTanh)]
    [InlineData(2, Activation.Silu)]
    [InlineData(3, Activation.Gelu)]
    [InlineData(4, Activation.GeluSigmoid)]
    [InlineData(5, Activation.Tanh)]
    [InlineData(6, Activation.Sigmoid)]
    public void Activations_have_their_numbers(int number, Activation expected)
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(4);
        writer.Add("decoder/activation", DType.Int8, [], [(byte)number]);
        using ModelData model = ModelReader.Open(TinyModel.Write(directory["model"], writer));
        Assert.Equal(expected, model.Config.Decoder.Activation);
    }

    [Fact]
    public void Before_revision_5_attributes_stand_at_the_root()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(4);
        writer.Revision = 3;
        writer.Remove("encoder/num_heads");
        writer.Remove("decoder/num_heads");
        writer.AddInteger("num_heads", 4);
        writer.AddFlag("pre_norm", false);
        writer.Add("activation", DType.Int8, [], [6]);
        writer.AddInteger("alignment_heads", 3);
        writer.AddInteger("alignment_layer", 0);
        writer.AddFlag("embeddings_merge", false);
        using ModelData model = ModelReader.Open(TinyModel.Write(directory["model"], writer));
        Assert.All([model.Config.Encoder, model.Config.Decoder], stack =>
        {
            Assert.Equal(4, stack.Attention.Heads);
            Assert.Equal(Activation.Sigmoid, stack.Activation);
            Assert.False(stack.PreNorm);
        });
        Assert.Equal((0, 3), (model.Config.AlignmentLayer, model.Config.AlignmentHeads));

        writer.Revision = 5;
        writer.AddInteger("encoder/num_heads", 2);
        writer.AddInteger("decoder/num_heads", 2);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            TinyModel.Load(TinyModel.Write(directory["later"], writer)));
        Assert.Contains("\"num_heads\"", error.Field, StringComparison.Ordinal);
    }

    [Fact]
    public void The_big_model_has_16_heads_by_its_name()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(2);
        writer.Spec = "TransformerBig";
        writer.Revision = 2;
        writer.Remove("encoder/num_heads");
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            TinyModel.Load(TinyModel.Write(directory["model"], writer)));
        Assert.Equal("a multiple of the 16 heads", error.Expected);
    }

    [Fact]
    public void Norms_without_beta_are_of_the_root_mean_square_form()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6);
        foreach (string name in writer.Names)
            if (name.StartsWith("encoder", StringComparison.Ordinal)
                && name.EndsWith("/beta", StringComparison.Ordinal)) writer.Remove(name);
        using ModelData model = ModelReader.Open(TinyModel.Write(directory["model"], writer));
        Assert.True(model.Config.Encoder.RmsNorm);
        Assert.Equal(1e-6f, model.Config.Encoder.NormEpsilon);
        Assert.False(model.Config.Decoder.RmsNorm);
        Assert.Equal(1e-5f, model.Config.Decoder.NormEpsilon);
    }

    [Fact]
    public void A_head_size_may_differ_from_width_by_heads()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6);
        writer.Add("encoder/layer_0/self_attention/head_dim", DType.Int32, [], [3, 0, 0, 0]);
        writer.Replace("encoder/layer_0/self_attention/linear_0/weight", _ => (DType.Float32, [18, 4], new byte[288]));
        writer.Replace("encoder/layer_0/self_attention/linear_0/bias", _ => (DType.Float32, [18], new byte[72]));
        writer.Replace("encoder/layer_0/self_attention/linear_1/weight", _ => (DType.Float32, [4, 6], new byte[96]));
        using ModelData model = ModelReader.Open(TinyModel.Write(directory["model"], writer));
        Assert.Equal(3, model.Config.Encoder.Attention.HeadDim);
        Assert.Equal(new Shape(6, 4), model.Tensors["encoder.layers.0.self_attention.value.weight"].Shape);
    }

    [Theory]
    [InlineData(true, true, false, "<b>")]
    [InlineData(true, false, false, "<e>")]
    [InlineData(true, true, true, null)]
    [InlineData(false, false, false, "</s>")]
    public void Before_version_6_tokens_are_variables(bool named, bool startsWithBegin, bool byUser, string? start)
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(5);
        if (named)
        {
            writer.AddText("unk_token", "α");
            writer.AddText("bos_token", "<b>");
            writer.AddText("eos_token", "<e>");
        }
        writer.AddFlag("with_source_bos", true);
        writer.AddFlag("with_source_eos", true);
        writer.AddFlag("with_target_bos", startsWithBegin);
        writer.AddFlag("user_decoder_start_tokens", byUser);
        string place = TinyModel.Write(directory["model"], writer);
        if (named)
        {
            File.WriteAllText(Path.Combine(place, "source_vocabulary.txt"), "x\n<b>\n<e>\ny\n");
            File.WriteAllText(Path.Combine(place, "target_vocabulary.txt"), "x\n<b>\n<e>\n\n\0\nα");
        }
        using ModelData model = ModelReader.Open(place);
        Assert.Equal(start, model.Tokens.DecoderStart);
        Assert.True(model.Tokens.AddSourceBegin && model.Tokens.AddSourceEnd);
        Assert.Equal(named ? "α" : "<unk>", model.Tokens.Unknown);
        Assert.Equal(model.Tokens.Unknown, model.SourceVocabulary[4]);
        if (named) Assert.Equal(["x", "<b>", "<e>", "", "\0", "α"], model.TargetVocabulary.Tokens);
    }

    [Fact]
    public void Marian_may_start_with_a_token_that_is_in_no_vocabulary()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6);
        string place = TinyModel.Write(directory["model"], writer);
        Dictionary<string, object?> config = TinyModel.Config();
        config["decoder_start_token"] = "<start>";
        TinyModel.WriteConfig(place, config);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(place));
        Assert.Equal(("the decoder start token", "\"<start>\""), (error.Field, error.Found));
        writer.AddFlag("decoder/start_from_zero_embedding", true);
        File.WriteAllBytes(Path.Combine(place, "model.bin"), writer.ToBytes());
        ModelReader.Open(place).Dispose();
    }
}
