// The kernels of products of a few rows, by type of the weights and number of rows.
using Engine.Cuda.Device;
using Engine.Tensors;

namespace Engine.Cuda;

/// <summary>Kernels of <c>native/kernels/few.cuh</c>.</summary>
internal sealed class FewKernels(CudaDeviceContext context)
{
    /// <summary>Rows that a kernel takes at most.</summary>
    public const int MostRows = 8;

    /// <summary>Columns of a norm that a kernel takes along at most: a warp holds its row.</summary>
    public const int MostColumnsOfNorm = 1024;

    private const int GapOfHalves = 16;     // between the halves of a row, where weights have 16 bits

    // What a block may have of shared memory without asking, and what every device that the kernels are for gives when asked.
    private const int SharedWithoutAsking = 47 << 10, MostShared = 96 << 10;

    private readonly Dictionary<(DType Type, int Rows), Kernel> _found = [];

    /// <summary>Whether the rows of a product find room in shared memory.</summary>
    public static bool IsFor(int rows, int stride, DType type) => rows <= MostRows && SharedBytes(rows, stride, type) <= MostShared;

    /// <summary>Bytes of shared memory: the rows that the kernel takes, integers as such.</summary>
    /// <param name="rows">Rows of the product.</param>
    /// <param name="stride">Elements from a row of the weight to the next.</param>
    /// <param name="type">Type of the weight.</param>
    public static long SharedBytes(int rows, int stride, DType type)
    {
        if (!type.IsFloat()) return (long)RowsOfKernel(rows) * stride * type.Bytes();
        int gap = type == DType.Float32 ? 0 : GapOfHalves;
        return (long)RowsOfKernel(rows) * (stride + gap) * sizeof(float);
    }

    /// <summary>The kernel of a product.</summary>
    public Kernel Find(int rows, DType type)
    {
        int most = RowsOfKernel(rows);
        if (_found.TryGetValue((type, most), out Kernel? kernel)) return kernel;
        (string family, string suffix) = type switch
        {
            DType.Float32 => ("few_floats", "f32"),
            DType.Float16 => ("few_halves", "f16"),
            DType.BFloat16 => ("few_halves", "bf16"),
            DType.Int8 => ("few_integers", "i8"),
            _ => ("few_integers", "i16"),
        };
        kernel = context.Find(family, $"few_{most}_{suffix}");
        _found.Add((type, most), kernel);
        return kernel;
    }

    /// <summary>Asks for the shared memory of a launch.</summary>
    public void Allow(Kernel kernel, long sharedBytes)
    {
        if (sharedBytes <= SharedWithoutAsking || kernel.IsSharedAllowed) return;
        context.AllowShared(kernel, MostShared);
        kernel.IsSharedAllowed = true;
    }

    /// <summary>Outputs of a warp.</summary>
    public static int OutputsOfWarp(int rows) => rows == 1 ? 1 : 2;

    private static int RowsOfKernel(int rows) => rows == 1 ? 1 : rows <= 4 ? 4 : MostRows;
}
