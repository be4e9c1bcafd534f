// What must hold of the matrices that a backend packs, whatever the layout: checked in one place, so that all backends refuse alike.
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>Checks matrices that stand one under the other in a weight.</summary>
public static class WeightParts
{
    // 128 · 128 · inputs must stay below 2³¹ in a sum of int8 products.
    private const int MostInt8Inputs = 131_071;

    /// <summary>Checks that the matrices fit under each other.</summary>
    /// <returns>Rows of all of them.</returns>
    /// <exception cref="ArgumentException">There is none, they differ in type or width, or are no weights.</exception>
    /// <exception cref="ModelFormatException">An int8 matrix is so wide that sums might overflow.</exception>
    public static int Check(ReadOnlySpan<HostTensor> parts)
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

    /// <summary>The scale of each row of an integer matrix.</summary>
    /// <exception cref="ModelFormatException">There are not as many as there must be, or one is no scale.</exception>
    public static float[] RowScales(HostTensor part)
    {
        ArgumentNullException.ThrowIfNull(part);
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

        return part.Type == DType.Int8 ? scales : [.. Enumerable.Repeat(scales[0], rows)];
    }
}
