// What the rungs share: the count of lanes, the joining tree below eight lanes, rows that end inside a vector,
// widening.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Engine.Cpu.Simd;

/// <summary>Helpers for sixteen lanes.</summary>
internal static unsafe class Lanes
{
    /// <summary>Lanes of an <see cref="ISimd{TSelf}"/>.</summary>
    public const int Count = 16;

    // Of a binary16 shifted left by 13: its sign, and its exponent and fraction.
    private const int HalfMask = unchecked((int)0x8FFFE000);

    // 2¹¹²: between the exponents of binary16 and float32.
    private const float HalfFactor = 5.192296858534828e33f;

    /// <summary>Rounds up to whole vectors.</summary>
    public static int RoundUp(int count) => (count + (Count - 1)) & ~(Count - 1);

    /// <summary>
    /// The first address at or after <paramref name="memory"/> where a vector lies in one line of the cache. The stack is aligned to 16
    /// bytes only: three of four processes would load and store across two lines. Stack memory needs <see cref="Count"/> floats more.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float* Align(float* memory) => (float*)(((nint)memory + (Count * sizeof(float)) - 1) & -(Count * sizeof(float)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> value) => Sum(value.GetLower() + value.GetUpper());

    // Vector64 goes through memory on x64, so the last steps are shuffles of four lanes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> value)
    {
        Vector128<float> two = value + Vector128.Shuffle(value, Vector128.Create(2, 3, 0, 1));
        return (two + Vector128.Shuffle(two, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Max(Vector256<float> left, Vector256<float> right) => Avx.IsSupported
        ? Avx.Max(left, right)
        : Vector256.ConditionalSelect(Vector256.GreaterThan(left, right), left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Max(Vector128<float> left, Vector128<float> right) =>
        Vector128.ConditionalSelect(Vector128.GreaterThan(left, right), left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Vector256<float> value) => MaxLane(Max(value.GetLower(), value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Vector128<float> value)
    {
        Vector128<float> two = Max(value, Vector128.Shuffle(value, Vector128.Create(2, 3, 0, 1)));
        return Max(two, Vector128.Shuffle(two, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }

    /// <summary>The bits of √½, below which a mantissa borrows from its exponent.</summary>
    public const int SqrtHalfBits = 0x3F3504F3;

    /// <summary>Copies sixteen floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy(float* from, float* to)
    {
        Vector256<float> low = Vector256.Load(from), high = Vector256.Load(from + 8);
        low.Store(to);
        high.Store(to + 8);
    }

    /// <summary>Loads the first lanes of a vector; the others are <paramref name="fill"/>.</summary>
    /// <param name="source">At least <paramref name="count"/> floats.</param>
    /// <param name="count">1 .. 16.</param>
    /// <param name="fill">Value of the other lanes.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TSimd LoadFirst<TSimd>(float* source, int count, float fill = 0f)
        where TSimd : unmanaged, ISimd<TSimd> =>
        count == Count ? TSimd.Load(source) : LoadPart<TSimd>(source, count, fill);

    /// <summary>Stores the first lanes of a vector.</summary>
    /// <param name="value">The vector.</param>
    /// <param name="destination">Room for <paramref name="count"/> floats.</param>
    /// <param name="count">1 .. 16.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFirst<TSimd>(TSimd value, float* destination, int count)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        if (count == Count) TSimd.Store(value, destination);
        else StorePart(value, destination, count);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static TSimd LoadPart<TSimd>(float* source, int count, float fill) where TSimd : unmanaged, ISimd<TSimd>
    {
        float* lanes = stackalloc float[Count];
        for (int i = 0; i < Count; i++) lanes[i] = i < count ? source[i] : fill;
        return TSimd.Load(lanes);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StorePart<TSimd>(TSimd value, float* destination, int count) where TSimd : unmanaged, ISimd<TSimd>
    {
        float* lanes = stackalloc float[Count];
        TSimd.Store(value, lanes);
        for (int i = 0; i < count; i++) destination[i] = lanes[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> WidenBFloat16(Vector128<ushort> value) => (Widen(value) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> WidenBFloat16(Vector256<ushort> value) => (Widen(value) << 16).AsSingle();

    // Sign, exponent and fraction go to where a float32 has them, which makes the exponent 112 too small; a
    // multiplication puts that right, exactly, also for subnormal numbers. The sign, extended, leaves copies of itself
    // that are masked away.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> WidenFloat16(Vector128<ushort> value)
    {
        Vector256<int> half = Avx2.IsSupported
            ? Avx2.ConvertToVector256Int32(value.AsInt16())
            : Vector256.Create(Vector128.WidenLower(value.AsInt16()), Vector128.WidenUpper(value.AsInt16()));
        return ((half << 13) & Vector256.Create(HalfMask)).AsSingle() * Vector256.Create(HalfFactor);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> WidenFloat16(Vector256<ushort> value)
    {
        Vector512<int> half = Avx512F.IsSupported
            ? Avx512F.ConvertToVector512Int32(value.AsInt16())
            : Vector512.Create(Vector256.WidenLower(value.AsInt16()), Vector256.WidenUpper(value.AsInt16()));
        return ((half << 13) & Vector512.Create(HalfMask)).AsSingle() * Vector512.Create(HalfFactor);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> WidenFloat16(Vector128<int> half) =>
        ((half << 13) & Vector128.Create(HalfMask)).AsSingle() * Vector128.Create(HalfFactor);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Widen(Vector128<ushort> value) => Avx2.IsSupported
        ? Avx2.ConvertToVector256Int32(value).AsUInt32()
        : Vector256.Create(Vector128.WidenLower(value), Vector128.WidenUpper(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Widen(Vector256<ushort> value) => Avx512F.IsSupported
        ? Avx512F.ConvertToVector512UInt32(value)
        : Vector512.Create(Vector256.WidenLower(value), Vector256.WidenUpper(value));
}
