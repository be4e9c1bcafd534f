// Random inputs of benchmarks: the same in every run.
using System.Buffers.Binary;
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Perf;

/// <summary>Makes values, tensors and weights.</summary>
internal static class RandomTensors
{
    /// <summary>Numbers in −1 .. 1.</summary>
    public static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (2 * random.NextSingle()) - 1;
        return values;
    }

    /// <summary>A tensor that lives as long as the backend.</summary>
    public static Tensor Place(IBackend backend, Shape shape, ReadOnlySpan<float> values)
    {
        Tensor tensor = backend.Allocate(shape, DType.Float32);
        backend.Write(tensor, values[..checked((int)shape.Count)]);
        return tensor;
    }

    /// <summary>A weight of random numbers, stored in any type.</summary>
    public static HostTensor Weight(DType type, Shape shape, int seed)
    {
        float[] values = Values(checked((int)shape.Count), seed);
        var bytes = new byte[shape.Count * type.Bytes()];
        for (int i = 0; i < values.Length; i++)
        {
            Span<byte> place = bytes.AsSpan(i * type.Bytes());
            switch (type)
            {
                case DType.Float32: BinaryPrimitives.WriteSingleLittleEndian(place, values[i]); break;
                case DType.Float16: BinaryPrimitives.WriteHalfLittleEndian(place, (Half)values[i]); break;
                case DType.BFloat16:
                    uint bits = BitConverter.SingleToUInt32Bits(values[i]);
                    BinaryPrimitives.WriteUInt16LittleEndian(place, (ushort)(bits >> 16));
                    break;
                case DType.Int8: place[0] = (byte)(sbyte)(127 * values[i]); break;
                default: throw new ArgumentOutOfRangeException(nameof(type), type, "No such weights are measured.");
            }
        }

        float[]? scales = type == DType.Int8 ? [.. Enumerable.Repeat(127f, shape.Rows)] : null;
        return new HostTensor("weight", type, shape, new MemorySource("memory", bytes), 0, scales);
    }
}
