// Sixteen rows become a panel. A unit is what stands side by side for one output: a number, or a group of four integers, so
// that a group of int8 is moved like one float32. Bits are only moved.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Transposes [16][columns] to [columns][16].</summary>
internal static unsafe class PanelTranspose
{
    /// <summary>Units of 32 bits.</summary>
    /// <param name="rows">Sixteen rows.</param>
    /// <param name="stride">Units from a row to the next.</param>
    /// <param name="columns">Units of a row.</param>
    /// <param name="panel">[columns][16], on a cache line.</param>
    /// <param name="panelStride">Units from a column's sixteen to the next column's.</param>
    public static void Words(uint* rows, nint stride, int columns, uint* panel, nint panelStride = Lanes.Count)
    {
        int done = 0;
        if (Avx512F.IsSupported)
        {
            for (; done <= columns - 16; done += 16)
                Words16(rows + done, stride, panel + (done * panelStride), panelStride);
        }

        Panel.Put(
            (float*)(rows + done), stride, Lanes.Count, columns - done, (float*)(panel + (done * panelStride)), panelStride);
    }

    /// <summary>Units of 16 bits: two columns at once as units of 32 bits, which are then parted.</summary>
    public static void Halves(ushort* rows, nint stride, int columns, ushort* panel)
    {
        const int Pairs = 16;
        uint* words = stackalloc uint[Pairs * Lanes.Count];
        int k = 0;
        for (; k <= columns - (2 * Pairs) && stride % 2 == 0; k += 2 * Pairs)
        {
            Words((uint*)(rows + k), stride / 2, Pairs, words);
            ushort* to = panel + ((nint)k * Lanes.Count);
            for (int pair = 0; pair < Pairs; pair++, to += 2 * Lanes.Count)
            {
                Vector256<uint> low = Vector256.Load(words + (pair * Lanes.Count));
                Vector256<uint> high = Vector256.Load(words + (pair * Lanes.Count) + 8);
                Vector256<uint> mask = Vector256.Create(0xFFFFu);
                Vector256.Narrow(low & mask, high & mask).Store(to);
                Vector256.Narrow(low >>> 16, high >>> 16).Store(to + Lanes.Count);
            }
        }

        for (; k < columns; k++)
        {
            for (int row = 0; row < Lanes.Count; row++) panel[((nint)k * Lanes.Count) + row] = rows[(row * stride) + k];
        }
    }

    /// <summary>Units of 64 bits.</summary>
    public static void Doubles(ulong* rows, nint stride, int columns, ulong* panel)
    {
        for (int k = 0; k < columns; k++, panel += Lanes.Count)
        {
            for (int row = 0; row < Lanes.Count; row++) panel[row] = rows[(row * stride) + k];
        }
    }

    // Four steps, each of which brings together what is 1, 2, 4 and 8 rows apart.
    private static void Words16(uint* rows, nint stride, uint* panel, nint panelStride)
    {
        // Rows 4i .. 4i + 3: their columns c, 4 + c, 8 + c, 12 + c, in quarters of a vector.
        Four(rows, stride, out Vector512<uint> a0, out Vector512<uint> a1, out Vector512<uint> a2, out Vector512<uint> a3);
        rows += 4 * stride;
        Four(rows, stride, out Vector512<uint> b0, out Vector512<uint> b1, out Vector512<uint> b2, out Vector512<uint> b3);
        rows += 4 * stride;
        Four(rows, stride, out Vector512<uint> c0, out Vector512<uint> c1, out Vector512<uint> c2, out Vector512<uint> c3);
        rows += 4 * stride;
        Four(rows, stride, out Vector512<uint> d0, out Vector512<uint> d1, out Vector512<uint> d2, out Vector512<uint> d3);
        Quarters(a0, b0, c0, d0, panel, panelStride);
        Quarters(a1, b1, c1, d1, panel + panelStride, panelStride);
        Quarters(a2, b2, c2, d2, panel + (2 * panelStride), panelStride);
        Quarters(a3, b3, c3, d3, panel + (3 * panelStride), panelStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four(
        uint* rows, nint stride, out Vector512<uint> x0, out Vector512<uint> x1, out Vector512<uint> x2,
        out Vector512<uint> x3)
    {
        Vector512<uint> r0 = Vector512.Load(rows), r1 = Vector512.Load(rows + stride);
        Vector512<uint> r2 = Vector512.Load(rows + (2 * stride)), r3 = Vector512.Load(rows + (3 * stride));
        Vector512<ulong> low01 = Avx512F.UnpackLow(r0, r1).AsUInt64(), high01 = Avx512F.UnpackHigh(r0, r1).AsUInt64();
        Vector512<ulong> low23 = Avx512F.UnpackLow(r2, r3).AsUInt64(), high23 = Avx512F.UnpackHigh(r2, r3).AsUInt64();
        x0 = Avx512F.UnpackLow(low01, low23).AsUInt32();
        x1 = Avx512F.UnpackHigh(low01, low23).AsUInt32();
        x2 = Avx512F.UnpackLow(high01, high23).AsUInt32();
        x3 = Avx512F.UnpackHigh(high01, high23).AsUInt32();
    }

    // Columns c, 4 + c, 8 + c, 12 + c of rows 0 .. 15.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarters(
        Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, Vector512<uint> d, uint* panel, nint panelStride)
    {
        Vector512<uint> ab02 = Avx512F.Shuffle4x128(a, b, 0x88), ab13 = Avx512F.Shuffle4x128(a, b, 0xDD);
        Vector512<uint> cd02 = Avx512F.Shuffle4x128(c, d, 0x88), cd13 = Avx512F.Shuffle4x128(c, d, 0xDD);
        Avx512F.Shuffle4x128(ab02, cd02, 0x88).Store(panel);
        Avx512F.Shuffle4x128(ab13, cd13, 0x88).Store(panel + (4 * panelStride));
        Avx512F.Shuffle4x128(ab02, cd02, 0xDD).Store(panel + (8 * panelStride));
        Avx512F.Shuffle4x128(ab13, cd13, 0xDD).Store(panel + (12 * panelStride));
    }
}
