// A model whose norms are moved by as little as float32 can tell: what changes with it is decided by rounding alone.
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Tests.Decoding;

/// <summary>Moves the gains of the norms by up to two last bits.</summary>
internal static class PerturbedModel
{
    public static ModelData Create(ModelData data, int seed)
    {
        var random = new Random(seed);
        var tensors = new Dictionary<string, HostTensor>(StringComparer.Ordinal);
        foreach ((string name, HostTensor tensor) in data.Tensors)
        {
            tensors[name] = tensor;
            if (!name.EndsWith("norm.weight", StringComparison.Ordinal)) continue;
            float[] values = tensor.ReadFloats();
            for (int i = 0; i < values.Length; i++)
                values[i] = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(values[i]) + random.Next(-2, 3));
            tensors[name] = HostTensor.FromValues(name, tensor.Shape, values);
        }

        return data.With(tensors);
    }
}
