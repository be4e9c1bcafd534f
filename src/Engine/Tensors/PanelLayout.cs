// The packed layout of matrices in the engine's own format: as the CPU backend reads them, so that they are used where they lie.
namespace Engine.Tensors;

/// <summary>
/// A matrix [rows, columns] as panels of sixteen rows, [panels, groups, 16, group]: element (row, k) is at
/// [row / 16, k / group, row mod 16, k mod group]; what is beyond the matrix is zero.
/// </summary>
public static class PanelLayout
{
    /// <summary>Rows of a panel.</summary>
    public const int PanelRows = 16;

    /// <summary>Columns of a type that stand side by side: four for integers, whose products are added in fours.</summary>
    public static int Group(DType type) => type is DType.Int8 or DType.Int16 ? 4 : 1;

    /// <summary>Panels for a number of rows.</summary>
    public static long Panels(int rows) => ((long)rows + PanelRows - 1) / PanelRows;

    /// <summary>Groups for a number of columns.</summary>
    public static long Groups(int columns, int group) => ((long)columns + group - 1) / group;
}
