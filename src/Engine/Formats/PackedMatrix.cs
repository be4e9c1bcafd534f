// Which matrices of a model stand one under the other in a packed file: those that meet the same input and are one product in the
// graph.
using Engine.Models;

namespace Engine.Formats;

/// <summary>A matrix of a packed file.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Parts">The matrices that it is made of, from the first row on.</param>
internal sealed record PackedMatrix(string Name, IReadOnlyList<TensorSpec> Parts)
{
    /// <summary>Rows of all parts.</summary>
    public long Rows => Parts.Sum(static part => (long)part.Rows);

    /// <summary>Columns.</summary>
    public int Columns => Parts[0].Columns;

    /// <summary>All matrices of a model. Every tensor of <see cref="TensorRole.Weight"/> is a part of one of them.</summary>
    /// <remarks>The order in which <see cref="Transformer"/> packs them.</remarks>
    public static IEnumerable<PackedMatrix> Of(TransformerConfig config)
    {
        var self = new List<TensorSpec>(3);
        var memory = new List<TensorSpec>();
        foreach (TensorSpec spec in TensorSpec.Of(config))
        {
            if (spec.Role != TensorRole.Weight) continue;
            string[] words = spec.Name.Split('.');   // as in decoder.layers.0.self_attention.query.weight
            bool isInput = words.Length == 6 && words[4] is "query" or "key" or "value";
            if (isInput && words[3] == "self_attention")
            {
                self.Add(spec);
                if (self.Count < 3) continue;
                yield return new PackedMatrix($"{string.Join('.', words[..4])}.query_key_value.weight", [.. self]);
                self.Clear();
            }
            else if (isInput && words[3] == "cross_attention" && words[4] != "query") memory.Add(spec);
            else yield return new PackedMatrix(spec.Name, [spec]);
        }

        yield return new PackedMatrix("decoder.cross_attention.key_value.weight", memory);
    }
}
