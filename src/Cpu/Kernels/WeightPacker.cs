// From a model file's rows to panels, a few rows at a time, so that a model is never in memory twice. What is not a
// finite number is refused here, once, so that no kernel need ask.
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using Engine.Backends;
using Engine.Cpu.Simd;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Cpu.Kernels;

/// <summary>Packs weights.</summary>
internal static unsafe class WeightPacker
{
    // 128 · 128 · inputs must stay below 2³¹ in a sum of int8 products.
    private const int MostInt8Inputs = 131_071;

    /// <summary>Packs matrices of one type and width, stacked one under the other.</summary>
    public static PackedWeight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding, bool isPaired = false)
    {
        int outputs = Check(parts);
        var weight = new PackedWeight(outputs, parts[0].Shape.Columns, parts[0].Type, rounding, isPaired);
        try
        {
            int output = 0;
            foreach (HostTensor part in parts)
            {
                switch (part.Type)
                {
                    case DType.Float32: Copy<uint>(part, weight, output, infinity: 0x7F800000); break;
                    case DType.Float16: Copy<ushort>(part, weight, output, infinity: 0x7C00); break;
                    case DType.BFloat16: Copy<ushort>(part, weight, output, infinity: 0x7F80); break;
                    case DType.Int8: Copy<sbyte>(part, weight, output, infinity: 0); break;
                    default: Copy<short>(part, weight, output, infinity: 0); break;
                }

                if (weight.IsInteger) CopyScales(part, weight, output);
                output += part.Shape.Rows;
            }
        }
        catch
        {
            weight.Dispose();
            throw;
        }

        return weight;
    }

    private static int Check(ReadOnlySpan<HostTensor> parts)
    {
        if (parts.IsEmpty) throw new ArgumentException("There is no matrix to pack.", nameof(parts));
        HostTensor first = parts[0];
        long outputs = 0;
        foreach (HostTensor part in parts)
        {
            if (part.Type == DType.Int32)
            {
                throw new ArgumentException(
                    $"{part} is no weight, expected float32, float16, bfloat16, int8 or int16.", nameof(parts));
            }

            if (part.Type != first.Type || part.Shape.Columns != first.Shape.Columns)
            {
                throw new ArgumentException(
                    $"{part} stands under {first}, expected the same type and number of columns.", nameof(parts));
            }

            if (part.Type == DType.Int8 && part.Shape.Columns > MostInt8Inputs)
            {
                throw new ModelFormatException(part.File, $"the width of {part.Name}", $"{part.Shape.Columns:N0}",
                    $"at most {MostInt8Inputs:N0} for int8, so that sums stay within 32 bits");
            }

            outputs += part.Shape.Rows;
        }

        if (outputs > int.MaxValue)
        {
            throw new ArgumentException(
                $"There are {outputs:N0} rows, expected at most {int.MaxValue:N0}.", nameof(parts));
        }

        return (int)outputs;
    }

    // infinity: the bits of infinity, all exponent bits; 0 for integers.
    private static void Copy<T>(HostTensor part, PackedWeight weight, int firstOutput, uint infinity)
        where T : unmanaged, IBinaryInteger<T>
    {
        int inputs = weight.Inputs, rows = part.Shape.Rows;
        if (inputs == 0) return;
        var buffer = new T[checked((long)Math.Min(rows, Lanes.Count) * inputs)];
        T exponent = T.CreateTruncating(infinity);
        for (int row = 0, count; row < rows; row += count)
        {
            // As many rows as the panel that the next one belongs to has room for.
            int output = firstOutput + row, lane = output % Lanes.Count;
            count = Math.Min(Lanes.Count - lane, rows - row);
            Span<T> values = buffer.AsSpan(0, count * inputs);
            part.ReadBytes(row, MemoryMarshal.AsBytes(values));
            if (!BitConverter.IsLittleEndian) ReverseEndianness(values);
            if (infinity != 0) CheckFinite(part, row, values, exponent);
            T* panel = (T*)(weight.Panels + (output / Lanes.Count * weight.PanelBytes));
            int group = weight.GroupInputs;
            for (int k = 0; k < inputs; k++)
            {
                int place = weight.IsPaired ? 1 - (k % 2) : k % group;
                T* destination = panel + (((((long)(k / group) * Lanes.Count) + lane) * group) + place);
                for (int r = 0; r < count; r++) destination[r * group] = values[(r * inputs) + k];
            }
        }
    }

    private static void CheckFinite<T>(HostTensor part, int row, ReadOnlySpan<T> values, T exponent)
        where T : unmanaged, IBinaryInteger<T>
    {
        for (int i = 0; i < values.Length; i++)
        {
            if ((values[i] & exponent) != exponent) continue;
            int inputs = part.Shape.Columns;
            T fraction = values[i] & ((exponent & -exponent) - T.One);   // the bits below the exponent
            throw new ModelFormatException(part.File, $"{part.Name}[{row + (i / inputs)}, {i % inputs}]",
                fraction == T.Zero ? "infinite" : "NaN", "a finite number");
        }
    }

    private static void CopyScales(HostTensor part, PackedWeight weight, int firstOutput)
    {
        int rows = part.Shape.Rows, expected = part.Type == DType.Int8 ? rows : 1;
        float[] scales = part.Scales ?? [.. Enumerable.Repeat(1f, expected)];   // as HostTensor reads them
        if (scales.Length != expected)
        {
            throw new ModelFormatException(part.File, $"the number of scales of {part.Name}", $"{scales.Length:N0}",
                part.Type == DType.Int8 ? $"{expected:N0}, one a row" : "1");
        }

        for (int i = 0; i < scales.Length; i++)
        {
            if (!float.IsFinite(scales[i]) || scales[i] <= 0f)
            {
                throw new ModelFormatException(
                    part.File, $"scale {i} of {part.Name}", $"{scales[i]}", "a finite number greater than 0");
            }
        }

        for (int row = 0; row < rows; row++) weight.Scales[firstOutput + row] = scales[expected == 1 ? 0 : row];
    }

    private static void ReverseEndianness<T>(Span<T> values) where T : unmanaged
    {
        if (sizeof(T) == 4)
        {
            Span<uint> words = MemoryMarshal.Cast<T, uint>(values);
            BinaryPrimitives.ReverseEndianness(words, words);
        }
        else if (sizeof(T) == 2)
        {
            Span<ushort> words = MemoryMarshal.Cast<T, ushort>(values);
            BinaryPrimitives.ReverseEndianness(words, words);
        }
    }
}
