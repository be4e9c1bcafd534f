// The AVX-512 rung: one register of sixteen lanes.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Engine.Cpu.Simd;

/// <summary>Sixteen lanes as one register.</summary>
internal unsafe struct Simd512(Vector512<float> a) : ISimd<Simd512>
{
    private Vector512<float> _a = a;

    public static bool IsSupported => Vector512.IsHardwareAccelerated && Avx512F.IsSupported;

    public static Simd512 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Broadcast(float value) =>
        new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Load(float* source) =>
        new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 LoadBFloat16(ushort* source) =>
        new(Lanes.WidenBFloat16(Vector256.Load(source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 LoadFloat16(ushort* source) =>
        new(Lanes.WidenFloat16(Vector256.Load(source)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd512 value, float* destination)
    {
        value._a.Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreThrough(Simd512 value, float* destination)
    {
        value._a.StoreAlignedNonTemporal(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator +(Simd512 left, Simd512 right) =>
        new(left._a + right._a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator -(Simd512 left, Simd512 right) =>
        new(left._a - right._a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator *(Simd512 left, Simd512 right) =>
        new(left._a * right._a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 operator /(Simd512 left, Simd512 right) =>
        new(left._a / right._a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Fma(Simd512 a, Simd512 b, Simd512 c) =>
        new(Vector512.FusedMultiplyAdd(a._a, b._a, c._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Accumulate(ref Simd512 sum, Simd512 a, Simd512 b) =>
        sum._a = Vector512.FusedMultiplyAdd(a._a, b._a, sum._a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Max(Simd512 left, Simd512 right) =>
        new(Max(left._a, right._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Min(Simd512 left, Simd512 right) =>
        new(Min(left._a, right._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Sqrt(Simd512 value) =>
        new(Vector512.Sqrt(value._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Round(Simd512 value) =>
        new(Vector512.Round(value._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Floor(Simd512 value) =>
        new(Vector512.Floor(value._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Scale(Simd512 value, Simd512 n) =>
        new(Avx512F.IsSupported ? Avx512F.Scale(value._a, n._a) : value._a * PowerOfTwo(n._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Simd512 value, out Simd512 mantissa, out Simd512 n)
    {
        Vector512<float> a = Split(value._a, out Vector512<float> an);
        mantissa = new Simd512(a);
        n = new Simd512(an);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 Abs(Simd512 value) =>
        new(Vector512.Abs(value._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 CopySign(Simd512 magnitude, Simd512 sign) =>
        new(Vector512.ConditionalSelect(Vector512.Create(-0f), sign._a, magnitude._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd512 SelectLess(Simd512 left, Simd512 right, Simd512 then, Simd512 otherwise) =>
        new(Vector512.ConditionalSelect(Vector512.LessThan(left._a, right._a), then._a, otherwise._a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd512 value) =>
        Lanes.Sum(value._a.GetLower() + value._a.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Simd512 value) =>
        Lanes.MaxLane(Lanes.Max(value._a.GetLower(), value._a.GetUpper()));

    // Where the hardware has it this is one vmaxps; the comparison form is the same function.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Max(Vector512<float> left, Vector512<float> right) => Avx512F.IsSupported
        ? Avx512F.Max(left, right)
        : Vector512.ConditionalSelect(Vector512.GreaterThan(left, right), left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Min(Vector512<float> left, Vector512<float> right) => Avx512F.IsSupported
        ? Avx512F.Min(left, right)
        : Vector512.ConditionalSelect(Vector512.LessThan(left, right), left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    // By the exponent bits.
    private static Vector512<float> PowerOfTwo(Vector512<float> n) =>
        ((Vector512.ConvertToInt32Native(n) + Vector512.Create(127)) << 23).AsSingle();

    // Exponents are whole numbers of few bits, so as floats they are exact.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Split(Vector512<float> value, out Vector512<float> n)
    {
        Vector512<int> exponent = (value.AsInt32() - Vector512.Create(Lanes.SqrtHalfBits)) >> 23;
        n = Vector512.ConvertToSingle(exponent);
        return (value.AsInt32() - (exponent << 23)).AsSingle();
    }
}
