// Models with random weights as CTranslate2 directories (binary version 6), so that two engines can be timed on one file.
// Seeded by the variable's name: the same bytes every time, on any machine.
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Engine.Tensors;

namespace Engine.Perf.WholeModels;

/// <summary>Writes <c>model.bin</c>, the vocabularies and <c>config.json</c>.</summary>
internal static class ModelWriter
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>The directory of a model under a cache directory; it is written if it is not there.</summary>
    public static string Cached(string cache, ModelShape shape, DType type)
    {
        string directory = Path.Combine(cache, $"{shape.Name}-{type.Word()}");
        if (Directory.Exists(directory)) return directory;
        string unfinished = directory + ".unfinished";
        Write(unfinished, shape, type);
        Directory.Move(unfinished, directory);
        return directory;
    }

    /// <summary>Writes a model.</summary>
    /// <param name="directory">Made if it is not there.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="type">float32 or int8; biases and norms are float32 in both.</param>
    public static void Write(string directory, ModelShape shape, DType type)
    {
        Directory.CreateDirectory(directory);
        using (var file = new BinaryWriter(File.Create(Path.Combine(directory, "model.bin"), bufferSize: 1 << 20)))
            WriteVariables(file, [.. Variables(shape, type).OrderBy(static variable => variable.Name, StringComparer.Ordinal)]);
        string[] words =
            ["<blank>", "<s>", "</s>", .. Enumerable.Range(3, shape.Vocabulary - 4).Select(static i => $"w{i}"), "<unk>"];
        foreach (string side in new[] { "source", "target" })
            File.WriteAllText(Path.Combine(directory, $"{side}_vocabulary.json"), JsonSerializer.Serialize(words));
        var config = new Dictionary<string, object?>
        {
            ["add_source_bos"] = false, ["add_source_eos"] = false, ["bos_token"] = "<s>", ["decoder_start_token"] = "<s>",
            ["eos_token"] = "</s>", ["layer_norm_epsilon"] = null, ["multi_query_attention"] = false, ["unk_token"] = "<unk>",
        };
        File.WriteAllText(Path.Combine(directory, "config.json"), JsonSerializer.Serialize(config, Indented));
    }

    private static void WriteVariables(BinaryWriter file, Variable[] variables)
    {
        file.Write(6);
        WriteText(file, "TransformerSpec");
        file.Write(7);
        file.Write(variables.Length);
        foreach (Variable variable in variables)
        {
            byte[] data = variable.Data();
            WriteText(file, variable.Name);
            file.Write((byte)variable.Dimensions.Length);
            foreach (int extent in variable.Dimensions) file.Write(extent);
            file.Write((byte)variable.Type);
            file.Write(data.Length);
            file.Write(data);
        }

        file.Write(0);   // no aliases
    }

    private static void WriteText(BinaryWriter file, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        file.Write((ushort)(bytes.Length + 1));
        file.Write(bytes);
        file.Write((byte)0);
    }

    private static List<Variable> Variables(ModelShape shape, DType type)
    {
        var variables = new List<Variable>();
        void Linear(string name, int outputs, int inputs)
        {
            Matrix($"{name}/weight", outputs, inputs);
            Add($"{name}/bias", Stored.Float32, [outputs], () => Bytes(Values($"{name}/bias", outputs, 0, 0.01f)));
        }

        void Norm(string name)
        {
            Add($"{name}/gamma", Stored.Float32, [shape.Width], () => Bytes(Values($"{name}/gamma", shape.Width, 1, 0.01f)));
            Add($"{name}/beta", Stored.Float32, [shape.Width], () => Bytes(Values($"{name}/beta", shape.Width, 0, 0.01f)));
        }

        foreach ((string side, int layers) in new[] { ("encoder", shape.EncoderLayers), ("decoder", shape.DecoderLayers) })
        {
            string table = side == "encoder" ? "embeddings_0" : "embeddings";
            Matrix($"{side}/{table}/weight", shape.Vocabulary, shape.Width);
            for (int i = 0; i < layers; i++)
            {
                string layer = $"{side}/layer_{i}";
                Linear($"{layer}/self_attention/linear_0", 3 * shape.Width, shape.Width);
                Linear($"{layer}/self_attention/linear_1", shape.Width, shape.Width);
                Norm($"{layer}/self_attention/layer_norm");
                if (side == "decoder")
                {
                    Linear($"{layer}/attention/linear_0", shape.Width, shape.Width);
                    Linear($"{layer}/attention/linear_1", 2 * shape.Width, shape.Width);
                    Linear($"{layer}/attention/linear_2", shape.Width, shape.Width);
                    Norm($"{layer}/attention/layer_norm");
                }

                Linear($"{layer}/ffn/linear_0", shape.Hidden, shape.Width);
                Linear($"{layer}/ffn/linear_1", shape.Width, shape.Hidden);
                Norm($"{layer}/ffn/layer_norm");
            }

            Norm($"{side}/layer_norm");
            Add($"{side}/num_heads", Stored.Int16, [], () => [(byte)shape.Heads, 0]);
            Add($"{side}/pre_norm", Stored.Int8, [], static () => [1]);
            Add($"{side}/activation", Stored.Int8, [], static () => [0]);
            Add($"{side}/scale_embeddings", Stored.Int8, [], static () => [1]);
        }

        Linear("decoder/projection", shape.Vocabulary, shape.Width);
        Add("encoder/embeddings_merge", Stored.Int8, [], static () => [0]);
        Add("decoder/alignment_layer", Stored.Int16, [], static () => [255, 255]);
        Add("decoder/alignment_heads", Stored.Int16, [], static () => [1, 0]);
        return variables;

        void Add(string name, Stored stored, int[] dimensions, Func<byte[]> data) =>
            variables.Add(new(name, stored, dimensions, data));

        void Matrix(string name, int rows, int columns)
        {
            float[] Weights() => Values(name, rows * columns, 0, 1 / MathF.Sqrt(columns));
            if (type != DType.Int8)
            {
                Add(name, Stored.Float32, [rows, columns], () => Bytes(Weights()));
                return;
            }

            Add(name, Stored.Int8, [rows, columns], () => Quantised(Weights(), columns).Data);
            Add($"{name}_scale", Stored.Float32, [rows], () => Bytes(Quantised(Weights(), columns).Scales));
        }
    }

    // Evenly spread numbers with the given mean and standard deviation (splitmix64).
    private static float[] Values(string name, int count, float mean, float deviation)
    {
        ulong state = 14695981039346656037;
        foreach (char letter in name) state = (state ^ letter) * 1099511628211;   // FNV-1a
        float width = deviation * 2 * MathF.Sqrt(3) / (1 << 24);
        var values = new float[count];
        for (int i = 0; i < values.Length; i++)
        {
            ulong mixed = state += 0x9E3779B97F4A7C15;
            mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
            values[i] = mean + (width * ((int)((mixed ^ (mixed >> 31)) >> 40) - (1 << 23)));
        }

        return values;
    }

    // A scale for each row: 127 over its largest magnitude.
    private static (byte[] Data, float[] Scales) Quantised(float[] values, int columns)
    {
        var data = new byte[values.Length];
        var scales = new float[values.Length / columns];
        for (int row = 0; row < scales.Length; row++)
        {
            float largest = 0;
            ReadOnlySpan<float> weights = values.AsSpan(row * columns, columns);
            foreach (float value in weights) largest = Math.Max(largest, Math.Abs(value));
            scales[row] = largest == 0 ? 1 : 127 / largest;
            for (int i = 0; i < columns; i++) data[(row * columns) + i] = (byte)(sbyte)MathF.Round(weights[i] * scales[row]);
        }

        return (data, scales);
    }

    private static byte[] Bytes(float[] values)
    {
        byte[] bytes = MemoryMarshal.AsBytes<float>(values).ToArray();
        if (!BitConverter.IsLittleEndian)
            for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), values[i]);
        return bytes;
    }

    // The numbers of the file for types.
    private enum Stored : byte
    {
        Float32 = 0,
        Int8 = 1,
        Int16 = 2,
    }

    private sealed record Variable(string Name, Stored Type, int[] Dimensions, Func<byte[]> Data);
}
