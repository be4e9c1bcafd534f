// The portable rung: four registers of four lanes, by operations that the runtime has on every machine.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Engine.Cpu.Simd;

/// <summary>Sixteen lanes as four times four.</summary>
internal unsafe struct Simd128(Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d)
    : ISimd<Simd128>
{
    private Vector128<float> _a = a, _b = b, _c = c, _d = d;

    public static bool IsSupported => true;

    public static Simd128 Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Broadcast(float value)
    {
        Vector128<float> v = Vector128.Create(value);
        return new Simd128(v, v, v, v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Load(float* source) => new(
        Vector128.Load(source), Vector128.Load(source + 4), Vector128.Load(source + 8), Vector128.Load(source + 12));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 LoadBFloat16(ushort* source)
    {
        (Vector128<uint> a, Vector128<uint> b) = Vector128.Widen(Vector128.Load(source));
        (Vector128<uint> c, Vector128<uint> d) = Vector128.Widen(Vector128.Load(source + 8));
        return new Simd128((a << 16).AsSingle(), (b << 16).AsSingle(), (c << 16).AsSingle(), (d << 16).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 LoadFloat16(ushort* source)
    {
        (Vector128<int> a, Vector128<int> b) = Vector128.Widen(Vector128.Load((short*)source));
        (Vector128<int> c, Vector128<int> d) = Vector128.Widen(Vector128.Load((short*)source + 8));
        return new Simd128(Lanes.WidenFloat16(a), Lanes.WidenFloat16(b), Lanes.WidenFloat16(c), Lanes.WidenFloat16(d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Simd128 value, float* destination)
    {
        value._a.Store(destination);
        value._b.Store(destination + 4);
        value._c.Store(destination + 8);
        value._d.Store(destination + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreThrough(Simd128 value, float* destination)
    {
        value._a.StoreAlignedNonTemporal(destination);
        value._b.StoreAlignedNonTemporal(destination + 4);
        value._c.StoreAlignedNonTemporal(destination + 8);
        value._d.StoreAlignedNonTemporal(destination + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator +(Simd128 left, Simd128 right) =>
        new(left._a + right._a, left._b + right._b, left._c + right._c, left._d + right._d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator -(Simd128 left, Simd128 right) =>
        new(left._a - right._a, left._b - right._b, left._c - right._c, left._d - right._d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator *(Simd128 left, Simd128 right) =>
        new(left._a * right._a, left._b * right._b, left._c * right._c, left._d * right._d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 operator /(Simd128 left, Simd128 right) =>
        new(left._a / right._a, left._b / right._b, left._c / right._c, left._d / right._d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Fma(Simd128 a, Simd128 b, Simd128 c) => new(
        Vector128.FusedMultiplyAdd(a._a, b._a, c._a), Vector128.FusedMultiplyAdd(a._b, b._b, c._b),
        Vector128.FusedMultiplyAdd(a._c, b._c, c._c), Vector128.FusedMultiplyAdd(a._d, b._d, c._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Accumulate(ref Simd128 sum, Simd128 a, Simd128 b)
    {
        sum._a = Vector128.FusedMultiplyAdd(a._a, b._a, sum._a);
        sum._b = Vector128.FusedMultiplyAdd(a._b, b._b, sum._b);
        sum._c = Vector128.FusedMultiplyAdd(a._c, b._c, sum._c);
        sum._d = Vector128.FusedMultiplyAdd(a._d, b._d, sum._d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Max(Simd128 left, Simd128 right) => new(
        Max(left._a, right._a), Max(left._b, right._b), Max(left._c, right._c), Max(left._d, right._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Min(Simd128 left, Simd128 right) => new(
        Min(left._a, right._a), Min(left._b, right._b), Min(left._c, right._c), Min(left._d, right._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Sqrt(Simd128 value) => new(
        Vector128.Sqrt(value._a), Vector128.Sqrt(value._b), Vector128.Sqrt(value._c), Vector128.Sqrt(value._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Round(Simd128 value) => new(
        Vector128.Round(value._a), Vector128.Round(value._b), Vector128.Round(value._c), Vector128.Round(value._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Floor(Simd128 value) => new(
        Vector128.Floor(value._a), Vector128.Floor(value._b), Vector128.Floor(value._c), Vector128.Floor(value._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Scale(Simd128 value, Simd128 n) => new(
        value._a * PowerOfTwo(n._a), value._b * PowerOfTwo(n._b),
        value._c * PowerOfTwo(n._c), value._d * PowerOfTwo(n._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(Simd128 value, out Simd128 mantissa, out Simd128 n)
    {
        Vector128<float> a = Split(value._a, out Vector128<float> an);
        Vector128<float> b = Split(value._b, out Vector128<float> bn);
        Vector128<float> c = Split(value._c, out Vector128<float> cn);
        Vector128<float> d = Split(value._d, out Vector128<float> dn);
        mantissa = new Simd128(a, b, c, d);
        n = new Simd128(an, bn, cn, dn);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 Abs(Simd128 value) => new(
        Vector128.Abs(value._a), Vector128.Abs(value._b), Vector128.Abs(value._c), Vector128.Abs(value._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 CopySign(Simd128 magnitude, Simd128 sign) => new(
        CopySign(magnitude._a, sign._a), CopySign(magnitude._b, sign._b),
        CopySign(magnitude._c, sign._c), CopySign(magnitude._d, sign._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Simd128 SelectLess(Simd128 left, Simd128 right, Simd128 then, Simd128 otherwise) => new(
        Vector128.ConditionalSelect(Vector128.LessThan(left._a, right._a), then._a, otherwise._a),
        Vector128.ConditionalSelect(Vector128.LessThan(left._b, right._b), then._b, otherwise._b),
        Vector128.ConditionalSelect(Vector128.LessThan(left._c, right._c), then._c, otherwise._c),
        Vector128.ConditionalSelect(Vector128.LessThan(left._d, right._d), then._d, otherwise._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Simd128 value) => Lanes.Sum((value._a + value._c) + (value._b + value._d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Simd128 value) =>
        Lanes.MaxLane(Max(Max(value._a, value._c), Max(value._b, value._d)));

    private static Vector128<float> Max(Vector128<float> left, Vector128<float> right) =>
        Vector128.ConditionalSelect(Vector128.GreaterThan(left, right), left, right);

    private static Vector128<float> Min(Vector128<float> left, Vector128<float> right) =>
        Vector128.ConditionalSelect(Vector128.LessThan(left, right), left, right);

    // By the exponent bits.
    private static Vector128<float> PowerOfTwo(Vector128<float> n) =>
        ((Vector128.ConvertToInt32Native(n) + Vector128.Create(127)) << 23).AsSingle();

    private static Vector128<float> CopySign(Vector128<float> magnitude, Vector128<float> sign) =>
        Vector128.ConditionalSelect(Vector128.Create(-0f), sign, magnitude);

    // Exponents are whole numbers of few bits, so as floats they are exact.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Split(Vector128<float> value, out Vector128<float> n)
    {
        Vector128<int> exponent = (value.AsInt32() - Vector128.Create(Lanes.SqrtHalfBits)) >> 23;
        n = Vector128.ConvertToSingle(exponent);
        return (value.AsInt32() - (exponent << 23)).AsSingle();
    }
}
