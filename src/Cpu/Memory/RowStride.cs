// How far apart the rows of a table lie. Rows whose distance is a multiple of 2 KiB meet in a few lines of the first-level cache,
// where a tile of a product needs 12 of them at once; one cache line more spreads them.
using Engine.Tensors;

namespace Engine.Cpu.Memory;

/// <summary>From a row to the next.</summary>
internal static class RowStride
{
    private const int Line = 64, LinesOfPeriod = 32;

    /// <summary>Of a table of the backend's own: its columns, and a cache line more where rows would meet.</summary>
    public static int Elements(Shape shape, DType type)
    {
        long bytes = (long)shape.Columns * type.Bytes();
        bool meet = shape.Rows > 1 && bytes > 0 && bytes % (Line * LinesOfPeriod) == 0;
        return meet ? checked(shape.Columns + (Line / type.Bytes())) : shape.Columns;
    }

    /// <summary>Of rows that begin with a cache line each.</summary>
    /// <param name="bytes">Bytes of a row.</param>
    public static int Bytes(int bytes)
    {
        int lines = (bytes + (Line - 1)) / Line;
        return (lines % LinesOfPeriod == 0 ? lines + 1 : lines) * Line;
    }
}
