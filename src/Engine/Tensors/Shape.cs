// [rows, columns]: every tensor of the graph is a table, a row for each token of the ragged batch.
namespace Engine.Tensors;

/// <summary>The extents of a tensor, slowest first.</summary>
/// <param name="Rows">Rows, at least 0.</param>
/// <param name="Columns">Elements of a row, at least 0.</param>
public readonly record struct Shape(int Rows, int Columns)
{
    /// <summary>Elements: rows · columns.</summary>
    public long Count => (long)Rows * Columns;

    /// <inheritdoc />
    public override string ToString() => $"[{Rows}, {Columns}]";
}
