// Loops that do nothing but multiply and add in registers: what a core can do at most.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Engine.Cpu.Simd;

namespace Engine.Perf.Measuring;

/// <summary>One slice of each loop, a millisecond or two long, on the calling thread.</summary>
internal static unsafe class Peaks
{
    // A multiply-add takes 4 or 5 cycles on 2 ports: 12 chains keep both ports busy and still fit in 16 registers.
    private const int Chains = 12;

    private const int Rounds = 1_000_000;

    /// <summary>Floating-point operations of a slice by registers of a rung; a multiply-add is two.</summary>
    public static double Float(Rung rung) => rung switch
    {
        Rung.Avx512 => Run(2.0 * Chains * 16, &Float512Loop),
        Rung.Avx2 => Run(2.0 * Chains * 8, &Float256Loop),
        _ => Run(2.0 * Chains * 4, &Float128Loop),
    };

    // The best that .NET has a name for; 0 where that is nothing.
    private static double Integer() =>
        AvxVnni.IsSupported ? Run(2.0 * Chains * 32, &BytesLoop)
        : Avx512BW.IsSupported ? Run(2.0 * 6 * 32, &Shorts512Loop)
        : Avx2.IsSupported ? Run(2.0 * Chains * 16, &Shorts256Loop) : 0;

    /// <summary>Operations of a slice on 8-bit integers: 64 products an instruction where there is machine code for it.</summary>
    public static double Int8() => PeakCode.Bytes is { } code ? 2 * 64 * code.Run(Rounds) : Integer();

    /// <summary>Operations of a slice on bfloat16: 32 products an instruction; else those of float32, to which it is widened.</summary>
    public static double BFloat16() => PeakCode.BFloat16 is { } code ? 2 * 32 * code.Run(Rounds) : Float(Ladder.Best);

