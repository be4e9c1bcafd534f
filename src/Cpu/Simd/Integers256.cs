// The integers of the AVX2 rung: two registers.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Engine.Cpu.Simd;

/// <summary>64 bytes as two times thirty-two.</summary>
internal unsafe struct Integers256(Vector256<int> a, Vector256<int> b) : IIntegers<Integers256>
{
    private Vector256<int> _a = a, _b = b;

    public static Integers256 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Integers256 WidenInt8(sbyte* source) =>
        new(Widen(Vector128.Load(source)), Widen(Vector128.Load(source + 16)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Integers256 LoadInt16(short* source) =>
        new(Vector256.Load(source).AsInt32(), Vector256.Load(source + 16).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Integers256 BroadcastFour(short* source)
    {
        Vector256<int> four = Vector256.Create(*(long*)source).AsInt32();
        return new Integers256(four, four);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddProducts(ref Integers256 sums, Integers256 a, Integers256 b)
    {
        sums._a += MultiplyAddPairs(a._a, b._a);
        sums._b += MultiplyAddPairs(a._b, b._b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePairs(Integers256 low, Integers256 high, float* destination)
    {
        Vector256.ConvertToSingle(Vector256.Narrow(AddPairs(low._a), AddPairs(low._b))).Store(destination);
        Vector256.ConvertToSingle(Vector256.Narrow(AddPairs(high._a), AddPairs(high._b))).Store(destination + 8);
    }

    /// <summary>Lane i: a[2i] · b[2i] + a[2i + 1] · b[2i + 1] of the 16-bit halves, modulo 2³²: vpmaddwd.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAddPairs(Vector256<int> a, Vector256<int> b) => Avx2.IsSupported
        ? Avx2.MultiplyAddAdjacent(a.AsInt16(), b.AsInt16())
        : Vector256.Create(
            Integers128.MultiplyAddPairs(a.GetLower(), b.GetLower()),
            Integers128.MultiplyAddPairs(a.GetUpper(), b.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Widen(Vector128<sbyte> bytes) => (Avx2.IsSupported
        ? Avx2.ConvertToVector256Int16(bytes)
        : Vector256.Create(Vector128.WidenLower(bytes), Vector128.WidenUpper(bytes))).AsInt32();

    // The lower half of each 64-bit lane becomes the sum; the upper is dropped by the caller.
    private static Vector256<long> AddPairs(Vector256<int> value) =>
        value.AsInt64() + (value.AsInt64() >>> 32);
}
