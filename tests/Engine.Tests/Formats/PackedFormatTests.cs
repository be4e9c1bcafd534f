// A packed file is the same model: the same rows for every backend, the same bits out of the CPU's, which uses it where it is mapped.
using System.Buffers.Binary;
using System.Text.Json.Nodes;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Memory;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Tensors;
using Engine.Tests.Decoding;
using Xunit;

namespace Engine.Tests.Formats;

[Collection("Native memory")]
public class PackedFormatTests
{
    public static TheoryData<string, DType> Models
    {
        get
        {
            var models = new TheoryData<string, DType>();
            foreach (string shape in ModelShapes.Names)
                foreach (DType type in (DType[])[DType.Float32, DType.Float16, DType.BFloat16, DType.Int8, DType.Int16])
                    models.Add(shape, type);
            return models;
        }
    }

    [Theory, MemberData(nameof(Models))]
    public void The_same_bits_come_out_of_both_layouts(string shape, DType type)
    {
        using var directory = new TemporaryDirectory();
        Write(directory, shape, type);
        using var backend = new CpuBackend();
        IReadOnlyList<TranslationResult> expected = Translate(backend, directory["rows"], shape);
        IReadOnlyList<TranslationResult> found = Translate(backend, directory["packed"], shape);
        Assert.Equal(expected.Count, found.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected[i].Hypotheses.Select(found => found.Tokens), found[i].Hypotheses.Select(found => found.Tokens));
            Assert.Equal(Bits(expected[i]), Bits(found[i]));
        }
    }

    [Theory, MemberData(nameof(Models))]
    public void Read_as_rows_a_packed_file_has_the_same_numbers(string shape, DType type)
    {
        using var directory = new TemporaryDirectory();
        Write(directory, shape, type);
        using ModelData rows = ModelReader.Open(directory["rows"]), packed = ModelReader.Open(directory["packed"]);
        Assert.Equal(rows.Config, packed.Config);
        Assert.Equal(rows.Tensors.Keys.Order(), packed.Tensors.Keys.Order());
        foreach (var (name, tensor) in rows.Tensors)
        {
            HostTensor other = packed.Tensors[name];
            Assert.Equal((tensor.Type, tensor.Shape), (other.Type, other.Shape));
            if (type == DType.Int16 && tensor.Type == type) continue;   // parts of a product have one scale there
            Assert.Equal(tensor.Scales, other.Scales);
            Assert.Equal(TinyModel.ReadBytes(tensor), TinyModel.ReadBytes(other));
            var one = new byte[tensor.Type.Bytes()];
            int row = tensor.Shape.Rows - 1, column = tensor.Shape.Columns / 2;
            other.ReadBytes(row, column, one);
            Assert.Equal(TinyModel.ReadBytes(tensor.RowRange(row, 1)).AsSpan(column * one.Length, one.Length).ToArray(), one);
        }
    }

    [Fact]
    public void Another_backend_reads_it_too()
    {
        using var directory = new TemporaryDirectory();
        Write(directory, "odd", DType.Float32);
        using var backend = new ReferenceBackend();
        IReadOnlyList<TranslationResult> expected = Translate(backend, directory["rows"], "odd");
        IReadOnlyList<TranslationResult> found = Translate(backend, directory["packed"], "odd");
        for (int i = 0; i < expected.Count; i++) Assert.Equal(Bits(expected[i]), Bits(found[i]));
    }

    [Theory]
    [InlineData(WeightLayout.Rows)]
    [InlineData(WeightLayout.Packed)]
    public void Converting_to_packed_and_back_changes_nothing(WeightLayout between)
    {
        using var directory = new TemporaryDirectory();
        using (ModelData model = RandomModel.Create(Config("odd"), tied: true))
        {
            ModelWriter.Write(model, directory["rows"], DType.Int8, cancellation: TestContext.Current.CancellationToken);
            ModelWriter.Write(model, directory["first"], DType.Int8, between, cancellation: TestContext.Current.CancellationToken);
        }

        using (ModelData model = ModelReader.Open(directory["first"]))
        {
            Assert.Same(model.Tensors["output.weight"], model.Tensors["decoder.embedding.weight"]);
            ModelWriter.Write(model, directory["packed"], layout: WeightLayout.Packed, cancellation: TestContext.Current.CancellationToken);
        }

        using (ModelData model = ModelReader.Open(directory["packed"])) ModelWriter.Write(model, directory["again"], cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(
            File.ReadAllBytes(Path.Combine(directory["rows"], "model.safetensors")),
            File.ReadAllBytes(Path.Combine(directory["again"], "model.safetensors")));
    }

    [Fact]
    public void Layers_that_share_their_weights_share_them_in_the_file()
    {
        using var directory = new TemporaryDirectory();
        using (ModelData model = RandomModel.Create(Config("paper")))
        {
            var tensors = (Dictionary<string, HostTensor>)model.Tensors;
            foreach (string name in tensors.Keys.Where(name => name.StartsWith("encoder.layers.1.", StringComparison.Ordinal)).ToArray())
                tensors[name] = tensors[name.Replace("layers.1.", "layers.0.", StringComparison.Ordinal)];
            ModelWriter.Write(model, directory["packed"], layout: WeightLayout.Packed, cancellation: TestContext.Current.CancellationToken);
        }

        using ModelData again = ModelReader.Open(directory["packed"]);
        Assert.Same(
            again.Tensors["encoder.layers.0.self_attention.key.weight"],
            again.Tensors["encoder.layers.1.self_attention.key.weight"]);
    }

    [Fact]
    public void Weights_are_used_where_the_file_is_mapped()
    {
        using var directory = new TemporaryDirectory();
        Write(directory, "paper", DType.Float32);
        using var backend = new CpuBackend();
        long before = NativeBuffer.LiveBytes;
        using (Translator rows = Translator.Load(directory["rows"], new TranslatorOptions(backend)))
        {
            Assert.InRange(NativeBuffer.LiveBytes - before, rows.WeightBytes, long.MaxValue);
            rows.Translate(new TranslationRequest(["t3", "t4"]));
        }

        before = NativeBuffer.LiveBytes;   // with the backend's arena, which stays
        using (Translator packed = Translator.Load(directory["packed"], new TranslatorOptions(backend)))
        {
            long matrices = new FileInfo(Path.Combine(directory["packed"], "model.safetensors")).Length / 2;
            Assert.InRange(NativeBuffer.LiveBytes - before, 0, packed.WeightBytes - matrices);
            if (OperatingSystem.IsLinux())
            {
                // Looked through without a page of the mapping being touched; then shared and clean: another process that
                // maps the file has the same pages.
                Dictionary<string, string> mapping = Mapping(directory["packed"])!;
                Assert.Equal("0 kB", mapping["Rss"]);
                packed.Translate(new TranslationRequest(["t3", "t4"]));
                mapping = Mapping(directory["packed"])!;
                Assert.Equal("0 kB", mapping["Private_Dirty"]);
                Assert.Equal("0 kB", mapping["Shared_Dirty"]);
                Assert.NotEqual("0 kB", mapping["Rss"]);
            }
        }

        Assert.Equal(before, NativeBuffer.LiveBytes);
        if (OperatingSystem.IsLinux()) Assert.Null(Mapping(directory["packed"]));
    }

    [Theory]
    [InlineData(DType.Float32, "encoder.layers.0.self_attention.query_key_value.weight", 0,
        "encoder.layers.0.self_attention.query.weight[0, 0] is NaN")]
    [InlineData(DType.Float32, "encoder.layers.0.self_attention.query_key_value.weight", (21 * 16) + 3,
        "encoder.layers.0.self_attention.key.weight[4, 0] is NaN")]
    [InlineData(DType.BFloat16, "decoder.layers.0.feed_forward.up.weight", 17,
        "decoder.layers.0.feed_forward.up.weight[1, 1] is NaN")]
    [InlineData(DType.Float32, "output.weight", -1, "the padding of output.weight at [111, 20] is not zero")]
    [InlineData(DType.Int8, "decoder.cross_attention.key_value.weight", -1,
        "the padding of decoder.layers.1.cross_attention.value.weight at [63, 23] is not zero")]
    [InlineData(DType.Int8, "encoder.layers.0.feed_forward.up.weight", (5 * 64) + 1,
        "the padding of encoder.layers.0.feed_forward.up.weight at [0, 21] is not zero")]
    public void A_wrong_number_is_refused_by_its_place(DType type, string name, int element, string message)
    {
        using var directory = new TemporaryDirectory();
        Write(directory, "odd", type);
        string file = Path.Combine(directory["packed"], "model.safetensors");
        byte[] bytes = File.ReadAllBytes(file);
        using (SafeTensorsFile tensors = SafeTensorsFile.Open(file))
        {
            SafeTensorsEntry entry = tensors.Entries[name];
            int size = type.Bytes();
            long start = 8 + BinaryPrimitives.ReadInt64LittleEndian(bytes) + entry.Begin;
            long place = element < 0 ? entry.End - entry.Begin - size : (long)element * size;
            bytes.AsSpan((int)(start + place), size).Fill(0xFF);
        }

        File.WriteAllBytes(file, bytes);
        using var backend = new CpuBackend();
        var error = Assert.Throws<ModelFormatException>(
            () => Translator.Load(directory["packed"], new TranslatorOptions(backend)));
        Assert.Equal(file, error.File);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> WrongConfigurations => new()
    {
        { """{"layout": "columns"}""", "\"layout\" is \"columns\", expected \"rows\" or \"packed\"" },
        { """{"layout": "rows"}""", "a matrix or a vector" },
        { """{"source_vocabulary_size": null}""", "\"source_vocabulary_size\"" },
        { """{"source_vocabulary_size": 113}""",
            "the shape of encoder.embedding.weight is [7, 21, 16, 1], expected [8, 21, 16, 1]" },
        { """{"encoder": {"layers": 2000000000}}""", "encoder.layers.2.self_attention_norm.weight is missing" },
        { """{"decoder": {"layers": 1}}""", "the shape of decoder.cross_attention.key_value.weight is [4, 21, 16, 1]" },
        { """{"aliases": {"output.bia": "output.weight"}}""", "\"output.bia\" is there" },
        { """{"aliases": {"encoder.layers.0.self_attention.query.weight": "output.weight"}}""",
            "\"encoder.layers.0.self_attention.query.weight\" is there" },
    };

    [Theory, MemberData(nameof(WrongConfigurations))]
    public void A_wrong_configuration_is_refused(string change, string message)
    {
        using var directory = new TemporaryDirectory();
        Write(directory, "odd", DType.Float32);
        string file = Path.Combine(directory["packed"], "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(file))!;
        foreach (var (key, value) in JsonNode.Parse(change)!.AsObject())
        {
            if (value is JsonObject inner) foreach (var (word, part) in inner) config[key]![word] = part?.DeepClone();
            else config[key] = value?.DeepClone();
        }

        File.WriteAllText(file, config.ToJsonString());
        var error = Assert.Throws<ModelFormatException>(() => ModelReader.Open(directory["packed"]));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    // A file has no sinusoids of an odd width.
    private static TransformerConfig Config(string shape)
    {
        TransformerConfig config = ModelShapes.Config(shape);
        if (shape != "odd") return config;
        var learned = new PositionConfig { Kind = PositionKind.Learned };
        return config with
        {
            Encoder = config.Encoder with { Positions = learned },
            Decoder = config.Decoder with { Positions = learned },
        };
    }

    private static void Write(TemporaryDirectory directory, string shape, DType type)
    {
        using (ModelData model = RandomModel.Create(Config(shape)))
            ModelWriter.Write(model, directory["float"], layout: WeightLayout.Packed, cancellation: TestContext.Current.CancellationToken);
        using (ModelData model = ModelReader.Open(directory["float"]))
        {
            ModelWriter.Write(model, directory["packed"], type, WeightLayout.Packed, cancellation: TestContext.Current.CancellationToken);
            if (type != DType.Int16) ModelWriter.Write(model, directory["rows"], type, cancellation: TestContext.Current.CancellationToken);
        }

        // int16 parts of a product get one scale when they are converted together, so rows are made of what was packed.
        if (type != DType.Int16) return;
        using ModelData packed = ModelReader.Open(directory["packed"]);
        ModelWriter.Write(packed, directory["rows"], cancellation: TestContext.Current.CancellationToken);
    }

    private static IReadOnlyList<TranslationResult> Translate(IBackend backend, string model, string shape)
    {
        using Translator translator = Translator.Load(model, new TranslatorOptions(backend));
        var random = new Random(1);
        int vocabulary = Config(shape).SourceVocabulary;
        var options = new DecodingOptions { BeamSize = 3, NumHypotheses = 2, MaxDecodingLength = 12 };
        return translator.TranslateBatch(
            [.. Enumerable.Range(3, 4).Select(length =>
                new TranslationRequest(RandomModel.Sentence(random, length, vocabulary)) { Options = options })],
            TestContext.Current.CancellationToken);
    }

    private static int[] Bits(TranslationResult result) =>
        [.. result.Hypotheses.Select(hypothesis => BitConverter.SingleToInt32Bits(hypothesis.Score))];

    // The fields of the mapping of a model's file, null where there is none.
    private static Dictionary<string, string>? Mapping(string directory)
    {
        Dictionary<string, string>? found = null;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!words[0].EndsWith(':'))
            {
                if (found is not null) return found;
                if (line.Contains(directory, StringComparison.Ordinal)) found = new Dictionary<string, string>();
            }
            else if (found is not null) found[words[0][..^1]] = string.Join(' ', words[1..]);
        }

        return found;
    }
}