    // A loop is a method of its own: a call after it would make the compiler keep the sums in memory.
    private static double Run(double operations, delegate*<float> loop)
    {
        float sum = loop();
        return float.IsNaN(sum) ? 0 : operations * Rounds;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Float128Loop()
    {
        Vector128<float> scale = Vector128.Create(0.5f), offset = Vector128.Create(1f);   // x = x/2 + 1 stays near 2: no slow numbers
        Vector128<float> a = offset, b = offset, c = offset, d = offset, e = offset, f = offset;
        Vector128<float> g = offset, h = offset, i = offset, j = offset, k = offset, l = offset;
        for (int round = 0; round < Rounds; round++)
        {
            a = Vector128.FusedMultiplyAdd(a, scale, offset);
            b = Vector128.FusedMultiplyAdd(b, scale, offset);
            c = Vector128.FusedMultiplyAdd(c, scale, offset);
            d = Vector128.FusedMultiplyAdd(d, scale, offset);
            e = Vector128.FusedMultiplyAdd(e, scale, offset);
            f = Vector128.FusedMultiplyAdd(f, scale, offset);
            g = Vector128.FusedMultiplyAdd(g, scale, offset);
            h = Vector128.FusedMultiplyAdd(h, scale, offset);
            i = Vector128.FusedMultiplyAdd(i, scale, offset);
            j = Vector128.FusedMultiplyAdd(j, scale, offset);
            k = Vector128.FusedMultiplyAdd(k, scale, offset);
            l = Vector128.FusedMultiplyAdd(l, scale, offset);
        }

        return (a + b + c + d + e + f + g + h + i + j + k + l).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Float256Loop()
    {
        Vector256<float> scale = Vector256.Create(0.5f), offset = Vector256.Create(1f);   // x = x/2 + 1 stays near 2: no slow numbers
        Vector256<float> a = offset, b = offset, c = offset, d = offset, e = offset, f = offset;
        Vector256<float> g = offset, h = offset, i = offset, j = offset, k = offset, l = offset;
        for (int round = 0; round < Rounds; round++)
        {
            a = Vector256.FusedMultiplyAdd(a, scale, offset);
            b = Vector256.FusedMultiplyAdd(b, scale, offset);
            c = Vector256.FusedMultiplyAdd(c, scale, offset);
            d = Vector256.FusedMultiplyAdd(d, scale, offset);
            e = Vector256.FusedMultiplyAdd(e, scale, offset);
            f = Vector256.FusedMultiplyAdd(f, scale, offset);
            g = Vector256.FusedMultiplyAdd(g, scale, offset);
            h = Vector256.FusedMultiplyAdd(h, scale, offset);
            i = Vector256.FusedMultiplyAdd(i, scale, offset);
            j = Vector256.FusedMultiplyAdd(j, scale, offset);
            k = Vector256.FusedMultiplyAdd(k, scale, offset);
            l = Vector256.FusedMultiplyAdd(l, scale, offset);
        }

        return (a + b + c + d + e + f + g + h + i + j + k + l).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Float512Loop()
    {
        Vector512<float> scale = Vector512.Create(0.5f), offset = Vector512.Create(1f);   // x = x/2 + 1 stays near 2: no slow numbers
        Vector512<float> a = offset, b = offset, c = offset, d = offset, e = offset, f = offset;
        Vector512<float> g = offset, h = offset, i = offset, j = offset, k = offset, l = offset;
        for (int round = 0; round < Rounds; round++)
        {
            a = Vector512.FusedMultiplyAdd(a, scale, offset);
            b = Vector512.FusedMultiplyAdd(b, scale, offset);
            c = Vector512.FusedMultiplyAdd(c, scale, offset);
            d = Vector512.FusedMultiplyAdd(d, scale, offset);
            e = Vector512.FusedMultiplyAdd(e, scale, offset);
            f = Vector512.FusedMultiplyAdd(f, scale, offset);
            g = Vector512.FusedMultiplyAdd(g, scale, offset);
            h = Vector512.FusedMultiplyAdd(h, scale, offset);
            i = Vector512.FusedMultiplyAdd(i, scale, offset);
            j = Vector512.FusedMultiplyAdd(j, scale, offset);
            k = Vector512.FusedMultiplyAdd(k, scale, offset);
            l = Vector512.FusedMultiplyAdd(l, scale, offset);
        }

        return (a + b + c + d + e + f + g + h + i + j + k + l).ToScalar();
    }

    // Thirty-two products of bytes an instruction.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float BytesLoop()
    {
        Vector256<byte> x = Vector256.Create((byte)1);
        Vector256<sbyte> w = Vector256.Create((sbyte)1);
        Vector256<int> a = default, b = default, c = default, d = default, e = default, f = default;
        Vector256<int> g = default, h = default, i = default, j = default, k = default, l = default;
        for (int round = 0; round < Rounds; round++)
        {
            a = AvxVnni.MultiplyWideningAndAdd(a, x, w);
            b = AvxVnni.MultiplyWideningAndAdd(b, x, w);
            c = AvxVnni.MultiplyWideningAndAdd(c, x, w);
            d = AvxVnni.MultiplyWideningAndAdd(d, x, w);
            e = AvxVnni.MultiplyWideningAndAdd(e, x, w);
            f = AvxVnni.MultiplyWideningAndAdd(f, x, w);
            g = AvxVnni.MultiplyWideningAndAdd(g, x, w);
            h = AvxVnni.MultiplyWideningAndAdd(h, x, w);
            i = AvxVnni.MultiplyWideningAndAdd(i, x, w);
            j = AvxVnni.MultiplyWideningAndAdd(j, x, w);
            k = AvxVnni.MultiplyWideningAndAdd(k, x, w);
            l = AvxVnni.MultiplyWideningAndAdd(l, x, w);
        }

        return (a + b + c + d + e + f + g + h + i + j + k + l).ToScalar();
    }

    // Thirty-two products of 16-bit numbers an instruction, and one more to add them. The products would be the same in
    // every round, so one factor is the sum itself: the compiler cannot move them out of the loop.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Shorts512Loop()
    {
        Vector512<short> w = Vector512.Create((short)1);
        Vector512<int> a = default, b = default, c = default, d = default, e = default, f = default;
        for (int round = 0; round < Rounds; round++)
        {
            a = Avx512F.Add(a, Avx512BW.MultiplyAddAdjacent(a.AsInt16(), w));
            b = Avx512F.Add(b, Avx512BW.MultiplyAddAdjacent(b.AsInt16(), w));
            c = Avx512F.Add(c, Avx512BW.MultiplyAddAdjacent(c.AsInt16(), w));
            d = Avx512F.Add(d, Avx512BW.MultiplyAddAdjacent(d.AsInt16(), w));
            e = Avx512F.Add(e, Avx512BW.MultiplyAddAdjacent(e.AsInt16(), w));
            f = Avx512F.Add(f, Avx512BW.MultiplyAddAdjacent(f.AsInt16(), w));
        }

        return (a + b + c + d + e + f).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Shorts256Loop()
    {
        Vector256<short> w = Vector256.Create((short)1);
        Vector256<int> a = default, b = default, c = default, d = default, e = default, f = default;
        Vector256<int> g = default, h = default, i = default, j = default, k = default, l = default;
        for (int round = 0; round < Rounds; round++)
        {
            a = Avx2.Add(a, Avx2.MultiplyAddAdjacent(a.AsInt16(), w));
            b = Avx2.Add(b, Avx2.MultiplyAddAdjacent(b.AsInt16(), w));
            c = Avx2.Add(c, Avx2.MultiplyAddAdjacent(c.AsInt16(), w));
            d = Avx2.Add(d, Avx2.MultiplyAddAdjacent(d.AsInt16(), w));
            e = Avx2.Add(e, Avx2.MultiplyAddAdjacent(e.AsInt16(), w));
            f = Avx2.Add(f, Avx2.MultiplyAddAdjacent(f.AsInt16(), w));
            g = Avx2.Add(g, Avx2.MultiplyAddAdjacent(g.AsInt16(), w));
            h = Avx2.Add(h, Avx2.MultiplyAddAdjacent(h.AsInt16(), w));
            i = Avx2.Add(i, Avx2.MultiplyAddAdjacent(i.AsInt16(), w));
            j = Avx2.Add(j, Avx2.MultiplyAddAdjacent(j.AsInt16(), w));
            k = Avx2.Add(k, Avx2.MultiplyAddAdjacent(k.AsInt16(), w));
            l = Avx2.Add(l, Avx2.MultiplyAddAdjacent(l.AsInt16(), w));
        }

        return (a + b + c + d + e + f + g + h + i + j + k + l).ToScalar();
    }
}
