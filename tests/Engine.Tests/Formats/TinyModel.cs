// Models of a few kilobytes in CTranslate2's format, of any binary version and weight type.
using System.Buffers.Binary;
using System.Text.Json;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Tests.Formats;

/// <summary>Makes tiny models: width 4, 2 heads, hidden 6, one layer a side, 5 source and 6 target tokens.</summary>
internal static class TinyModel
{
    public const int Width = 4;
    public const int Hidden = 6;
    public static readonly string[] SourceTokens = ["<blank>", "<s>", "</s>", "α", "<unk>"];
    public static readonly string[] TargetTokens = ["<blank>", "<s>", "</s>", "a", "b", "<unk>"];

    /// <summary>Variables by the names of revisions 2 and later.</summary>
    public static CTranslate2Writer Build(int version, DType weights = DType.Float32, int layers = 1)
    {
        var writer = new CTranslate2Writer(version, "TransformerSpec", version >= 6 ? 7 : 5);
        var random = new Random(1);
        foreach (var (side, count) in (ReadOnlySpan<(string, int)>)[("encoder", 5), ("decoder", 6)])
        {
            writer.AddInteger($"{side}/num_heads", 2);
            Weight(side == "encoder" ? "encoder/embeddings_0/weight" : "decoder/embeddings/weight", count, Width);
            Norm($"{side}/layer_norm");
            for (int i = 0; i < layers; i++)
            {
                string layer = $"{side}/layer_{i}";
                Linear($"{layer}/self_attention/linear_0", 3 * Width, Width);
                Linear($"{layer}/self_attention/linear_1", Width, Width);
                Norm($"{layer}/self_attention/layer_norm");
                if (side == "decoder")
                {
                    Linear($"{layer}/attention/linear_0", Width, Width);
                    Linear($"{layer}/attention/linear_1", 2 * Width, Width);
                    Linear($"{layer}/attention/linear_2", Width, Width);
                    Norm($"{layer}/attention/layer_norm");
                }
                Linear($"{layer}/ffn/linear_0", Hidden, Width);
                Linear($"{layer}/ffn/linear_1", Width, Hidden);
                Norm($"{layer}/ffn/layer_norm");
            }
        }
        Linear("decoder/projection", 6, Width);
        return writer;

        void Linear(string name, int rows, int columns)
        {
            Weight($"{name}/weight", rows, columns);
            writer.Add($"{name}/bias", [rows], Values(random, rows));
        }

        void Norm(string name)
        {
            writer.Add($"{name}/beta", [Width], Values(random, Width));
            writer.Add($"{name}/gamma", [Width], Values(random, Width));
        }

        void Weight(string name, int rows, int columns) => AddWeight(writer, name, rows, columns, weights, random);
    }

    public static void AddWeight(
        CTranslate2Writer writer, string name, int rows, int columns, DType type, Random random)
    {
        float[] values = Values(random, rows * columns);
        HostTensor floats = HostTensor.FromValues(name, new Shape(rows, columns), values);
        HostTensor tensor = WeightConversion.Convert(floats, type);
        var bytes = new byte[tensor.Bytes];
        tensor.ReadBytes(0, bytes);
        writer.Add(name, type, [rows, columns], bytes);
        if (type == DType.Int8) writer.Add($"{name}_scale", [rows], tensor.Scales!);
        if (type == DType.Int16) writer.Add($"{name}_scale", [], tensor.Scales!);
    }

    /// <summary>The names of OpenNMT-tf, which files of the first revision have.</summary>
    public static string FirstRevisionName(string name)
    {
        name = name.Replace("embeddings_0/weight", "embeddings/weight", StringComparison.Ordinal)
            .Replace("embeddings/weight", "w_embs", StringComparison.Ordinal)
            .Replace("projection", "dense", StringComparison.Ordinal)
            .Replace("layer_norm", "LayerNorm", StringComparison.Ordinal)
            .Replace("linear_0", "conv1d", StringComparison.Ordinal)
            .Replace("linear_", "conv1d_", StringComparison.Ordinal)
            .Replace("weight", "kernel", StringComparison.Ordinal);
        name = name.StartsWith("encoder", StringComparison.Ordinal)
            ? name.Replace("self_attention", "multi_head", StringComparison.Ordinal)
            : name.Replace("self_attention", "masked_multi_head", StringComparison.Ordinal)
                .Replace("/attention/", "/multi_head/", StringComparison.Ordinal);
        return $"transformer/{name}:0";
    }

