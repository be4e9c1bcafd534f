// A product of cuBLAS as a value, so that it can be done at once or written down to be done with a whole step.
using Engine.Backends;

namespace Engine.Cuda.Device;

/// <summary>C = f(op(A) op(B) + bias), or C += op(A) op(B) where it accumulates, in cuBLAS's column-major order.</summary>
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

    /// <summary>Address of a float32 number for each row of C that is added to it; 0: there are none.</summary>
    public nint Bias { get; init; }

    /// <summary>What each number of C goes through at last: nothing, or what cuBLASLt can.</summary>
    public Activation Activation { get; init; }

    /// <summary>Whether nothing follows the sums.</summary>
    public bool IsPlain => Bias == 0 && Activation == Activation.None;

    /// <summary>Whether cuBLASLt knows what is to follow the sums. Its GELU is not said to be one of ours.</summary>
    public static bool CanFollow(Activation activation) => activation is Activation.None or Activation.Relu;

    /// <summary>Its sizes in words, for messages.</summary>
    public string Sizes() => $"of {M} × {N}, sums of {K},";

    /// <summary>The same with alignments in the place of addresses: products that are alike are computed alike.</summary>
    public BlasProduct Shape() => this with { A = A.Shape(), B = B.Shape(), C = C.Shape(), Bias = BlasMatrix.Alignment(Bias) };
}

/// <summary>A matrix as cuBLAS is told of it.</summary>
/// <param name="Address">The first element.</param>
/// <param name="Type">A number of <c>cudaDataType</c>.</param>
/// <param name="Leading">Elements from a column to the next.</param>
internal readonly record struct BlasMatrix(nint Address, int Type, int Leading)
{
    /// <summary>Alignments beyond it change nothing.</summary>
    private const nint LargestAlignment = 256;

    /// <summary>The same with its alignment in the place of the address.</summary>
    public BlasMatrix Shape() => this with { Address = Alignment(Address) };

    /// <summary>The largest power of two that divides an address, up to 256; 0 where there is none.</summary>
    public static nint Alignment(nint address) => address == 0 ? 0 : Math.Min(address & -address, LargestAlignment);
}
