// Arithmetic of f32 and f64: round to nearest even, subnormals kept unless an opcode says .ftz.
using System.Runtime.Intrinsics;

namespace PtxMachine.Opcodes;

internal readonly struct Add<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => a + b;
}

internal readonly struct Subtract<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => a - b;
}

internal readonly struct Multiply<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => a * b;
}

internal readonly struct Divide<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => a / b;
}

internal readonly struct FusedF32 : ITernary<float>
{
    public static Vector512<float> Invoke(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Vector512.Create(
            Vector256.FusedMultiplyAdd(a.GetLower(), b.GetLower(), c.GetLower()),
            Vector256.FusedMultiplyAdd(a.GetUpper(), b.GetUpper(), c.GetUpper()));
}

internal readonly struct FusedF64 : ITernary<double>
{
    public static Vector512<double> Invoke(Vector512<double> a, Vector512<double> b, Vector512<double> c) =>
        Vector512.Create(
            Vector256.FusedMultiplyAdd(a.GetLower(), b.GetLower(), c.GetLower()),
            Vector256.FusedMultiplyAdd(a.GetUpper(), b.GetUpper(), c.GetUpper()));
}

/// <summary>The number where one is NaN; plus zero above minus zero.</summary>
internal readonly struct MaxNumber<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => Vector512.MaxNumber(a, b);
}

internal readonly struct MinNumber<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => Vector512.MinNumber(a, b);
}

/// <summary>With .NaN: NaN where one is NaN.</summary>
internal readonly struct MaxNaN<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => Vector512.Max(a, b);
}

internal readonly struct MinNaN<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => Vector512.Min(a, b);
}

/// <summary>The sign bit turned, in NaN too.</summary>
internal readonly struct NegateF32 : IUnary<uint>
{
    public static Vector512<uint> Invoke(Vector512<uint> a) => a ^ Vector512.Create(0x8000_0000u);
}

internal readonly struct NegateF64 : IUnary<ulong>
{
    public static Vector512<ulong> Invoke(Vector512<ulong> a) => a ^ Vector512.Create(0x8000_0000_0000_0000u);
}

internal readonly struct AbsoluteF32 : IUnary<uint>
{
    public static Vector512<uint> Invoke(Vector512<uint> a) => a & Vector512.Create(0x7FFF_FFFFu);
}

internal readonly struct AbsoluteF64 : IUnary<ulong>
{
    public static Vector512<ulong> Invoke(Vector512<ulong> a) => a & Vector512.Create(0x7FFF_FFFF_FFFF_FFFFu);
}

/// <summary>The second with the sign of the first.</summary>
internal readonly struct CopySignF32 : IBinary<uint>
{
    public static Vector512<uint> Invoke(Vector512<uint> a, Vector512<uint> b) =>
        (a & Vector512.Create(0x8000_0000u)) | (b & Vector512.Create(0x7FFF_FFFFu));
}

internal readonly struct SquareRoot<T> : IUnary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a) => Vector512.Sqrt(a);
}

internal readonly struct ReciprocalF32 : IUnary<float>
{
    public static Vector512<float> Invoke(Vector512<float> a) => Vector512<float>.One / a;
}

internal readonly struct ReciprocalF64 : IUnary<double>
{
    public static Vector512<double> Invoke(Vector512<double> a) => Vector512<double>.One / a;
}

/// <summary>Subnormals as zeros of their sign, before and after.</summary>
internal readonly struct Flush1<TOp> : IUnary<float> where TOp : IUnary<float>
{
    public static Vector512<float> Invoke(Vector512<float> a) => Flush.Zero(TOp.Invoke(Flush.Zero(a)));
}

internal readonly struct Flush2<TOp> : IBinary<float> where TOp : IBinary<float>
{
    public static Vector512<float> Invoke(Vector512<float> a, Vector512<float> b) =>
        Flush.Zero(TOp.Invoke(Flush.Zero(a), Flush.Zero(b)));
}

internal readonly struct Flush3<TOp> : ITernary<float> where TOp : ITernary<float>
{
    public static Vector512<float> Invoke(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Flush.Zero(TOp.Invoke(Flush.Zero(a), Flush.Zero(b), Flush.Zero(c)));
}

/// <summary>With .sat: between 0 and 1, NaN to 0.</summary>
internal readonly struct Saturate2<TOp> : IBinary<float> where TOp : IBinary<float>
{
    public static Vector512<float> Invoke(Vector512<float> a, Vector512<float> b) => Flush.Saturate(TOp.Invoke(a, b));
}

internal readonly struct Saturate3<TOp> : ITernary<float> where TOp : ITernary<float>
{
    public static Vector512<float> Invoke(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Flush.Saturate(TOp.Invoke(a, b, c));
}

internal static class Flush
{
    public static Vector512<float> Zero(Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32();
        Vector512<uint> small = Vector512.Equals(bits & Vector512.Create(0x7F80_0000u), Vector512<uint>.Zero);
        return Vector512.ConditionalSelect(small, bits & Vector512.Create(0x8000_0000u), bits).AsSingle();
    }

    public static Vector512<float> Saturate(Vector512<float> value) => Vector512.ConditionalSelect(
        Vector512.GreaterThan(value, Vector512<float>.Zero),
        Vector512.MinNumber(value, Vector512<float>.One), Vector512<float>.Zero);
}
