// The Khmer-to-Latin model in the engine's own format, made by renaming only, as docs/model-format.md says.
using System.Text.Json;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.ModelCases;

/// <summary>A trained PyTorch <c>nn.Transformer</c>, norms after the sub-layers, in the engine's own format.</summary>
internal static class KhmerModel
{
    public const string Weights = "khmer/secryst500.safetensors";
    public const string Fixture = "khmer/secryst500.fixture.json";
    private const int Width = 64;

    public const string Config = """
        {
          "format_version": 1,
          "model_dim": 64,
          "encoder": {
            "layers": 4,
            "hidden_dim": 256,
            "attention": { "heads": 8 },
            "final_norm": true
          },
          "decoder": {
            "layers": 4,
            "hidden_dim": 256,
            "attention": { "heads": 8 },
            "final_norm": true
          },
          "tokenizer": "character",
          "tokens": {
            "unknown": "<unk>",
            "begin": "<sos>",
            "end": "<eos>",
            "decoder_start": "<sos>",
            "add_source_begin": true,
            "add_source_end": true
          }
        }
        """;

    /// <summary>Writes the model.</summary>
    /// <param name="directory">Where to.</param>
    /// <param name="weights">The file <see cref="Weights"/>.</param>
    /// <param name="fixture">The file <see cref="Fixture"/>.</param>
    public static string WriteOwnFormat(string directory, string weights, string fixture)
    {
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "config.json"), Config);
        using (JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(fixture)))
        {
            foreach (var (key, name) in
                (ReadOnlySpan<(string, string)>)[("input_vocab", "source"), ("target_vocab", "target")])
                File.WriteAllText(Path.Combine(directory, $"{name}_vocabulary.json"),
                    document.RootElement.GetProperty(key).GetRawText());
        }

        using SafeTensorsFile file = SafeTensorsFile.Open(weights);
        var tensors = new List<(string Name, bool IsVector, HostTensor Tensor)>();
        foreach (SafeTensorsEntry entry in file.Entries.Values)
        {
            bool isVector = entry.Dimensions.Length == 1;
            HostTensor tensor = file.Tensor(entry);
            string name = Rename(entry.Name);
            if (!name.Contains("in_proj_", StringComparison.Ordinal))
            {
                tensors.Add((name, isVector, tensor));
                continue;
            }
            string[] parts = ["query", "key", "value"];
            for (int i = 0; i < parts.Length; i++)
            {
                tensors.Add((name.Replace("in_proj_", $"{parts[i]}.", StringComparison.Ordinal), isVector,
                    isVector ? tensor.ColumnRange(i * Width, Width) : tensor.RowRange(i * Width, Width)));
            }
        }
        using var writer = new SafeTensorsWriter(Path.Combine(directory, "model.safetensors"),
            tensors.Select(tensor => tensor.IsVector
            ? new SafeTensorsItem(tensor.Name, tensor.Tensor.Type, tensor.Tensor.Shape.Columns)
            : new SafeTensorsItem(tensor.Name, tensor.Tensor.Type, tensor.Tensor.Shape.Rows,
                tensor.Tensor.Shape.Columns)));
        foreach (var (name, _, tensor) in tensors)
        {
            var bytes = new byte[tensor.Bytes];
            tensor.ReadBytes(0, bytes);
            writer.Write(name, 0, bytes);
        }

        writer.Complete();
        return directory;
    }

    private static string Rename(string name)
    {
        string[] norms = name.StartsWith("decoder", StringComparison.Ordinal)
            ? ["self_attention_norm", "cross_attention_norm", "feed_forward_norm"]
            : ["self_attention_norm", "feed_forward_norm"];
        for (int i = 0; i < norms.Length; i++)
            name = name.Replace($".norm{i + 1}.", $".{norms[i]}.", StringComparison.Ordinal);
        return name.Replace("coder.norm.", "coder.final_norm.", StringComparison.Ordinal)
            .Replace("self_attn.", "self_attention.", StringComparison.Ordinal)
            .Replace("multihead_attn.", "cross_attention.", StringComparison.Ordinal)
            .Replace("out_proj.", "output.", StringComparison.Ordinal)
            .Replace("linear1.", "feed_forward.up.", StringComparison.Ordinal)
            .Replace("linear2.", "feed_forward.down.", StringComparison.Ordinal)
            .Replace("linear.", "output.", StringComparison.Ordinal);
    }
}
