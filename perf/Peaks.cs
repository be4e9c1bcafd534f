// Loops that do nothing but what is measured: multiply-adds in registers, and reads of a buffer.
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Engine.Perf;

/// <summary>One slice of each measurement, some milliseconds long, on the calling thread.</summary>
internal static unsafe class Peaks
{
    // A multiply-add takes 4 or 5 cycles on 2 ports: 12 chains keep both ports busy and still fit in 16 registers.
    private const int Chains = 12;

    [ThreadStatic]
    private static float[]? _buffer;

    private static volatile float _sink;

    /// <summary>One register of floats.</summary>
    public interface IFma<TSelf> where TSelf : struct, IFma<TSelf>
    {
        static abstract int Lanes { get; }

        static abstract TSelf Broadcast(float value);

        static abstract TSelf Fma(TSelf a, TSelf b, TSelf c);

        static abstract float First(TSelf value);
    }

    public readonly record struct Fma128(Vector128<float> Value) : IFma<Fma128>
    {
        public static int Lanes => 4;

        public static Fma128 Broadcast(float value) => new(Vector128.Create(value));

        public static Fma128 Fma(Fma128 a, Fma128 b, Fma128 c) =>
            new(Vector128.FusedMultiplyAdd(a.Value, b.Value, c.Value));

        public static float First(Fma128 value) => value.Value.ToScalar();
    }

    public readonly record struct Fma256(Vector256<float> Value) : IFma<Fma256>
    {
        public static int Lanes => 8;

        public static Fma256 Broadcast(float value) => new(Vector256.Create(value));

        public static Fma256 Fma(Fma256 a, Fma256 b, Fma256 c) =>
            new(Vector256.FusedMultiplyAdd(a.Value, b.Value, c.Value));

        public static float First(Fma256 value) => value.Value.ToScalar();
    }

    public readonly record struct Fma512(Vector512<float> Value) : IFma<Fma512>
    {
        public static int Lanes => 16;

        public static Fma512 Broadcast(float value) => new(Vector512.Create(value));

        public static Fma512 Fma(Fma512 a, Fma512 b, Fma512 c) =>
            new(Vector512.FusedMultiplyAdd(a.Value, b.Value, c.Value));

        public static float First(Fma512 value) => value.Value.ToScalar();
    }

    /// <summary>Floating-point operations a second; a multiply-add is two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Float<T>() where T : struct, IFma<T>
    {
        const int Rounds = 400_000;
        long start = Stopwatch.GetTimestamp();
        T scale = T.Broadcast(0.5f), offset = T.Broadcast(1f);   // x = x/2 + 1 stays near 2: no slow numbers
        T a = offset, b = offset, c = offset, d = offset, e = offset, f = offset;
        T g = offset, h = offset, i = offset, j = offset, k = offset, l = offset;
        for (int round = 0; round < Rounds; round++)
        {
            a = T.Fma(a, scale, offset);
            b = T.Fma(b, scale, offset);
            c = T.Fma(c, scale, offset);
            d = T.Fma(d, scale, offset);
            e = T.Fma(e, scale, offset);
            f = T.Fma(f, scale, offset);
            g = T.Fma(g, scale, offset);
            h = T.Fma(h, scale, offset);
            i = T.Fma(i, scale, offset);
            j = T.Fma(j, scale, offset);
            k = T.Fma(k, scale, offset);
            l = T.Fma(l, scale, offset);
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        _sink = T.First(a) + T.First(b) + T.First(c) + T.First(d) + T.First(e) + T.First(f) +
            T.First(g) + T.First(h) + T.First(i) + T.First(j) + T.First(k) + T.First(l);
        return 2.0 * Chains * T.Lanes * Rounds / seconds;
    }

    /// <summary>Integer operations a second, a multiply-add being two; 0 where .NET has no such instruction.</summary>
    public static double Integer() =>
        AvxVnni.IsSupported ? Bytes() : Avx512BW.IsSupported ? Shorts512() : Avx2.IsSupported ? Shorts256() : 0;

    /// <summary>Bytes a second read from a buffer of so many floats, which was read before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Read(long floats)
    {
        if (_buffer?.LongLength != floats)
        {
            _buffer = new float[floats];
            Array.Fill(_buffer, 1f);
        }

        long passes = Math.Max(1, (16 << 20) / (floats * sizeof(float)));
        fixed (float* first = _buffer)
        {
            Vector256<float> a = default, b = default, c = default, d = default;
            long start = Stopwatch.GetTimestamp();
            for (long pass = 0; pass < passes; pass++)
            {
                for (float* p = first, end = first + floats; p < end; p += 64)
                {
                    a += Vector256.Load(p) + Vector256.Load(p + 8);
                    b += Vector256.Load(p + 16) + Vector256.Load(p + 24);
                    c += Vector256.Load(p + 32) + Vector256.Load(p + 40);
                    d += Vector256.Load(p + 48) + Vector256.Load(p + 56);
                }
            }

            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            _sink = Vector256.Sum(a + b + c + d);
            return (double)passes * floats * sizeof(float) / seconds;
        }
    }

    // Thirty-two products of bytes an instruction.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Bytes()
    {
        const int Rounds = 400_000;
        long start = Stopwatch.GetTimestamp();
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

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        _sink = (a + b + c + d + e + f + g + h + i + j + k + l).ToScalar();
        return 2.0 * Chains * 32 * Rounds / seconds;
    }

    // Thirty-two products of 16-bit numbers an instruction, and one more to add them. The products would be the same in
    // every round, so one factor is the sum itself: the compiler cannot move them out of the loop.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Shorts512()
    {
        const int Rounds = 400_000;
        long start = Stopwatch.GetTimestamp();
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

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        _sink = (a + b + c + d + e + f).ToScalar();
        return 2.0 * 6 * 32 * Rounds / seconds;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Shorts256()
    {
        const int Rounds = 400_000;
        long start = Stopwatch.GetTimestamp();
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

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        _sink = (a + b + c + d + e + f + g + h + i + j + k + l).ToScalar();
        return 2.0 * Chains * 16 * Rounds / seconds;
    }
}
