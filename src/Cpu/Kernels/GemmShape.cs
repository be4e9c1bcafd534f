// Tile sizes, one line a rung, each with its reason. They decide speed only: an output is one chain over k in any tile.
using Engine.Cpu.Assembler;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>How a product is cut on one rung.</summary>
/// <param name="Rows">Rows of a strip: with <paramref name="Panels"/>, as many sums as registers hold.</param>
/// <param name="Panels">Panels of sixteen outputs that a strip meets at once.</param>
/// <param name="StreamPanels">Panels at once for a single row.</param>
/// <param name="FewRowsPanels">Panels at once for two or three rows.</param>
/// <param name="SomeRowsPanels">Panels at once for four to six rows.</param>
/// <param name="Depth">
/// Inputs of a block: a panel of them stays in the first-level cache while the strips of a block pass.
/// </param>
/// <param name="BlockRows">Rows of a block: their inputs of one depth stay in the second-level cache.</param>
internal readonly record struct GemmShape(
    int Rows, int Panels, int StreamPanels, int FewRowsPanels, int SomeRowsPanels, int Depth, int BlockRows)
{
    // Machine code: as AVX-512, but with no more panels at once than chains fill the ports: the fewer streams there are, the
    // further the processor reads ahead in each (8 for a single row took 8 to 20 % longer from memory, 25 % from the second
    // level). Rows are read where they lie: 12 of 512 steps are 24 KiB of the first-level cache, and two panels of them, 64 KiB, come from the second level at 11 bytes a
    // cycle, which it gives four times. Bytes have no blocks over k: a sum is 32 bits in a register from the first to the last
    // input.
    private static readonly GemmShape AssembledFloat = new(12, 2, 4, 4, 4, Depth: 512, BlockRows: 144);
    private static readonly GemmShape AssembledBytes = new(12, 2, 4, 4, 2, Depth: int.MaxValue, BlockRows: 144);

    // A fused multiply-add takes 4 cycles on 2 ports: at least 8 registers must be summing at any time.
    //
    // AVX-512, 32 registers: 12 × 2 sums, 2 of weights, 1 broadcast; two panels of 256 inputs are 32 KiB of 48. AVX2,
    // 16 registers: 6 × 2 sums, 2 of weights, 1 broadcast; a panel of 256 inputs is 16 KiB of 32. Portable: as AVX2,
    // for the 32 half-sized registers of Arm; what has only 16 of those is so old that it has no fused multiply-add
    // either.
    private static readonly GemmShape Avx512 = new(12, 2, 8, 4, 2, Depth: 256, BlockRows: 144);
    private static readonly GemmShape Avx2 = new(6, 1, 4, 2, 1, Depth: 256, BlockRows: 96);
    private static readonly GemmShape Portable = new(6, 1, 2, 1, 1, Depth: 256, BlockRows: 96);

    // Integer sums: a panel takes 2 registers of AVX-512 a row, or 4 of AVX2, where weights take 4 more and leave room
    // for 2 rows (with 3, two sums lived on the stack: 94 Gop/s instead of 123 on Zen 3). An addition takes 1 cycle, so
    // that few sums are enough. There are no blocks over k: a sum is 32 bits in a register from the first to the last
    // input.
    private static readonly GemmShape IntegerAvx512 = new(6, 1, 1, 1, 1, Depth: int.MaxValue, BlockRows: 96);
    private static readonly GemmShape IntegerAvx2 = new(2, 1, 1, 1, 1, Depth: int.MaxValue, BlockRows: 96);
    private static readonly GemmShape IntegerPortable = new(2, 1, 1, 1, 1, Depth: int.MaxValue, BlockRows: 96);

    /// <summary>Sizes for float weights.</summary>
    public static GemmShape Float(Rung rung) => rung switch
    {
        Rung.Avx512 => Avx512,
        Rung.Avx2 => Avx2,
        _ => Portable,
    };

    /// <summary>Sizes for machine-made tiles; depth in steps.</summary>
    public static GemmShape Assembled(TileKind kind) => kind == TileKind.Int8 ? AssembledBytes : AssembledFloat;

    /// <summary>Sizes for integer weights.</summary>
    public static GemmShape Integer(Rung rung) => rung switch
    {
        Rung.Avx512 => IntegerAvx512,
        Rung.Avx2 => IntegerAvx2,
        _ => IntegerPortable,
    };
}
