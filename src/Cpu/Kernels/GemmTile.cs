// The innermost loops of the float products: a tile of outputs held in registers while k runs. Each output is one chain
// of fused multiply-adds in ascending k, so the shape of the tile never shows in the bits. Rows and panels of a tile
// are constants of the JIT: what a tile has not is not compiled. Accumulators are named one by one, because the JIT
// keeps locals in registers and arrays in memory. They are compiled at once with all optimisations: as the first tier
// compiles it, a tile of 6 rows and 512 inputs took 137 µs instead of 1.2 µs (Zen 3), in forty calls and more before it
// was replaced.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Tiles of the float products.</summary>
/// <remarks>
/// x is a strip of rows side by side: number k of row r is x[k · rows + r]. A panel is sixteen outputs side by side:
/// number k of output j is panel[k · 16 + j]. Sums go to y, row r at r · stride; with <c>resume</c> they go on from
/// what is there.
/// </remarks>
internal static unsafe class GemmTile
{
    /// <summary>Up to twelve rows of one or two panels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Block<TSimd, TElement, TRows, TPanels>(
        float* x, byte* panel, nint panelBytes, nint depth, float* y, nint stride, bool resume)
        where TSimd : unmanaged, ISimd<TSimd>
        where TElement : unmanaged, IElement
        where TRows : unmanaged, ICount
        where TPanels : unmanaged, ICount
    {
        TSimd a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero, a4 = TSimd.Zero, a5 = TSimd.Zero,
            a6 = TSimd.Zero, a7 = TSimd.Zero, a8 = TSimd.Zero, a9 = TSimd.Zero, a10 = TSimd.Zero, a11 = TSimd.Zero;
        TSimd b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero, b3 = TSimd.Zero, b4 = TSimd.Zero, b5 = TSimd.Zero,
            b6 = TSimd.Zero, b7 = TSimd.Zero, b8 = TSimd.Zero, b9 = TSimd.Zero, b10 = TSimd.Zero, b11 = TSimd.Zero;
        if (resume)
        {
            a0 = TSimd.Load(y);
            if (TRows.Value > 1) a1 = TSimd.Load(y + stride);
            if (TRows.Value > 2) a2 = TSimd.Load(y + (2 * stride));
            if (TRows.Value > 3) a3 = TSimd.Load(y + (3 * stride));
            if (TRows.Value > 4) a4 = TSimd.Load(y + (4 * stride));
            if (TRows.Value > 5) a5 = TSimd.Load(y + (5 * stride));
            if (TRows.Value > 6) a6 = TSimd.Load(y + (6 * stride));
            if (TRows.Value > 7) a7 = TSimd.Load(y + (7 * stride));
            if (TRows.Value > 8) a8 = TSimd.Load(y + (8 * stride));
            if (TRows.Value > 9) a9 = TSimd.Load(y + (9 * stride));
            if (TRows.Value > 10) a10 = TSimd.Load(y + (10 * stride));
            if (TRows.Value > 11) a11 = TSimd.Load(y + (11 * stride));
            if (TPanels.Value > 1) b0 = TSimd.Load(y + 16);
            if (TRows.Value > 1 && TPanels.Value > 1) b1 = TSimd.Load(y + stride + 16);
            if (TRows.Value > 2 && TPanels.Value > 1) b2 = TSimd.Load(y + (2 * stride) + 16);
            if (TRows.Value > 3 && TPanels.Value > 1) b3 = TSimd.Load(y + (3 * stride) + 16);
            if (TRows.Value > 4 && TPanels.Value > 1) b4 = TSimd.Load(y + (4 * stride) + 16);
            if (TRows.Value > 5 && TPanels.Value > 1) b5 = TSimd.Load(y + (5 * stride) + 16);
            if (TRows.Value > 6 && TPanels.Value > 1) b6 = TSimd.Load(y + (6 * stride) + 16);
            if (TRows.Value > 7 && TPanels.Value > 1) b7 = TSimd.Load(y + (7 * stride) + 16);
            if (TRows.Value > 8 && TPanels.Value > 1) b8 = TSimd.Load(y + (8 * stride) + 16);
            if (TRows.Value > 9 && TPanels.Value > 1) b9 = TSimd.Load(y + (9 * stride) + 16);
            if (TRows.Value > 10 && TPanels.Value > 1) b10 = TSimd.Load(y + (10 * stride) + 16);
            if (TRows.Value > 11 && TPanels.Value > 1) b11 = TSimd.Load(y + (11 * stride) + 16);
        }

        nint step = Lanes.Count * TElement.Bytes;
        byte* panel1 = panel + panelBytes;
        for (nint i = 0, end = depth * step; i < end; i += step, x += TRows.Value)
        {
            TSimd w0 = TElement.Load<TSimd>(panel + i);
            TSimd w1 = TPanels.Value > 1 ? TElement.Load<TSimd>(panel1 + i) : w0;
            TSimd x0 = TSimd.Broadcast(x[0]);
            TSimd.Accumulate(ref a0, w0, x0);
            if (TPanels.Value > 1) TSimd.Accumulate(ref b0, w1, x0);

            if (TRows.Value > 1)
            {
                TSimd x1 = TSimd.Broadcast(x[1]);
                TSimd.Accumulate(ref a1, w0, x1);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b1, w1, x1);
            }

            if (TRows.Value > 2)
            {
                TSimd x2 = TSimd.Broadcast(x[2]);
                TSimd.Accumulate(ref a2, w0, x2);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b2, w1, x2);
            }

            if (TRows.Value > 3)
            {
                TSimd x3 = TSimd.Broadcast(x[3]);
                TSimd.Accumulate(ref a3, w0, x3);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b3, w1, x3);
            }

            if (TRows.Value > 4)
            {
                TSimd x4 = TSimd.Broadcast(x[4]);
                TSimd.Accumulate(ref a4, w0, x4);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b4, w1, x4);
            }

            if (TRows.Value > 5)
            {
                TSimd x5 = TSimd.Broadcast(x[5]);
                TSimd.Accumulate(ref a5, w0, x5);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b5, w1, x5);
            }

            if (TRows.Value > 6)
            {
                TSimd x6 = TSimd.Broadcast(x[6]);
                TSimd.Accumulate(ref a6, w0, x6);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b6, w1, x6);
            }

            if (TRows.Value > 7)
            {
                TSimd x7 = TSimd.Broadcast(x[7]);
                TSimd.Accumulate(ref a7, w0, x7);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b7, w1, x7);
            }

            if (TRows.Value > 8)
            {
                TSimd x8 = TSimd.Broadcast(x[8]);
                TSimd.Accumulate(ref a8, w0, x8);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b8, w1, x8);
            }

            if (TRows.Value > 9)
            {
                TSimd x9 = TSimd.Broadcast(x[9]);
                TSimd.Accumulate(ref a9, w0, x9);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b9, w1, x9);
            }

            if (TRows.Value > 10)
            {
                TSimd x10 = TSimd.Broadcast(x[10]);
                TSimd.Accumulate(ref a10, w0, x10);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b10, w1, x10);
            }

            if (TRows.Value > 11)
            {
                TSimd x11 = TSimd.Broadcast(x[11]);
                TSimd.Accumulate(ref a11, w0, x11);
                if (TPanels.Value > 1) TSimd.Accumulate(ref b11, w1, x11);
            }
        }

        TSimd.Store(a0, y);
        if (TPanels.Value > 1) TSimd.Store(b0, y + 16);
        if (TRows.Value > 1) TSimd.Store(a1, y + stride);
        if (TRows.Value > 1 && TPanels.Value > 1) TSimd.Store(b1, y + stride + 16);
        if (TRows.Value > 2) TSimd.Store(a2, y + (2 * stride));
        if (TRows.Value > 2 && TPanels.Value > 1) TSimd.Store(b2, y + (2 * stride) + 16);
        if (TRows.Value > 3) TSimd.Store(a3, y + (3 * stride));
        if (TRows.Value > 3 && TPanels.Value > 1) TSimd.Store(b3, y + (3 * stride) + 16);
        if (TRows.Value > 4) TSimd.Store(a4, y + (4 * stride));
        if (TRows.Value > 4 && TPanels.Value > 1) TSimd.Store(b4, y + (4 * stride) + 16);
        if (TRows.Value > 5) TSimd.Store(a5, y + (5 * stride));
        if (TRows.Value > 5 && TPanels.Value > 1) TSimd.Store(b5, y + (5 * stride) + 16);
        if (TRows.Value > 6) TSimd.Store(a6, y + (6 * stride));
        if (TRows.Value > 6 && TPanels.Value > 1) TSimd.Store(b6, y + (6 * stride) + 16);
        if (TRows.Value > 7) TSimd.Store(a7, y + (7 * stride));
        if (TRows.Value > 7 && TPanels.Value > 1) TSimd.Store(b7, y + (7 * stride) + 16);
        if (TRows.Value > 8) TSimd.Store(a8, y + (8 * stride));
        if (TRows.Value > 8 && TPanels.Value > 1) TSimd.Store(b8, y + (8 * stride) + 16);
        if (TRows.Value > 9) TSimd.Store(a9, y + (9 * stride));
        if (TRows.Value > 9 && TPanels.Value > 1) TSimd.Store(b9, y + (9 * stride) + 16);
        if (TRows.Value > 10) TSimd.Store(a10, y + (10 * stride));
        if (TRows.Value > 10 && TPanels.Value > 1) TSimd.Store(b10, y + (10 * stride) + 16);
        if (TRows.Value > 11) TSimd.Store(a11, y + (11 * stride));
        if (TRows.Value > 11 && TPanels.Value > 1) TSimd.Store(b11, y + (11 * stride) + 16);
    }

    /// <summary>
    /// One row of up to eight panels, or up to three rows of up to four: panels are streamed from memory once.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Stream<TSimd, TElement, TRows, TPanels>(
        float* x, byte* panel, nint panelBytes, nint depth, float* y, nint stride)
        where TSimd : unmanaged, ISimd<TSimd>
        where TElement : unmanaged, IElement
        where TRows : unmanaged, ICount
        where TPanels : unmanaged, ICount
    {
        TSimd a0 = TSimd.Zero, b0 = TSimd.Zero, c0 = TSimd.Zero, d0 = TSimd.Zero,
            e0 = TSimd.Zero, f0 = TSimd.Zero, g0 = TSimd.Zero, h0 = TSimd.Zero;
        TSimd a1 = TSimd.Zero, b1 = TSimd.Zero, c1 = TSimd.Zero, d1 = TSimd.Zero;
        TSimd a2 = TSimd.Zero, b2 = TSimd.Zero, c2 = TSimd.Zero, d2 = TSimd.Zero;

        nint step = Lanes.Count * TElement.Bytes;
        byte* panel1 = panel + panelBytes;
        byte* panel2 = panel + (2 * panelBytes);
        byte* panel3 = panel + (3 * panelBytes);
        byte* panel4 = panel + (4 * panelBytes);
        byte* panel5 = panel + (5 * panelBytes);
        byte* panel6 = panel + (6 * panelBytes);
        byte* panel7 = panel + (7 * panelBytes);
        for (nint i = 0, end = depth * step; i < end; i += step, x += TRows.Value)
        {
            TSimd x0 = TSimd.Broadcast(x[0]);
            TSimd x1 = TRows.Value > 1 ? TSimd.Broadcast(x[1]) : x0;
            TSimd x2 = TRows.Value > 2 ? TSimd.Broadcast(x[2]) : x0;

            TSimd w0 = TElement.Load<TSimd>(panel + i);
            TSimd.Accumulate(ref a0, w0, x0);
            if (TRows.Value > 1) TSimd.Accumulate(ref a1, w0, x1);
            if (TRows.Value > 2) TSimd.Accumulate(ref a2, w0, x2);

            if (TPanels.Value > 1)
            {
                TSimd w = TElement.Load<TSimd>(panel1 + i);
                TSimd.Accumulate(ref b0, w, x0);
                if (TRows.Value > 1) TSimd.Accumulate(ref b1, w, x1);
                if (TRows.Value > 2) TSimd.Accumulate(ref b2, w, x2);
            }

            if (TPanels.Value > 2)
            {
                TSimd w = TElement.Load<TSimd>(panel2 + i);
                TSimd.Accumulate(ref c0, w, x0);
                if (TRows.Value > 1) TSimd.Accumulate(ref c1, w, x1);
                if (TRows.Value > 2) TSimd.Accumulate(ref c2, w, x2);
            }

            if (TPanels.Value > 3)
            {
                TSimd w = TElement.Load<TSimd>(panel3 + i);
                TSimd.Accumulate(ref d0, w, x0);
                if (TRows.Value > 1) TSimd.Accumulate(ref d1, w, x1);
                if (TRows.Value > 2) TSimd.Accumulate(ref d2, w, x2);
            }

            if (TPanels.Value > 4)
            {
                TSimd w = TElement.Load<TSimd>(panel4 + i);
                TSimd.Accumulate(ref e0, w, x0);
            }

            if (TPanels.Value > 5)
            {
                TSimd w = TElement.Load<TSimd>(panel5 + i);
                TSimd.Accumulate(ref f0, w, x0);
            }

            if (TPanels.Value > 6)
            {
                TSimd w = TElement.Load<TSimd>(panel6 + i);
                TSimd.Accumulate(ref g0, w, x0);
            }

            if (TPanels.Value > 7)
            {
                TSimd w = TElement.Load<TSimd>(panel7 + i);
                TSimd.Accumulate(ref h0, w, x0);
            }
        }

        TSimd.Store(a0, y);
        if (TPanels.Value > 1) TSimd.Store(b0, y + 16);
        if (TPanels.Value > 2) TSimd.Store(c0, y + 32);
        if (TPanels.Value > 3) TSimd.Store(d0, y + 48);
        if (TPanels.Value > 4) TSimd.Store(e0, y + 64);
        if (TPanels.Value > 5) TSimd.Store(f0, y + 80);
        if (TPanels.Value > 6) TSimd.Store(g0, y + 96);
        if (TPanels.Value > 7) TSimd.Store(h0, y + 112);
        if (TRows.Value > 1) TSimd.Store(a1, y + stride);
        if (TRows.Value > 1 && TPanels.Value > 1) TSimd.Store(b1, y + stride + 16);
        if (TRows.Value > 1 && TPanels.Value > 2) TSimd.Store(c1, y + stride + 32);
        if (TRows.Value > 1 && TPanels.Value > 3) TSimd.Store(d1, y + stride + 48);
        if (TRows.Value > 2) TSimd.Store(a2, y + (2 * stride));
        if (TRows.Value > 2 && TPanels.Value > 1) TSimd.Store(b2, y + (2 * stride) + 16);
        if (TRows.Value > 2 && TPanels.Value > 2) TSimd.Store(c2, y + (2 * stride) + 32);
        if (TRows.Value > 2 && TPanels.Value > 3) TSimd.Store(d2, y + (2 * stride) + 48);
    }
}
