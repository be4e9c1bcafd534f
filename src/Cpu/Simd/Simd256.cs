// The AVX2 rung: two registers of eight lanes.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Engine.Cpu.Simd;

/// <summary>Sixteen lanes as two times eight.</summary>
internal unsafe struct Simd256(Vector256<float> a, Vector256<float> b) : ISimd<Simd256>
{
    private Vector256<float> _a = a, _b = b;

    public static bool IsSupported => Avx2.IsSupported && System.Runtime.Intrinsics.X86.Fma.IsSupported;

    public static Simd256 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Broadcast(float value)
    {
        Vector256<float> v = Vector256.Create(value);
        return new Simd256(v, v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Load(float* source) =>
        new(Vector256.Load(source), Vector256.Load(source + 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 LoadBFloat16(ushort* source) =>
        new(Lanes.WidenBFloat16(Vector128.Load(source)), Lanes.WidenBFloat16(Vector128.Load(source + 8)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 LoadFloat16(ushort* source) =>
        new(Lanes.WidenFloat16(Vector128.Load(source)), Lanes.WidenFloat16(Vector128.Load(source + 8)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd256 value, float* destination)
    {
        value._a.Store(destination);
        value._b.Store(destination + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreThrough(Simd256 value, float* destination)
    {
        value._a.StoreAlignedNonTemporal(destination);
        value._b.StoreAlignedNonTemporal(destination + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator +(Simd256 left, Simd256 right) =>
        new(left._a + right._a, left._b + right._b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator -(Simd256 left, Simd256 right) =>
        new(left._a - right._a, left._b - right._b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator *(Simd256 left, Simd256 right) =>
        new(left._a * right._a, left._b * right._b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 operator /(Simd256 left, Simd256 right) =>
        new(left._a / right._a, left._b / right._b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Fma(Simd256 a, Simd256 b, Simd256 c) =>
        new(Vector256.FusedMultiplyAdd(a._a, b._a, c._a), Vector256.FusedMultiplyAdd(a._b, b._b, c._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Accumulate(ref Simd256 sum, Simd256 a, Simd256 b)
    {
        sum._a = Vector256.FusedMultiplyAdd(a._a, b._a, sum._a);
        sum._b = Vector256.FusedMultiplyAdd(a._b, b._b, sum._b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Max(Simd256 left, Simd256 right) =>
        new(Max(left._a, right._a), Max(left._b, right._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Min(Simd256 left, Simd256 right) =>
        new(Min(left._a, right._a), Min(left._b, right._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Sqrt(Simd256 value) =>
        new(Vector256.Sqrt(value._a), Vector256.Sqrt(value._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Round(Simd256 value) =>
        new(Vector256.Round(value._a), Vector256.Round(value._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Floor(Simd256 value) =>
        new(Vector256.Floor(value._a), Vector256.Floor(value._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Scale(Simd256 value, Simd256 n) =>
        new(value._a * PowerOfTwo(n._a), value._b * PowerOfTwo(n._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Simd256 value, out Simd256 mantissa, out Simd256 n)
    {
        Vector256<float> a = Split(value._a, out Vector256<float> an);
        Vector256<float> b = Split(value._b, out Vector256<float> bn);
        mantissa = new Simd256(a, b);
        n = new Simd256(an, bn);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 Abs(Simd256 value) =>
        new(Vector256.Abs(value._a), Vector256.Abs(value._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 CopySign(Simd256 magnitude, Simd256 sign) =>
        new(Vector256.ConditionalSelect(Vector256.Create(-0f), sign._a, magnitude._a), Vector256.ConditionalSelect(Vector256.Create(-0f), sign._b, magnitude._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd256 SelectLess(Simd256 left, Simd256 right, Simd256 then, Simd256 otherwise) =>
        new(Vector256.ConditionalSelect(Vector256.LessThan(left._a, right._a), then._a, otherwise._a),
            Vector256.ConditionalSelect(Vector256.LessThan(left._b, right._b), then._b, otherwise._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd256 value) =>
        Lanes.Sum(value._a + value._b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Simd256 value) =>
        Lanes.MaxLane(Lanes.Max(value._a, value._b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Max(Vector256<float> left, Vector256<float> right) => Lanes.Max(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Min(Vector256<float> left, Vector256<float> right) => Avx.IsSupported
        ? Avx.Min(left, right)
        : Vector256.ConditionalSelect(Vector256.LessThan(left, right), left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    // By the exponent bits.
    private static Vector256<float> PowerOfTwo(Vector256<float> n) =>
        ((Vector256.ConvertToInt32Native(n) + Vector256.Create(127)) << 23).AsSingle();

    // Exponents are whole numbers of few bits, so as floats they are exact.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Split(Vector256<float> value, out Vector256<float> n)
    {
        Vector256<int> exponent = (value.AsInt32() - Vector256.Create(Lanes.SqrtHalfBits)) >> 23;
        n = Vector256.ConvertToSingle(exponent);
        return (value.AsInt32() - (exponent << 23)).AsSingle();
    }
}
