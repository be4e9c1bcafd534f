// CTranslate2 models that are refused: what the engine does not have, and what is broken in a way of this format alone.
using System.Buffers.Binary;
using Engine.Formats;
using Engine.Tensors;
using Xunit;

namespace Engine.Tests.Formats;

public class CTranslate2RefusalTests
{
    public static TheoryData<string> Unsupported =>
    [
        "encoder/layer_0/self_attention/relative_position_keys",
        "encoder/layer_0/self_attention/relative_attention_bias",
        "decoder/layer_0/self_attention/rotary_dim",
        "decoder/layer_0/attention/q_norm/gamma",
        "decoder/layer_0/self_attention/num_heads_kv",
        "decoder/layer_0/self_attention/multi_query",
        "decoder/layer_0/self_attention/layer_norm/layer_norm_use_residual",
        "decoder/layer_0/layer_scalar",
        "decoder/layer_0/shared_layer_norm/gamma",
        "decoder/layer_2/ffn/linear_0/weight",
        "decoder/project_in/weight",
        "decoder/scale_outputs",
        "decoder/final_logit_softcapping",
        "decoder/alibi",
        "encoder/sliding_window",
        "encoder/embeddings_1/weight",
        "decoder/projection/weight_zero",
        "decoder/projection/weight_scale",
        "anything_else",
    ];

    [Theory, MemberData(nameof(Unsupported))]
    public void What_would_change_the_graph_is_refused_by_name(string name)
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6);
        writer.Add(name, DType.Int8, [], [3]);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            TinyModel.Load(TinyModel.Write(directory["model"], writer)));
        Assert.Contains(name, error.Field, StringComparison.Ordinal);
        Assert.Contains("not supported", error.Message, StringComparison.Ordinal);
        Assert.Equal(Path.Combine(directory["model"], "model.bin"), error.File);
    }

    public static TheoryData<string, string, string> Unfit => new()
    {
        { "decoder/layer_0/attention/head_dim", "3", "head size" },
        { "decoder/layer_0/attention/queries_scale", "2.5", "scale" },
    };

    [Theory, MemberData(nameof(Unfit))]
    public void An_attention_that_differs_from_its_neighbours_is_refused(string name, string value, string message)
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6);
        if (value == "3") writer.Add(name, DType.Int32, [], [3, 0, 0, 0]);
        else writer.Add(name, [], 2.5f);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            TinyModel.Load(TinyModel.Write(directory["model"], writer)));
        Assert.Contains(name, error.Field, StringComparison.Ordinal);
        Assert.Contains(message, error.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_kinds_of_models_are_refused_by_their_name()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6);
        writer.Spec = "WhisperSpec";
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            TinyModel.Load(TinyModel.Write(directory["model"], writer)));
        Assert.Equal("\"WhisperSpec\"", error.Found);
    }

    [Fact]
    public void Weights_quantised_in_groups_are_refused()
    {
        using var directory = new TemporaryDirectory();
        string place = TinyModel.Write(directory["model"], TinyModel.Build(6));
        Dictionary<string, object?> config = TinyModel.Config();
        config["quantization_type"] = 1;
        TinyModel.WriteConfig(place, config);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(place));
        Assert.Equal("\"quantization_type\"", error.Field);
    }

    [Theory]
    [InlineData("decoder/layer_0/ffn/linear_1/weight",
        "the shape of decoder/layer_0/ffn/linear_1/weight (decoder.layers.0.feed_forward.down.weight)")]
    [InlineData("decoder/layer_0/self_attention/linear_0/weight",
        "the shape of decoder/layer_0/self_attention/linear_0/weight")]
    [InlineData("decoder/layer_0/self_attention/linear_0/bias",
        "the shape of decoder/layer_0/self_attention/linear_0/bias")]
    [InlineData("encoder/layer_norm/beta", "the shape of encoder/layer_norm/beta (encoder.final_norm.bias)")]
    [InlineData("decoder/projection/weight", "the shape of decoder/projection/weight (output.weight)")]
    public void A_wrong_shape_names_the_tensor(string name, string field)
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6);
        writer.Replace(name, old =>
        {
            long[] dims = [old.Dims[0] + 1, .. old.Dims[1..]];
            return (old.Type, dims, new byte[4 * dims.Aggregate((a, b) => a * b)]);
        });
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            TinyModel.Load(TinyModel.Write(directory["model"], writer)));
        Assert.Equal(field, error.Field);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(1e-40f)]
    public void A_scale_must_be_a_number_to_divide_by(float scale)
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6, DType.Int8);
        writer.Replace("decoder/layer_0/ffn/linear_1/weight_scale", old =>
            old with { Data = CTranslate2Writer.Bytes([1, scale, 1, 1]) });
        ModelFormatException error = Assert.Throws<ModelFormatException>(() =>
            ModelReader.Open(TinyModel.Write(directory["model"], writer)));
        Assert.Contains("decoder/layer_0/ffn/linear_1/weight", error.Field, StringComparison.Ordinal);
        Assert.Contains("scale", error.Field, StringComparison.Ordinal);
    }

    [Fact]
    public void A_weight_that_is_no_number_is_found_when_it_is_read()
    {
        using var directory = new TemporaryDirectory();
        CTranslate2Writer writer = TinyModel.Build(6);
        writer.Replace("decoder/layer_0/self_attention/linear_0/weight", old =>
        {
            BinaryPrimitives.WriteSingleLittleEndian(old.Data.AsSpan(4 * ((5 * 4) + 2)), float.NaN);
            return old;
        });
        using ModelData model = ModelReader.Open(TinyModel.Write(directory["model"], writer));
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => TinyModel.ReadAll(model));
        Assert.Equal("decoder/layer_0/self_attention/linear_0/weight[1, 2]", error.Field);   // row 1 of the keys
    }

    [Fact]
    public void A_file_that_shrinks_while_it_is_open_is_an_error()
    {
        using var directory = new TemporaryDirectory();
        string place = TinyModel.Write(directory["model"], TinyModel.Build(6));
        using ModelData model = ModelReader.Open(place);
        if (!OperatingSystem.IsWindows())
        {
            byte[] bytes = File.ReadAllBytes(Path.Combine(place, "model.bin"));
            using (var stream = new FileStream(Path.Combine(place, "model.bin"), FileMode.Open, FileAccess.Write,
                FileShare.ReadWrite | FileShare.Delete))
                stream.SetLength(bytes.Length / 2);
            ModelFormatException error = Assert.Throws<ModelFormatException>(() => TinyModel.ReadAll(model));
            Assert.Equal("the length", error.Field);
        }
    }
}
