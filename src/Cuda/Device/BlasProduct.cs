// A product of cuBLAS as a value, so that it can be done at once or written down to be done with a whole step.
namespace Engine.Cuda.Device;

/// <summary>C = op(A) op(B), or C += where it accumulates, in cuBLAS's column-major order.</summary>
internal readonly record struct BlasProduct
{
    /// <summary>Whether A is stored or transposed, a number of <c>cublasOperation</c>.</summary>
    public required int TransposeA { get; init; }

    /// <summary>The same of B.</summary>
    public required int TransposeB { get; init; }

    /// <summary>Rows of C.</summary>
    public required int M { get; init; }

    /// <summary>Columns of C.</summary>
    public required int N { get; init; }

    /// <summary>Terms of each sum.</summary>
    public required int K { get; init; }

    /// <summary>Address, element type and leading dimension of A.</summary>
    public required BlasMatrix A { get; init; }

    /// <summary>Address, element type and leading dimension of B.</summary>
    public required BlasMatrix B { get; init; }

    /// <summary>Address, element type and leading dimension of C.</summary>
    public required BlasMatrix C { get; init; }

    /// <summary>The arithmetic, a number of <c>cublasComputeType</c>.</summary>
    public required int Compute { get; init; }

    /// <summary>Whether it is added to what C holds.</summary>
    public bool Accumulates { get; init; }
}

/// <summary>A matrix as cuBLAS is told of it.</summary>
/// <param name="Address">The first element.</param>
/// <param name="Type">A number of <c>cudaDataType</c>.</param>
/// <param name="Leading">Elements from a column to the next.</param>
internal readonly record struct BlasMatrix(nint Address, int Type, int Leading);
