// Sixteen lanes mean the same on every rung: each member of ISimd against its scalar definition, bit for bit.
using Engine.Cpu.Simd;
using Xunit;

namespace Cpu.Tests.Simd;

public sealed unsafe class SimdTests
{
    private static readonly float[] Specials =
    [
        0f, -0f, 1f, -1f, 0.5f, -0.5f, 1.5f, 2.5f, -2.5f, 3f, 1e-40f, -1e-40f, float.Epsilon, -float.Epsilon, 1.1754944e-38f,
        -1.1754942e-38f, float.MaxValue, float.MinValue, float.PositiveInfinity, float.NegativeInfinity, float.NaN, 8388607.5f,
        8388608f, -8388608f, 16777216f, 2147483648f, -4.5e15f, 0.49999997f, -0.49999997f, 1e30f, -1e30f, 7f,
    ];

    private interface IOperation
    {
        static abstract TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd>;

        static abstract float Scalar(float a, float b, float c);
    }

    [Fact]
    public void Sums_agree() => Check<Plus>();

    [Fact]
    public void Differences_agree() => Check<Minus>();

    [Fact]
    public void Products_agree() => Check<Times>();

    [Fact]
    public void Quotients_agree() => Check<Over>();

    [Fact]
    public void Fused_multiply_adds_round_once() => Check<FusedMultiplyAdd>();

    [Fact]
    public void The_larger_is_the_right_one_where_neither_is_larger() => Check<Larger>();

    [Fact]
    public void The_smaller_is_the_right_one_where_neither_is_smaller() => Check<Smaller>();

    [Fact]
    public void Square_roots_are_rounded_correctly() => Check<SquareRoot>();

    [Fact]
    public void Ties_are_rounded_to_even() => Check<Nearest>();

    [Fact]
    public void Floors_agree() => Check<Below>();

    [Fact]
    public void Magnitudes_agree() => Check<Magnitude>();

    [Fact]
    public void Signs_are_copied() => Check<WithSign>();

    [Fact]
    public void Selection_takes_the_other_where_a_side_is_not_a_number() => Check<Select>();

    [Fact]
    public void Numbers_are_split_in_mantissa_and_exponent()
    {
        Check<Mantissa>();
        Check<Exponent>();
        foreach (float x in Specials.Where(float.IsNormal).Select(MathF.Abs))
        {
            Assert.InRange(Mantissa.Scalar(x, 0, 0), 0.70710677f, 1.4142135f);
            Assert.Equal(x, (float)(Mantissa.Scalar(x, 0, 0) * Math.Pow(2, Exponent.Scalar(x, 0, 0))));
        }
    }

    [Fact]
    public void Broadcasts_and_zeros_fill_all_lanes() => Check<Constant>();

    [Fact]
    public void Scaling_by_a_power_of_two_rounds_once_from_lowest_to_highest_exponent()
    {
        var exponents = new float[256];
        for (int i = 0; i < exponents.Length; i++) exponents[i] = Math.Min(i - 126, 127);
        foreach (Rung rung in Rungs.All)
        {
            foreach (float value in new[] { 1f, -1f, 1.4142135f, 0.70710677f, 0.5000001f, 0f, -0f, float.NaN })
            {
                float[] values = Enumerable.Repeat(value, exponents.Length).ToArray();
                float[] found = Map<Power>(rung, values, exponents, exponents);
                for (int i = 0; i < found.Length; i++)
                    Assert.Equal((float)Math.ScaleB((double)value, (int)exponents[i]), found[i]);   // exact, then rounded
            }
        }
    }

    [Fact]
    public void Lanes_are_summed_by_halves()
    {
        (float[] a, _, _) = Arguments(includeNaN: false);
        for (int start = 0; start + 16 <= a.Length; start += 16)
        {
            float[] tree = a[start..(start + 16)];
            for (int half = 8; half > 0; half /= 2)
            {
                for (int i = 0; i < half; i++) tree[i] += tree[i + half];
            }

            foreach (Rung rung in Rungs.All) AssertSame(tree[0], Reduce(rung, a.AsSpan(start, 16)).Sum, $"{rung}, from {start}");
        }
    }

    [Fact]
    public void The_largest_lane_is_found()
    {
        (float[] a, _, _) = Arguments(includeNaN: false);
        for (int start = 0; start + 16 <= a.Length; start += 16)
        {
            foreach (Rung rung in Rungs.All)
                Assert.Equal(a.AsSpan(start, 16).ToArray().Max(), Reduce(rung, a.AsSpan(start, 16)).Largest);
        }
    }

