// Flash attention by tensor cores: which of its kernels serves a head's width, and what that kernel is launched with. The numbers
// are those of native/kernels/flash.cuh.
using Engine.Backends;
using Engine.Cuda.Device;

namespace Engine.Cuda;

/// <summary>The kernels of flash attention in one arithmetic.</summary>
internal sealed class FlashKernels
{
    /// <summary>Heads that are wider are left to the kernels in float32.</summary>
    public const int WidestHead = 128;

    /// <summary>Threads of a block.</summary>
    public const int Threads = 128;

    private const int RowsOfPacking = 4, ColumnsOfPacking = 4, BytesBetweenRows = 16;
    private const int BytesWithoutAsking = 48 << 10;

    private static readonly int[] Widths = [16, 32, 64, 96, WidestHead];

    private readonly CudaDeviceContext _context;
    private readonly string _family;
    private readonly Dictionary<int, Kernel> _attend = [];
    private readonly bool _isHalf;

    /// <summary>Looks up what every width needs.</summary>
    /// <param name="context">The device.</param>
    /// <param name="arithmetic">Not float32.</param>
    public FlashKernels(CudaDeviceContext context, Arithmetic arithmetic)
    {
        _context = context;
        _isHalf = arithmetic != Arithmetic.TensorFloat32;
        _family = arithmetic switch
        {
            Arithmetic.BFloat16 => "flash_bf16",
            Arithmetic.Float16 => "flash_f16",
            _ => "flash_tf32",
        };
        Pack = context.Find(_family, "pack_sentences");
    }

    /// <summary>Makes keys and values what the others read.</summary>
    public Kernel Pack { get; }

    /// <summary>Bytes of a packed element.</summary>
    public int ElementBytes => _isHalf ? 2 : 4;

    /// <summary>Queries of a block.</summary>
    public int QueriesOfTile => _isHalf ? 128 : 64;

    /// <summary>The width to which a head is padded.</summary>
    public static int WidthOf(int headDim) => Array.Find(Widths, width => width >= headDim);

    /// <summary>Rows that a block packs.</summary>
    public static int RowsOfPackingBlock(int width) => Threads / (width / ColumnsOfPacking) * RowsOfPacking;

    /// <summary>The kernel of a width.</summary>
    public Kernel Attend(int width)
    {
        if (_attend.TryGetValue(width, out Kernel? known)) return known;
        Kernel kernel = _context.Find(_family, $"flash_{width}");
        if (SharedBytes(width) > BytesWithoutAsking) _context.AllowShared(kernel, SharedBytes(width));
        _attend.Add(width, kernel);
        return kernel;
    }

    /// <summary>Two tiles of keys and two of values; and, of 16 bits in wide heads, the queries.</summary>
    public int SharedBytes(int width)
    {
        int keys = _isHalf && width <= 64 ? 64 : 32;
        int queries = _isHalf && width > 64 ? QueriesOfTile * width * ElementBytes : 0;
        return (4 * keys * ((width * ElementBytes) + BytesBetweenRows)) + queries;
    }
}
