// From matrices of a model file to a packed weight: what is checked, and where its memory is. The panels themselves are made, or
// looked through, in PanelPacking.cs.
using Engine.Backends;
using Engine.Cpu.Memory;
using Engine.Cpu.Threading;
using Engine.Tensors;

namespace Engine.Cpu.Kernels;

/// <summary>Packs weights.</summary>
internal static unsafe class WeightPacker
{
    /// <summary>Packs matrices of one type and width, stacked one under the other.</summary>
    /// <remarks>Matrices that the file holds as panels are not packed: they are used where they are mapped.</remarks>
    public static PackedWeight Pack(
        ReadOnlySpan<HostTensor> parts, ActivationRounding rounding, bool isPaired, WeightMemory memory, WorkerPool pool)
    {
        int outputs = WeightParts.Check(parts), inputs = parts[0].Shape.Columns;
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
                if (weight.IsInteger) WeightParts.RowScales(part).CopyTo(new Span<float>(weight.Scales + output, part.Shape.Rows));
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
}
