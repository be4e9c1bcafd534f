// The polynomials against double precision, over the whole range that they serve, and rung against rung.
using Engine.Cpu.Kernels;
using Engine.Cpu.Simd;
using Engine.Reference;
using Xunit;

namespace Cpu.Tests.Simd;

public sealed unsafe class ExponentialTests
{
    private const float Lowest = -87.33654f, Highest = 88.02969f;

    [Fact]
    public void Exponentials_are_within_2_ulps()
    {
        float[] x = Sweep(stride: 251), y = Exponentials(Ladder.Best, x);
        double worst = 0;
        for (int i = 0; i < x.Length; i++)
        {
            if (x[i] is < Lowest or > Highest) continue;
            worst = Math.Max(worst, ErrorBound.Ulps(Math.Exp(x[i]), y[i]));
        }

        Assert.InRange(worst, 0, 2);
    }

    [Fact]
    public void Below_the_range_is_zero_and_above_it_the_largest_value()
    {
        float[] x = Sweep(stride: 9973), y = Exponentials(Ladder.Best, x);
        float largest = Exponentials(Ladder.Best, [Highest])[0];
        Assert.True(float.IsFinite(largest));
        for (int i = 0; i < x.Length; i++)
        {
            if (x[i] < Lowest) Assert.Equal(0f, y[i]);
            if (x[i] > Highest) Assert.Equal(largest, y[i]);
        }

        Assert.Equal([0f, 0f, largest, 1f, 1f], Exponentials(
            Ladder.Best, [float.NegativeInfinity, float.MinValue, float.PositiveInfinity, 0f, -0f]));
    }

    [Fact]
    public void What_is_not_a_number_stays_so()
    {
        foreach (Rung rung in Rungs.All) Assert.True(float.IsNaN(Exponentials(rung, [float.NaN])[0]));
    }

    [Fact]
    public void Every_rung_gives_the_same_bits()
    {
        float[] x = Sweep(stride: 20_011);
        float[] expected = Exponentials(Rung.Portable, x);
        Assert.Equal(Bits(expected), Bits(Exponentials(Rung.Avx2, x)));
        Assert.Equal(Bits(expected), Bits(Exponentials(Rung.Avx512, x)));
    }

    [Fact]
    public void Without_the_upper_bound_the_bits_are_the_same()
    {
        float[] x = [.. Sweep(stride: 20_011).Where(static x => x <= 0f), 0f, -0f, float.NegativeInfinity, float.NaN];
        foreach (Rung rung in Rungs.All)
            Assert.Equal(Bits(Exponentials(rung, x)), Bits(Exponentials(rung, x, isNegative: true)));
    }

    [Fact]
    public void Logarithms_are_rounded_all_but_correctly()
    {
        double worst = 0;
        for (uint bits = 0x00800000; bits < 0x7F800000; bits += 2003) worst = Math.Max(worst, Error(bits));
        for (uint bits = 0x3F000000; bits < 0x40000000; bits += 31) worst = Math.Max(worst, Error(bits));
        for (uint bits = 0x3F7FF000; bits < 0x3F801000; bits++) worst = Math.Max(worst, Error(bits));
        for (uint bits = 0x3F3504F3 - 1000; bits < 0x3F3504F3 + 1000; bits++) worst = Math.Max(worst, Error(bits));

        // Half an ulp is the last rounding; the rest is the series (a millionth) and double precision.
        Assert.InRange(worst, 0, 0.50001);
        Assert.Equal(0f, Logarithm.Invoke(1f));

        static double Error(uint bits)
        {
            float x = BitConverter.UInt32BitsToSingle(bits);
            return x == 1f ? 0 : ErrorBound.Ulps(Math.Log(x), Logarithm.Invoke(x));
        }
    }

    [Fact]
    public void Logarithms_of_lanes_are_within_1_ulp_and_the_same_on_every_rung()
    {
        List<float> all = [];
        Add(0x00800000, 0x7F800000, 2003);
        Add(0x3F000000, 0x40000000, 31);
        Add(0x3F7FF000, 0x3F801000, 1);
        Add(0x3F3504F3 - 1000, 0x3F3504F3 + 1000, 1);
        for (int i = 1; i < 1 << 24; i += 202) all.Add(i / (float)(1 << 24));   // what tokens are drawn by
        float[] x = [.. all], found = Mapped(Ladder.Best, x, Function.Logarithm);
        double worst = 0;
        for (int i = 0; i < x.Length; i++)
        {
            if (x[i] == 1f) Assert.Equal(0f, found[i]);
            else worst = Math.Max(worst, ErrorBound.Ulps(Math.Log(x[i]), found[i]));
        }

        Assert.InRange(worst, 0.5, 1);
        foreach (Rung rung in Rungs.All) Assert.Equal(Bits(found), Bits(Mapped(rung, x, Function.Logarithm)));

        void Add(uint first, uint end, uint stride)
        {
            for (uint bits = first; bits < end; bits += stride) all.Add(BitConverter.UInt32BitsToSingle(bits));
        }
    }

    // Every so many of the floats of [-104, 89], and all that are near the places where the steps change.
    private static float[] Sweep(uint stride)
    {
        List<float> all = [];
        foreach (float end in new[] { -104f, 89f })
        {
            uint last = BitConverter.SingleToUInt32Bits(end), first = last & 0x80000000;
            for (uint bits = first; bits <= last; bits += stride) all.Add(BitConverter.UInt32BitsToSingle(bits));
        }

        float[] seams = [Lowest, Highest, 0.34657359f, -0.34657359f, 1.0397208f, -1.0397208f, 1f, -1f, 87.68f, -86.99f];
        foreach (float seam in seams)
        {
            uint bits = BitConverter.SingleToUInt32Bits(seam);
            for (uint near = bits - 500; near < bits + 500; near++) all.Add(BitConverter.UInt32BitsToSingle(near));
        }

        return [.. all];
    }

    private enum Function { Exponential, OfNegative, Logarithm }

    private static float[] Exponentials(Rung rung, float[] x, bool isNegative = false) =>
        Mapped(rung, x, isNegative ? Function.OfNegative : Function.Exponential);

    private static float[] Mapped(Rung rung, float[] x, Function function)
    {
        var y = new float[x.Length];
        fixed (float* px = x, py = y) Ladder.Run(rung, new Map(px, py, y.Length, function));
        return y;
    }

    private static int[] Bits(float[] values) => Array.ConvertAll(values, BitConverter.SingleToInt32Bits);

    private readonly struct Map(float* x, float* y, int count, Function function) : IKernel
    {
        public void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd>
        {
            for (int i = 0; i < count; i += Lanes.Count)
            {
                int left = Math.Min(Lanes.Count, count - i);
                TSimd lanes = Lanes.LoadFirst<TSimd>(x + i, left);
                TSimd result = function switch
                {
                    Function.Exponential => Exponential.Invoke(lanes),
                    Function.OfNegative => Exponential.OfNegative(lanes),
                    _ => SingleLogarithm.Invoke(lanes),
                };
                Lanes.StoreFirst(result, y + i, left);
            }
        }
    }
}
