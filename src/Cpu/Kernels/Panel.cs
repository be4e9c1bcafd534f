// Keys, transposed: sixteen keys side by side, so that one vector holds the same element of each.
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Makes panels [columns][16] of rows [16][columns]. Numbers are only moved.</summary>
internal static unsafe class Panel
{
    // 64 columns of a panel are 4 KiB: rows that are written one by one find it in the first cache.
    private const int ColumnsAtOnce = 64;

    /// <summary>Writes rows to consecutive lanes of a panel and leaves the other lanes as they are.</summary>
    /// <param name="rows">The rows, <paramref name="stride"/> apart.</param>
    /// <param name="stride">Elements from a row to the next.</param>
    /// <param name="count">Rows; there are as many lanes from the first on.</param>
    /// <param name="columns">Elements of a row.</param>
    /// <param name="panel">The first lane in a panel [columns][16].</param>
    /// <param name="panelStride">Elements from a column's lanes to the next column's.</param>
    public static void Put(
        float* rows, long stride, int count, int columns, float* panel, nint panelStride = Lanes.Count)
    {
        for (int start = 0; start < columns; start += ColumnsAtOnce)
        {
            int width = Math.Min(ColumnsAtOnce, columns - start);
            float* source = rows + start, destination = panel + (start * panelStride);
            int row = 0;
            if (Avx.IsSupported)
            {
                for (; row + 8 <= count; row += 8) PutEight(source + (row * stride), stride, width, destination + row, panelStride);
            }

            for (; row < count; row++)
            {
                float* from = source + (row * stride), to = destination + row;
                for (nint c = 0; c < width; c++) to[c * panelStride] = from[c];
            }
        }
    }

    private static void PutEight(float* rows, long stride, int columns, float* panel, nint panelStride)
    {
        float* below = rows + (4 * stride);
        int c = 0;
        for (; c + 4 <= columns; c += 4)
        {
            Vector256<float> r0 = FourAndFour(rows + c, below + c);
            Vector256<float> r1 = FourAndFour(rows + stride + c, below + stride + c);
            Vector256<float> r2 = FourAndFour(rows + (2 * stride) + c, below + (2 * stride) + c);
            Vector256<float> r3 = FourAndFour(rows + (3 * stride) + c, below + (3 * stride) + c);
            Vector256<float> low01 = Avx.UnpackLow(r0, r1), high01 = Avx.UnpackHigh(r0, r1);
            Vector256<float> low23 = Avx.UnpackLow(r2, r3), high23 = Avx.UnpackHigh(r2, r3);
            float* to = panel + (c * panelStride);
            Avx.Shuffle(low01, low23, 0x44).Store(to);
            Avx.Shuffle(low01, low23, 0xEE).Store(to + panelStride);
            Avx.Shuffle(high01, high23, 0x44).Store(to + (2 * panelStride));
            Avx.Shuffle(high01, high23, 0xEE).Store(to + (3 * panelStride));
        }

        for (; c < columns; c++)
        {
            for (int row = 0; row < 8; row++) panel[(c * panelStride) + row] = rows[(row * stride) + c];
        }
    }

    private static Vector256<float> FourAndFour(float* first, float* second) =>
        Vector256.Create(Vector128.Load(first), Vector128.Load(second));
}
