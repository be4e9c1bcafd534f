// Weights of one element type as another, converted while they are read: a model is never in memory twice.
using System.Buffers;
using System.Buffers.Binary;
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Formats;

/// <summary>Converts weights between float32, float16, bfloat16, int8 and int16.</summary>
internal static class WeightConversion
{
    private const int ChunkElements = 16 * 1024;

    /// <summary>The tensor with elements of another type; the same object if it has that type.</summary>
    /// <remarks>
    /// int8: scale = 127 / max|row|, 1 for a row of zeros. int16: scale = 1024 / max|W|. q = w · scale, rounded. To
    /// float16 and bfloat16: to the nearest, ties to even. From integers: w = q / scale. Scales are computed at once,
    /// which reads the tensor; the elements are converted when they are read.
    /// </remarks>
    /// <param name="tensor">The tensor.</param>
    /// <param name="type">A float type, int8 or int16.</param>
    /// <param name="rounding">Legacy: cut toward zero, as for files of CTranslate2 binary versions 1 to 4.</param>
    /// <exception cref="ModelFormatException">A value is not finite, or beyond what the type can hold.</exception>
    public static HostTensor Convert(
        HostTensor tensor, DType type, ActivationRounding rounding = ActivationRounding.Nearest) =>
        Convert([tensor], type, rounding)[0];

    /// <summary>
    /// Converts parts of one matrix (query, key, value): with int16 they have the scale that the whole would have.
    /// </summary>
    public static HostTensor[] Convert(
        ReadOnlySpan<HostTensor> parts, DType type, ActivationRounding rounding = ActivationRounding.Nearest)
    {
        if (!type.IsFloat() && type is not (DType.Int8 or DType.Int16))
            throw new ArgumentOutOfRangeException(nameof(type), type,
                "Weights are float32, float16, bfloat16, int8 or int16.");
        var converted = new HostTensor[parts.Length];
        float[]? shared = null;
        for (int i = 0; i < parts.Length; i++)
        {
            HostTensor part = parts[i];
            float[]? scales = type switch
            {
                _ when part.Type == type => null,
                DType.Int8 => [.. RowMaxima(part).Select(max => Scale(part, DType.Int8, 127, max))],
                DType.Int16 => shared ??= [Scale(part, DType.Int16, 1024, Maximum(parts))],
                _ => null,
            };
            converted[i] = part.Type == type
                ? part
                : new HostTensor(
                    part.Name, type, part.Shape, new ConvertingSource(part, type, scales, rounding), 0, scales);
        }
        return converted;
    }

    /// <summary>Whether every integer of the type, divided by the scale, is a finite number.</summary>
    public static bool IsUsableScale(float scale, DType type) =>
        scale > 0 && float.IsFinite(scale) && float.IsFinite((type == DType.Int8 ? 128f : 32768f) / scale);

    // A row below 4e-37 has no finite scale; with 1 its integers are 0, which is as near as makes no difference.
    private static float Scale(HostTensor tensor, DType type, float top, float max)
    {
        float scale = max == 0 || float.IsInfinity(top / max) ? 1 : top / max;
        return IsUsableScale(scale, type)
            ? scale
            : throw new ModelFormatException(tensor.File, $"the largest number of {tensor.Name}", $"{max}",
                $"one that {type.Word()} can stand for");
    }

    private static float Maximum(ReadOnlySpan<HostTensor> parts)
    {
        float max = 0;
        foreach (HostTensor part in parts) max = Math.Max(max, RowMaxima(part).Max());
        return max;
    }

    private static float[] RowMaxima(HostTensor tensor)
    {
        var (rows, columns) = tensor.Shape;
        var maxima = new float[rows];
        int block = Math.Max(1, ChunkElements / Math.Max(1, columns));
        var values = new float[Math.Min(rows, block) * (long)columns];
        for (int row = 0; row < rows; row += block)
        {
            int count = Math.Min(block, rows - row);
            Span<float> read = values.AsSpan(0, count * columns);
            tensor.ReadFloats(row, read);
            for (int i = 0; i < count; i++)
            {
                float max = 0;
                foreach (float value in read.Slice(i * columns, columns)) max = Math.Max(max, Math.Abs(value));
                maxima[row + i] = max;
            }
        }
        return maxima;
    }

    private sealed class ConvertingSource(HostTensor tensor, DType type, float[]? scales, ActivationRounding rounding)
        : TensorSource
    {
        public override string File => tensor.File;

        public override void Read(long offset, Span<byte> destination)
        {
            int size = type.Bytes(), columns = tensor.Shape.Columns;
            if (offset % size != 0 || destination.Length % size != 0)
                throw new ArgumentException($"{destination.Length} bytes at {offset} are no whole elements.",
                    nameof(offset));
            if (destination.IsEmpty) return;
            int block = Math.Max(1, ChunkElements / columns);
            float[] values = ArrayPool<float>.Shared.Rent(block * columns);
            try
            {
                for (long element = offset / size; !destination.IsEmpty;)
                {
                    var (row, column) = Math.DivRem(element, columns);
                    int wanted = (int)Math.Min(destination.Length / size, ((long)block * columns) - column);
                    Span<float> rows = values.AsSpan(0, (int)((column + wanted + columns - 1) / columns) * columns);
                    tensor.ReadFloats((int)row, rows);
                    for (int i = 0; i < wanted; i++, element++)
                        Write(rows[(int)column + i], element, destination[(i * size)..]);
                    destination = destination[(wanted * size)..];
                }
            }
            finally
            {
                ArrayPool<float>.Shared.Return(values);
            }
        }

        private void Write(float value, long element, Span<byte> destination)
        {
            switch (type)
            {
                case DType.Float32:
                    BinaryPrimitives.WriteSingleLittleEndian(destination, value);
                    break;
                case DType.Float16:
                    var half = (Half)value;
                    if (Half.IsInfinity(half)) throw TooLarge(value, element);
                    BinaryPrimitives.WriteHalfLittleEndian(destination, half);
                    break;
                case DType.BFloat16:
                    uint bits = BitConverter.SingleToUInt32Bits(value);
                    uint upper = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;   // to nearest, ties to even
                    if ((upper & 0x7F80) == 0x7F80) throw TooLarge(value, element);
                    BinaryPrimitives.WriteUInt16LittleEndian(destination, (ushort)upper);
                    break;
                case DType.Int8:
                    float scale = scales![element / tensor.Shape.Columns];
                    destination[0] = (byte)(sbyte)Math.Clamp(Round(value * scale), -127, 127);
                    break;
                case DType.Int16:
                    float rounded = Math.Clamp(Round(value * scales![0]), -32768, 32767);
                    BinaryPrimitives.WriteInt16LittleEndian(destination, (short)rounded);
                    break;
                default:
                    throw new InvalidOperationException($"{tensor.Name} cannot become {type.Word()}.");
            }
        }

        private float Round(float value) =>
            rounding == ActivationRounding.Nearest
                ? MathF.Round(value, MidpointRounding.ToEven)
                : MathF.Truncate(value);

        private ModelFormatException TooLarge(float value, long element)
        {
            var (row, column) = Math.DivRem(element, tensor.Shape.Columns);
            return new ModelFormatException(File, $"{tensor.Name}[{row}, {column}]", $"{value}",
                $"a number that {type.Word()} can hold");
        }
    }
}
