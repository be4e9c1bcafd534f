// From matrices of a model file to a packed weight: what is checked, and where its memory is. The panels themselves are made, or
// looked through, in PanelPacking.cs.
using Engine.Backends;
using Engine.Cpu.Memory;
using Engine.Cpu.Threading;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Cpu.Kernels;

/// <summary>Packs weights.</summary>
internal static unsafe class WeightPacker
{
    // 128 · 128 · inputs must stay below 2³¹ in a sum of int8 products.
    private const int MostInt8Inputs = 131_071;

    /// <summary>Packs matrices of one type and width, stacked one under the other.</summary>
    /// <remarks>Matrices that the file holds as panels are not packed: they are used where they are mapped.</remarks>
    public static PackedWeight Pack(
        ReadOnlySpan<HostTensor> parts, ActivationRounding rounding, bool isPaired, WeightMemory memory, WorkerPool pool)
    {
        int outputs = Check(parts), inputs = parts[0].Shape.Columns;
        DType type = parts[0].Type;
        isPaired &= type == DType.BFloat16;
        IPanelMemory? mapped = isPaired ? null : Map(parts);
        IPanelMemory panels = mapped ?? memory.Take(PackedWeight.BytesOfPanels(outputs, inputs, type, isPaired));
        PackedWeight? weight = null;
        try
        {
            weight = new PackedWeight(outputs, inputs, type, rounding, isPaired, panels);
            int output = 0;
            foreach (HostTensor part in parts)
            {
                if (weight.IsInteger) CopyScales(part, weight, output);
                output += part.Shape.Rows;
            }

            if (inputs > 0) PanelPacking.Run([.. parts], weight, isPacked: mapped is not null, pool);
            return weight;
        }
        catch
        {
            if (weight is null) panels.Dispose();
            else weight.Dispose();
            throw;
        }
    }

    // Panels of another kind, or not on a cache line, are read and packed like rows.
    private static MappedMemory? Map(ReadOnlySpan<HostTensor> parts)
    {
        if (!BitConverter.IsLittleEndian || !HostTensor.TryMapPanels(parts, out MappedPanels panels)) return null;
        if (panels.Group != PackedWeight.Group(parts[0].Type)) return null;
        var memory = new MappedMemory(panels.Mapping, panels.Offset);
        if ((nint)memory.Start % NativeBuffer.Alignment == 0) return memory;
        memory.Dispose();
        return null;
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
}
