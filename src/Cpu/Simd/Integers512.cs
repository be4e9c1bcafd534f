// The integers of the AVX-512 rung: one register. Without the hardware each half is done by 256-bit code, with equal
// results.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Engine.Cpu.Simd;

/// <summary>64 bytes as one register.</summary>
internal unsafe struct Integers512(Vector512<int> a) : IIntegers<Integers512>
{
    private Vector512<int> _a = a;

    public static Integers512 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Integers512 WidenInt8(sbyte* source)
    {
        Vector256<sbyte> bytes = Vector256.Load(source);
        return new Integers512((Avx512BW.IsSupported
            ? Avx512BW.ConvertToVector512Int16(bytes)
            : Vector512.Create(Vector256.WidenLower(bytes), Vector256.WidenUpper(bytes))).AsInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Integers512 LoadInt16(short* source) => new(Vector512.Load(source).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Integers512 BroadcastFour(short* source) => new(Vector512.Create(*(long*)source).AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddProducts(ref Integers512 sums, Integers512 a, Integers512 b) =>
        sums._a += Avx512BW.IsSupported
            ? Avx512BW.MultiplyAddAdjacent(a._a.AsInt16(), b._a.AsInt16())
            : Vector512.Create(
                Integers256.MultiplyAddPairs(a._a.GetLower(), b._a.GetLower()),
                Integers256.MultiplyAddPairs(a._a.GetUpper(), b._a.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePairs(Integers512 low, Integers512 high, float* destination) =>
        Vector512.ConvertToSingle(Vector512.Narrow(AddPairs(low._a), AddPairs(high._a))).Store(destination);

    // The lower half of each 64-bit lane becomes the sum; the upper is dropped by the caller.
    private static Vector512<long> AddPairs(Vector512<int> value) =>
        value.AsInt64() + (value.AsInt64() >>> 32);
}