    /// <summary>The same in binary version 1, which has no attributes: its 8 heads need another width.</summary>
    public static CTranslate2Writer BuildVersion1(DType weights)
    {
        CTranslate2Writer model = Build(2, weights);
        var first = new CTranslate2Writer(1);
        // The head size of 4 / 8 heads is no whole number: every extent of 4 becomes 8.
        var random = new Random(2);
        foreach (string name in model.Names)
        {
            if (name.EndsWith("/num_heads", StringComparison.Ordinal)) continue;
            model.Replace(name, old =>
            {
                if (name.EndsWith("_scale", StringComparison.Ordinal)) return old;
                long[] dims = [.. old.Dims.Select(extent => extent % 4 == 0 ? 2 * extent : extent)];
                string newName = FirstRevisionName(name);
                if (dims.Length == 2) AddWeight(first, newName, (int)dims[0], (int)dims[1], weights, random);
                else first.Add(newName, dims, Values(random, (int)dims[0]));
                return old;
            });
        }
        return first;
    }

    /// <summary>Writes the model with its vocabularies, and for version 6 its configuration.</summary>
    public static string Write(string directory, CTranslate2Writer writer)
    {
        Directory.CreateDirectory(directory);
        File.WriteAllBytes(Path.Combine(directory, "model.bin"), writer.ToBytes());
        WriteVocabularies(directory, json: writer.Version >= 6);
        if (writer.Version >= 6) WriteConfig(directory, Config());
        return directory;
    }

    public static void WriteVocabularies(string directory, bool json)
    {
        foreach (var (side, tokens) in
            (ReadOnlySpan<(string, string[])>)[("source", SourceTokens), ("target", TargetTokens)])
        {
            string file = Path.Combine(directory, $"{side}_vocabulary");
            if (json) File.WriteAllText(file + ".json", JsonSerializer.Serialize(tokens));
            // <unk> is implied
            else File.WriteAllText(file + ".txt", string.Concat(tokens[..^1].Select(token => token + "\n")));
        }
    }

    public static Dictionary<string, object?> Config() => new()
    {
        ["unk_token"] = "<unk>",
        ["bos_token"] = "<s>",
        ["eos_token"] = "</s>",
        ["decoder_start_token"] = "<s>",
        ["add_source_bos"] = false,
        ["add_source_eos"] = false,
        ["layer_norm_epsilon"] = null,
        ["multi_query_attention"] = false,
    };

    public static void WriteConfig(string directory, Dictionary<string, object?> config) =>
        File.WriteAllText(Path.Combine(directory, "config.json"), JsonSerializer.Serialize(config));

    public static float[] Values(Random random, int count)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)((2 * random.NextDouble()) - 1);
        return values;
    }

    /// <summary>Opens a model and reads all of its tensors.</summary>
    public static Dictionary<string, float[]> Load(string directory)
    {
        using ModelData model = ModelReader.Open(directory);
        return ReadAll(model);
    }

    public static Dictionary<string, float[]> ReadAll(ModelData model) =>
        model.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.ReadFloats());

    /// <summary>The bytes of a tensor, as stored.</summary>
    public static byte[] ReadBytes(HostTensor tensor)
    {
        var bytes = new byte[tensor.Bytes];
        tensor.ReadBytes(0, bytes);
        return bytes;
    }

    public static short[] Int16s(byte[] bytes)
    {
        var values = new short[bytes.Length / 2];
        for (int i = 0; i < values.Length; i++) values[i] = BinaryPrimitives.ReadInt16LittleEndian(bytes.AsSpan(2 * i));
        return values;
    }
}
