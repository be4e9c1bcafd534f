// A matrix that lies in a file as panels. Read as any other it gives rows, so that every backend can have it; one that wants the
// panels maps them.
using System.Buffers;
using System.Runtime.InteropServices;

namespace Engine.Tensors;

/// <summary>Bytes that can be mapped: the pages of a file, which all processes share.</summary>
public abstract class MappableSource : TensorSource
{
    /// <summary>The mapped bytes, from the first of the source on; null where there is no mapping.</summary>
    /// <remarks>It stays as long as a pointer into it is held, longer than the source if need be.</remarks>
    public abstract SafeBuffer? Mapping { get; }
}

/// <summary>Panels in the memory that a file is mapped to.</summary>
/// <param name="Mapping">The memory.</param>
/// <param name="Source">The same bytes to read, for whoever only looks at them: pages that are not touched take no memory.</param>
/// <param name="Offset">Byte of both where the first panel begins.</param>
/// <param name="Group">Columns side by side, see <see cref="PanelLayout"/>.</param>
public readonly record struct MappedPanels(SafeBuffer Mapping, TensorSource Source, long Offset, int Group);

/// <summary>Gives the rows of a matrix that is stored as <see cref="PanelLayout"/> has it.</summary>
/// <param name="source">Where the panels are.</param>
/// <param name="offset">Byte of the source where the first panel begins.</param>
/// <param name="type">Type of the elements.</param>
/// <param name="shape">The matrix.</param>
/// <param name="group">Columns side by side.</param>
internal sealed class PanelSource(MappableSource source, long offset, DType type, Shape shape, int group) : TensorSource
{
    // Columns that are read at once: 64 KiB of a panel of floats.
    private const int ColumnsAtOnce = 1024;

    /// <inheritdoc />
    public override string File => source.File;

    /// <summary>The matrix.</summary>
    public Shape Shape => shape;

    private long PanelBytes => PanelLayout.Groups(shape.Columns, group) * group * PanelLayout.PanelRows * type.Bytes();

    /// <summary>The panels in memory; null where the source is not mapped.</summary>
    public MappedPanels? Map() => source.Mapping is { } mapping ? new MappedPanels(mapping, source, offset, group) : null;

    /// <summary>Fills in bytes of the matrix, row by row.</summary>
    public override void Read(long start, Span<byte> destination)
    {
        int size = type.Bytes();
        if (start % size != 0 || destination.Length % size != 0)
            throw new ArgumentException($"{destination.Length} bytes at {start} are no whole elements.", nameof(start));
        if (destination.IsEmpty) return;
        byte[] panel = ArrayPool<byte>.Shared.Rent(ColumnsAtOnce * PanelLayout.PanelRows * size);
        try
        {
            long element = start / size, end = element + (destination.Length / size);
            while (element < end)
            {
                // A part of a row, or as many whole rows as the panel still has.
                int row = (int)(element / shape.Columns), column = (int)(element % shape.Columns);
                long left = end - element;
                int rows = column > 0 || left < shape.Columns
                    ? 1
                    : (int)Math.Min(left / shape.Columns, PanelLayout.PanelRows - (row % PanelLayout.PanelRows));
                int columns = (int)Math.Min(rows == 1 ? left : shape.Columns, shape.Columns - column);
                ReadRows(row, rows, column, columns, panel, destination[..(rows * columns * size)]);
                destination = destination[(rows * columns * size)..];
                element += (long)rows * columns;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(panel);
        }
    }

    private void ReadRows(int row, int rows, int column, int columns, byte[] panel, Span<byte> destination)
    {
        int size = type.Bytes(), groupBytes = group * PanelLayout.PanelRows * size;
        long panelStart = offset + (row / PanelLayout.PanelRows * PanelBytes);
        for (int begin = column, end; begin < column + columns; begin = end)
        {
            int firstGroup = begin / group;
            end = Math.Min(column + columns, (firstGroup + (ColumnsAtOnce / group)) * group);
            int groups = ((end - 1) / group) - firstGroup + 1;
            Span<byte> bytes = panel.AsSpan(0, groups * groupBytes);
            source.Read(panelStart + ((long)firstGroup * groupBytes), bytes);
            for (int r = 0; r < rows; r++)
            {
                int lane = (row + r) % PanelLayout.PanelRows;
                Span<byte> to = destination[(((r * columns) + begin - column) * size)..];
                for (int k = begin; k < end; k++)
                {
                    int place = ((((k / group) - firstGroup) * PanelLayout.PanelRows) + lane) * group;
                    bytes.Slice((place + (k % group)) * size, size).CopyTo(to);
                    to = to[size..];
                }
            }
        }
    }
}
