// A weight of any element type, made from numbers as a converter makes it, with all that a bound needs to know of it.
using System.Buffers.Binary;
using Engine.Tensors;

namespace Engine.Conformance;

/// <summary>A matrix in a model file, and its stored elements.</summary>
internal sealed class HostMatrix
{
    private HostMatrix(HostTensor tensor, int[] integers, float[] scales)
    {
        Tensor = tensor;
        Integers = integers;
        Scales = scales;
    }

    /// <summary>What is packed.</summary>
    public HostTensor Tensor { get; }

    /// <summary>The stored integers; empty for float types.</summary>
    public int[] Integers { get; }

    /// <summary>A scale for each row; empty for float types.</summary>
    public float[] Scales { get; }

    /// <summary>The numbers that the elements stand for.</summary>
    public double[] Values => Integers.Length == 0
        ? Array.ConvertAll(Tensor.ReadFloats(), static value => (double)value)
        : [.. Integers.Select((element, i) => (double)element / Scales[i / Tensor.Shape.Columns])];

    /// <summary>Rounds numbers to a type: int8 by the largest of each row, int16 by 1000.</summary>
    public static HostMatrix Create(DType type, int outputs, int inputs, ReadOnlySpan<float> values)
    {
        if (type is DType.Int8 or DType.Int16)
        {
            var (integers, scales) = (new int[values.Length], new float[outputs]);
            for (int row = 0; row < outputs; row++)
            {
                float largest = 1e-3f;
                for (int k = 0; k < inputs; k++) largest = Math.Max(largest, Math.Abs(values[(row * inputs) + k]));
                scales[row] = type == DType.Int8 ? 127f / largest : 1000f;
                for (int k = 0; k < inputs; k++)
                    integers[(row * inputs) + k] = (int)MathF.Round(values[(row * inputs) + k] * scales[row]);
            }

            return FromIntegers(type, outputs, inputs, integers, scales);
        }

        var bytes = new byte[values.Length * type.Bytes()];
        for (int i = 0; i < values.Length; i++)
        {
            Span<byte> element = bytes.AsSpan(i * type.Bytes());
            if (type == DType.Float32) BinaryPrimitives.WriteSingleLittleEndian(element, values[i]);
            else if (type == DType.Float16) BinaryPrimitives.WriteHalfLittleEndian(element, (Half)values[i]);
            else BinaryPrimitives.WriteUInt16LittleEndian(
                element, (ushort)(BitConverter.SingleToUInt32Bits(values[i]) >> 16));
        }

        return new HostMatrix(
            new HostTensor("weight", type, new Shape(outputs, inputs), new MemorySource("memory", bytes), 0), [], []);
    }

    /// <summary>Takes the integers as they are; one scale for each row, which for int16 must all be equal.</summary>
    public static HostMatrix FromIntegers(DType type, int outputs, int inputs, int[] integers, float[] scales)
    {
        var bytes = new byte[integers.Length * type.Bytes()];
        for (int i = 0; i < integers.Length; i++)
        {
            if (type == DType.Int8) bytes[i] = (byte)checked((sbyte)integers[i]);
            else BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(2 * i), checked((short)integers[i]));
        }

        float[] stored = type == DType.Int8 ? scales : [scales[0]];
        return new HostMatrix(
            new HostTensor("weight", type, new Shape(outputs, inputs), new MemorySource("memory", bytes), 0, stored),
            integers,
            scales);
    }
}
