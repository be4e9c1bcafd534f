// The integers of the portable rung: four registers, by operations that the runtime has on every machine.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Engine.Cpu.Simd;

/// <summary>64 bytes as four times sixteen.</summary>
internal unsafe struct Integers128(Vector128<int> a, Vector128<int> b, Vector128<int> c, Vector128<int> d)
    : IIntegers<Integers128>
{
    private Vector128<int> _a = a, _b = b, _c = c, _d = d;

    public static Integers128 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Integers128 WidenInt8(sbyte* source)
    {
        (Vector128<short> a, Vector128<short> b) = Vector128.Widen(Vector128.Load(source));
        (Vector128<short> c, Vector128<short> d) = Vector128.Widen(Vector128.Load(source + 16));
        return new Integers128(a.AsInt32(), b.AsInt32(), c.AsInt32(), d.AsInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Integers128 LoadInt16(short* source) => new(
        Vector128.Load(source).AsInt32(), Vector128.Load(source + 8).AsInt32(),
        Vector128.Load(source + 16).AsInt32(), Vector128.Load(source + 24).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Integers128 BroadcastFour(short* source)
    {
        Vector128<int> four = Vector128.Create(*(long*)source).AsInt32();
        return new Integers128(four, four, four, four);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddProducts(ref Integers128 sums, Integers128 a, Integers128 b)
    {
        sums._a += MultiplyAddPairs(a._a, b._a);
        sums._b += MultiplyAddPairs(a._b, b._b);
        sums._c += MultiplyAddPairs(a._c, b._c);
        sums._d += MultiplyAddPairs(a._d, b._d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePairs(Integers128 low, Integers128 high, float* destination)
    {
        Vector128.ConvertToSingle(Vector128.Narrow(AddPairs(low._a), AddPairs(low._b))).Store(destination);
        Vector128.ConvertToSingle(Vector128.Narrow(AddPairs(low._c), AddPairs(low._d))).Store(destination + 4);
        Vector128.ConvertToSingle(Vector128.Narrow(AddPairs(high._a), AddPairs(high._b))).Store(destination + 8);
        Vector128.ConvertToSingle(Vector128.Narrow(AddPairs(high._c), AddPairs(high._d))).Store(destination + 12);
    }

    /// <summary>Lane i: a[2i] · b[2i] + a[2i + 1] · b[2i + 1] of the 16-bit halves, modulo 2³².</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAddPairs(Vector128<int> a, Vector128<int> b) =>
        (((a << 16) >> 16) * ((b << 16) >> 16)) + ((a >> 16) * (b >> 16));

    // The lower half of each 64-bit lane becomes the sum; the upper is dropped by the caller.
    private static Vector128<long> AddPairs(Vector128<int> value) =>
        value.AsInt64() + (value.AsInt64() >>> 32);
}
