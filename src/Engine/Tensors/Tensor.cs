// A table of numbers in the memory of one backend: a value that names the storage, so that nothing is allocated to pass it.
namespace Engine.Tensors;

/// <summary>
/// A view of a backend's storage. Element (r, c) lies at <c>Handle</c> + (<c>Offset</c> + r · <c>Stride</c> + c) elements.
/// </summary>
/// <param name="Handle">What the backend that made it knows it by: an address on CPU and CUDA. 0: no tensor.</param>
/// <param name="Offset">Elements from the handle to the first element.</param>
/// <param name="Shape">[rows, columns].</param>
/// <param name="Stride">Elements from a row to the next, at least the number of columns.</param>
/// <param name="Type">Type of the elements.</param>
public readonly record struct Tensor(nint Handle, long Offset, Shape Shape, int Stride, DType Type)
{
    /// <summary>No tensor, where one is optional, such as a bias.</summary>
    public static Tensor None => default;

    /// <summary>Whether this is <see cref="None"/>.</summary>
    public bool IsNone => Handle == 0;

    /// <summary>Rows.</summary>
    public int Rows => Shape.Rows;

    /// <summary>Elements of a row.</summary>
    public int Columns => Shape.Columns;

    /// <summary>Whether the rows follow each other without a gap.</summary>
    public bool IsContiguous => Stride == Columns || Rows <= 1;

    /// <summary>The same rows, of each only some columns. Shares the storage.</summary>
    /// <param name="start">First column.</param>
    /// <param name="count">Number of columns.</param>
    /// <exception cref="ArgumentOutOfRangeException">The columns are not all in the tensor.</exception>
    public Tensor ColumnRange(int start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)start + count, Columns, nameof(count));
        return this with { Offset = Offset + start, Shape = new Shape(Rows, count) };
    }

    /// <summary>Some rows, whole. Shares the storage.</summary>
    /// <param name="start">First row.</param>
    /// <param name="count">Number of rows.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rows are not all in the tensor.</exception>
    public Tensor RowRange(int start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)start + count, Rows, nameof(count));
        return this with { Offset = Offset + ((long)start * Stride), Shape = new Shape(count, Columns) };
    }

    /// <inheritdoc />
    public override string ToString() => IsNone ? "none" : $"{Type.Word()} {Shape}";
}
