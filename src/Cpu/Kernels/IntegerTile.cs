// The innermost loops of the integer products: up to six rows of one panel, sums in registers from the first input to
// the last. See GemmTile for why the accumulators have names and why the tiers of the JIT are skipped.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Tiles of the integer products.</summary>
/// <remarks>
/// Inputs come in groups of four. x is a strip of rows side by side: group g of row r is the four numbers from
/// x[(g · rows + r) · 4] on. A panel is sixteen outputs side by side: group g of output j is the four from
/// panel[(g · 16 + j) · 4] on.
/// </remarks>
internal static unsafe class IntegerTile
{
    /// <summary>Multiplies a strip by a panel and stores the sums as floats, row r at r · stride.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TIntegers, TElement, TRows>(short* x, byte* panel, nint groups, float* y, nint stride)
        where TIntegers : unmanaged, IIntegers<TIntegers>
        where TElement : unmanaged, IIntegerElement
        where TRows : unmanaged, ICount
    {
        TIntegers a0 = TIntegers.Zero, a1 = TIntegers.Zero, a2 = TIntegers.Zero, a3 = TIntegers.Zero,
            a4 = TIntegers.Zero, a5 = TIntegers.Zero;
        TIntegers b0 = TIntegers.Zero, b1 = TIntegers.Zero, b2 = TIntegers.Zero, b3 = TIntegers.Zero,
            b4 = TIntegers.Zero, b5 = TIntegers.Zero;
        nint half = 8 * IntegerGroup.Inputs * TElement.Bytes;
        byte* end = panel + (groups * 2 * half);
        for (; panel < end; panel += 2 * half, x += TRows.Value * IntegerGroup.Inputs)
        {
            TIntegers low = TElement.Load<TIntegers>(panel), high = TElement.Load<TIntegers>(panel + half);
            TIntegers x0 = TIntegers.BroadcastFour(x);
            TIntegers.AddProducts(ref a0, low, x0);
            TIntegers.AddProducts(ref b0, high, x0);

            if (TRows.Value > 1)
            {
                TIntegers x1 = TIntegers.BroadcastFour(x + IntegerGroup.Inputs);
                TIntegers.AddProducts(ref a1, low, x1);
                TIntegers.AddProducts(ref b1, high, x1);
            }

            if (TRows.Value > 2)
            {
                TIntegers x2 = TIntegers.BroadcastFour(x + (2 * IntegerGroup.Inputs));
                TIntegers.AddProducts(ref a2, low, x2);
                TIntegers.AddProducts(ref b2, high, x2);
            }

            if (TRows.Value > 3)
            {
                TIntegers x3 = TIntegers.BroadcastFour(x + (3 * IntegerGroup.Inputs));
                TIntegers.AddProducts(ref a3, low, x3);
                TIntegers.AddProducts(ref b3, high, x3);
            }

            if (TRows.Value > 4)
            {
                TIntegers x4 = TIntegers.BroadcastFour(x + (4 * IntegerGroup.Inputs));
                TIntegers.AddProducts(ref a4, low, x4);
                TIntegers.AddProducts(ref b4, high, x4);
            }

            if (TRows.Value > 5)
            {
                TIntegers x5 = TIntegers.BroadcastFour(x + (5 * IntegerGroup.Inputs));
                TIntegers.AddProducts(ref a5, low, x5);
                TIntegers.AddProducts(ref b5, high, x5);
            }
        }

        TIntegers.StorePairs(a0, b0, y);
        if (TRows.Value > 1) TIntegers.StorePairs(a1, b1, y + stride);
        if (TRows.Value > 2) TIntegers.StorePairs(a2, b2, y + (2 * stride));
        if (TRows.Value > 3) TIntegers.StorePairs(a3, b3, y + (3 * stride));
        if (TRows.Value > 4) TIntegers.StorePairs(a4, b4, y + (4 * stride));
        if (TRows.Value > 5) TIntegers.StorePairs(a5, b5, y + (5 * stride));
    }
}