    [Fact]
    public void All_finite_float16_patterns_widen()
    {
        ushort[] patterns = Patterns();
        foreach (Rung rung in Rungs.All)
        {
            float[] found = Widen(rung, patterns, isBFloat16: false);
            for (int i = 0; i < found.Length; i++)
            {
                Half half = BitConverter.UInt16BitsToHalf((ushort)i);
                if (!Half.IsFinite(half)) continue;   // refused when weights are packed
                uint expected = BitConverter.SingleToUInt32Bits((float)half);
                Assert.True(expected == BitConverter.SingleToUInt32Bits(found[i]), $"{rung}: {i:X4} became {found[i]}.");
            }
        }
    }

    [Fact]
    public void All_bfloat16_patterns_widen()
    {
        ushort[] patterns = Patterns();
        foreach (Rung rung in Rungs.All)
        {
            float[] found = Widen(rung, patterns, isBFloat16: true);
            for (int i = 0; i < found.Length; i++)
                Assert.True((uint)i << 16 == BitConverter.SingleToUInt32Bits(found[i]), $"{rung}: {i:X4} became {found[i]}.");
        }
    }

    [Fact]
    public void Parts_of_a_vector_load_and_store_no_more_than_was_asked()
    {
        float* source = stackalloc float[16], destination = stackalloc float[20];
        for (int i = 0; i < 16; i++) source[i] = i + 1;
        foreach (Rung rung in Rungs.All)
        {
            for (int count = 1; count <= 16; count++)
            {
                new Span<float>(destination, 20).Fill(-7f);
                Ladder.Run(rung, new CopyFirst(source, destination, count, all: false));
                for (int i = 0; i < 20; i++) Assert.Equal(i < count ? i + 1 : -7f, destination[i]);
                Ladder.Run(rung, new CopyFirst(source, destination, count, all: true));
                for (int i = 0; i < 20; i++) Assert.Equal(i < count ? i + 1 : i < 16 ? 3f : -7f, destination[i]);
            }
        }
    }

    private static void Check<TOperation>() where TOperation : unmanaged, IOperation
    {
        (float[] a, float[] b, float[] c) = Arguments(includeNaN: true);
        foreach (Rung rung in Rungs.All)
        {
            float[] found = Map<TOperation>(rung, a, b, c);
            for (int i = 0; i < found.Length; i++)
                AssertSame(TOperation.Scalar(a[i], b[i], c[i]), found[i], $"{rung}({a[i]:R}, {b[i]:R}, {c[i]:R})");
        }
    }

    // Which NaN comes out of arithmetic is not defined; all else is, to the bit.
    private static void AssertSame(float expected, float found, string where)
    {
        bool same = float.IsNaN(expected)
            ? float.IsNaN(found)
            : BitConverter.SingleToUInt32Bits(expected) == BitConverter.SingleToUInt32Bits(found);
        if (!same) Assert.Fail($"{where}: {found:R}, expected {expected:R}.");
    }

    // Each special number with each other, then random bits, then numbers of like size, where fused steps round.
    private static (float[] A, float[] B, float[] C) Arguments(bool includeNaN)
    {
        var random = new Random(1);
        List<(float A, float B, float C)> all = [];
        float[] specials = includeNaN ? Specials : [.. Specials.Where(static x => !float.IsNaN(x))];
        foreach (float a in specials)
        {
            foreach (float b in specials) all.Add((a, b, specials[random.Next(specials.Length)]));
        }

        while (all.Count < 6000)
        {
            (float a, float b, float c) = (RandomBits(random), RandomBits(random), RandomBits(random));
            if (includeNaN || float.IsFinite(a + b + c)) all.Add((a, b, c));
        }

        while (all.Count < 12_000 || all.Count % 16 != 0)
        {
            (float a, float b) = (random.NextSingle() - 0.5f, random.NextSingle() - 0.5f);
            all.Add((a, b, -a * b * (random.Next(3) - 1)));
        }

        return ([.. all.Select(static x => x.A)], [.. all.Select(static x => x.B)], [.. all.Select(static x => x.C)]);
    }

    private static float RandomBits(Random random) => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));

    private static ushort[] Patterns()
    {
        var patterns = new ushort[65_536];
        for (int i = 0; i < patterns.Length; i++) patterns[i] = (ushort)i;
        return patterns;
    }

    private static float[] Map<TOperation>(Rung rung, float[] a, float[] b, float[] c) where TOperation : unmanaged, IOperation
    {
        var y = new float[a.Length];
        fixed (float* pa = a, pb = b, pc = c, py = y) Ladder.Run(rung, new Mapping<TOperation>(pa, pb, pc, py, y.Length));
        return y;
    }

    private static (float Sum, float Largest) Reduce(Rung rung, ReadOnlySpan<float> lanes)
    {
        float* y = stackalloc float[2];
        fixed (float* x = lanes) Ladder.Run(rung, new Reduction(x, y));
        return (y[0], y[1]);
    }

    private static float[] Widen(Rung rung, ushort[] patterns, bool isBFloat16)
    {
        var y = new float[patterns.Length];
        fixed (ushort* x = patterns)
        fixed (float* py = y) Ladder.Run(rung, new Widening(x, py, y.Length, isBFloat16));
        return y;
    }

    private readonly struct Mapping<TOperation>(float* a, float* b, float* c, float* y, int count) : IKernel
        where TOperation : unmanaged, IOperation
    {
        public void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd>
        {
            for (int i = 0; i < count; i += Lanes.Count)
                TSimd.Store(TOperation.Invoke(TSimd.Load(a + i), TSimd.Load(b + i), TSimd.Load(c + i)), y + i);
        }
    }

    private readonly struct Reduction(float* x, float* y) : IKernel
    {
        public void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd>
        {
            y[0] = TSimd.Sum(TSimd.Load(x));
            y[1] = TSimd.MaxLane(TSimd.Load(x));
        }
    }

    private readonly struct Widening(ushort* x, float* y, int count, bool isBFloat16) : IKernel
    {
        public void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd>
        {
            for (int i = 0; i < count; i += Lanes.Count)
                TSimd.Store(isBFloat16 ? TSimd.LoadBFloat16(x + i) : TSimd.LoadFloat16(x + i), y + i);
        }
    }

    private readonly struct CopyFirst(float* x, float* y, int count, bool all) : IKernel
    {
        public void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd> =>
            Lanes.StoreFirst(Lanes.LoadFirst<TSimd>(x, count, fill: 3f), y, all ? Lanes.Count : count);
    }

    private readonly struct Plus : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => a + b;

        public static float Scalar(float a, float b, float c) => a + b;
    }

    private readonly struct Minus : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => a - b;

        public static float Scalar(float a, float b, float c) => a - b;
    }

    private readonly struct Times : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => a * b;

        public static float Scalar(float a, float b, float c) => a * b;
    }

    private readonly struct Over : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => a / b;

        public static float Scalar(float a, float b, float c) => a / b;
    }

    private readonly struct FusedMultiplyAdd : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => TSimd.Fma(a, b, c);

        public static float Scalar(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);
    }

    private readonly struct Larger : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => TSimd.Max(a, b);

        public static float Scalar(float a, float b, float c) => a > b ? a : b;
    }

    private readonly struct Smaller : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => TSimd.Min(a, b);

        public static float Scalar(float a, float b, float c) => a < b ? a : b;
    }

    private readonly struct SquareRoot : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => TSimd.Sqrt(a);

        public static float Scalar(float a, float b, float c) => (float)Math.Sqrt(a);   // 53 bits are enough for two roundings
    }

    private readonly struct Nearest : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => TSimd.Round(a);

        public static float Scalar(float a, float b, float c) => MathF.Round(a, MidpointRounding.ToEven);
    }

    private readonly struct Below : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => TSimd.Floor(a);

        public static float Scalar(float a, float b, float c) => MathF.Floor(a);
    }

    private readonly struct Magnitude : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => TSimd.Abs(a);

        public static float Scalar(float a, float b, float c) => MathF.Abs(a);
    }

    // For positive normal numbers only, but from bits to bits for all.
    private readonly struct Mantissa : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd>
        {
            TSimd.Split(a, out TSimd mantissa, out _);
            return mantissa;
        }

        public static float Scalar(float a, float b, float c) => BitConverter.Int32BitsToSingle(
            BitConverter.SingleToInt32Bits(a) - ((int)Exponent.Scalar(a, b, c) << 23));
    }

    private readonly struct Exponent : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd>
        {
            TSimd.Split(a, out _, out TSimd n);
            return n;
        }

        public static float Scalar(float a, float b, float c) => (BitConverter.SingleToInt32Bits(a) - 0x3F3504F3) >> 23;
    }

    private readonly struct WithSign : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> => TSimd.CopySign(a, b);

        public static float Scalar(float a, float b, float c) => MathF.CopySign(a, b);
    }

    private readonly struct Select : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> =>
            TSimd.SelectLess(a, b, c, a);

        public static float Scalar(float a, float b, float c) => a < b ? c : a;
    }

    private readonly struct Constant : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> =>
            TSimd.Broadcast(1.25f) + TSimd.Zero;

        public static float Scalar(float a, float b, float c) => 1.25f;
    }

    private readonly struct Power : IOperation
    {
        public static TSimd Invoke<TSimd>(TSimd a, TSimd b, TSimd c) where TSimd : unmanaged, ISimd<TSimd> =>
            TSimd.Scale(a, b);

        public static float Scalar(float a, float b, float c) => MathF.ScaleB(a, (int)b);
    }
}
