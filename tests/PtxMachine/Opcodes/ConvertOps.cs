// cvt: a source read by its own width, a formula on its bits, a result written by the width of its register.
using System.Numerics;
using System.Runtime.Intrinsics;
using PtxMachine.Execution;

namespace PtxMachine.Opcodes;

/// <summary>The raw bits of the source register to the bits of the result register; more are cut off.</summary>
internal interface IConvert
{
    static abstract ulong Invoke(ulong raw);
}

internal readonly struct IntegerToInteger<TSource, TResult> : IConvert
    where TSource : unmanaged, IBinaryInteger<TSource> where TResult : unmanaged, IBinaryInteger<TResult>
{
    public static ulong Invoke(ulong raw) => ulong.CreateTruncating(TResult.CreateTruncating(TSource.CreateTruncating(raw)));
}

internal readonly struct IntegerSaturated<TSource, TResult> : IConvert
    where TSource : unmanaged, IBinaryInteger<TSource> where TResult : unmanaged, IBinaryInteger<TResult>
{
    public static ulong Invoke(ulong raw) => ulong.CreateTruncating(TResult.CreateSaturating(TSource.CreateTruncating(raw)));
}

internal readonly struct IntegerToFloat<TSource> : IConvert where TSource : unmanaged, IBinaryInteger<TSource>
{
    public static ulong Invoke(ulong raw) => BitConverter.SingleToUInt32Bits(float.CreateTruncating(TSource.CreateTruncating(raw)));
}

internal readonly struct IntegerToDouble<TSource> : IConvert where TSource : unmanaged, IBinaryInteger<TSource>
{
    public static ulong Invoke(ulong raw) => BitConverter.DoubleToUInt64Bits(double.CreateTruncating(TSource.CreateTruncating(raw)));
}

internal readonly struct IntegerToHalf<TSource, TFormat> : IConvert
    where TSource : unmanaged, IBinaryInteger<TSource> where TFormat : IHalfFormat
{
    public static ulong Invoke(ulong raw) => TFormat.FromDouble(double.CreateTruncating(TSource.CreateTruncating(raw)));
}

/// <summary>How a float becomes integral.</summary>
internal interface IRound
{
    static abstract double Invoke(double a);
}

internal readonly struct ToEven : IRound
{
    public static double Invoke(double a) => Math.Round(a, MidpointRounding.ToEven);
}

internal readonly struct ToZero : IRound
{
    public static double Invoke(double a) => Math.Truncate(a);
}

internal readonly struct Downward : IRound
{
    public static double Invoke(double a) => Math.Floor(a);
}

internal readonly struct Upward : IRound
{
    public static double Invoke(double a) => Math.Ceiling(a);
}

/// <summary>NaN to 0, what is too large to the nearest bound.</summary>
internal readonly struct FloatToInteger<TResult, TRound> : IConvert
    where TResult : unmanaged, IBinaryInteger<TResult> where TRound : IRound
{
    public static ulong Invoke(ulong raw) => DoubleToInteger<TResult, TRound>.Of(BitConverter.UInt32BitsToSingle((uint)raw));
}

internal readonly struct DoubleToInteger<TResult, TRound> : IConvert
    where TResult : unmanaged, IBinaryInteger<TResult> where TRound : IRound
{
    public static ulong Invoke(ulong raw) => Of(BitConverter.UInt64BitsToDouble(raw));

    public static ulong Of(double value) => ulong.CreateTruncating(TResult.CreateSaturating(TRound.Invoke(value)));
}

internal readonly struct HalfToInteger<TFormat, TResult, TRound> : IConvert
    where TFormat : IHalfFormat where TResult : unmanaged, IBinaryInteger<TResult> where TRound : IRound
{
    public static ulong Invoke(ulong raw) => DoubleToInteger<TResult, TRound>.Of(TFormat.ToSingle((ushort)raw));
}

internal readonly struct RoundFloat<TRound> : IConvert where TRound : IRound
{
    public static ulong Invoke(ulong raw) =>
        BitConverter.SingleToUInt32Bits((float)TRound.Invoke(BitConverter.UInt32BitsToSingle((uint)raw)));
}

internal readonly struct RoundDouble<TRound> : IConvert where TRound : IRound
{
    public static ulong Invoke(ulong raw) => BitConverter.DoubleToUInt64Bits(TRound.Invoke(BitConverter.UInt64BitsToDouble(raw)));
}

internal readonly struct HalfToFloat<TFormat> : IConvert where TFormat : IHalfFormat
{
    public static ulong Invoke(ulong raw) => BitConverter.SingleToUInt32Bits(TFormat.ToSingle((ushort)raw));
}

internal readonly struct HalfToDouble<TFormat> : IConvert where TFormat : IHalfFormat
{
    public static ulong Invoke(ulong raw) => BitConverter.DoubleToUInt64Bits(TFormat.ToSingle((ushort)raw));
}

internal readonly struct FloatToHalf<TFormat> : IConvert where TFormat : IHalfFormat
{
    public static ulong Invoke(ulong raw) => TFormat.FromSingle(BitConverter.UInt32BitsToSingle((uint)raw));
}

internal readonly struct DoubleToHalf<TFormat> : IConvert where TFormat : IHalfFormat
{
    public static ulong Invoke(ulong raw) => TFormat.FromDouble(BitConverter.UInt64BitsToDouble(raw));
}

internal readonly struct FloatToDouble : IConvert
{
    public static ulong Invoke(ulong raw) => BitConverter.DoubleToUInt64Bits(BitConverter.UInt32BitsToSingle((uint)raw));
}

internal readonly struct DoubleToFloat : IConvert
{
    public static ulong Invoke(ulong raw) => BitConverter.SingleToUInt32Bits((float)BitConverter.UInt64BitsToDouble(raw));
}

/// <summary>cvt.rna.tf32: to 10 bits of fraction, ties away from zero; the lower bits are zero.</summary>
internal readonly struct ToTF32 : IConvert
{
    public static ulong Invoke(ulong raw)
    {
        uint bits = (uint)raw;
        if ((bits & 0x7F80_0000) == 0x7F80_0000) return (bits & 0x7FFFFF) != 0 ? 0x7FFF_FFFF : bits;
        return (bits + 0x1000) & 0xFFFF_E000;
    }
}

internal readonly struct Saturated<TOp> : IConvert where TOp : IConvert
{
    public static ulong Invoke(ulong raw)
    {
        float value = BitConverter.UInt32BitsToSingle((uint)TOp.Invoke(raw));
        return BitConverter.SingleToUInt32Bits(value > 0 ? MathF.Min(value, 1) : 0);
    }
}

internal static unsafe class ConvertOps
{
    /// <summary>Size is the bytes of the source register, Count those of the result's.</summary>
    public static void Run<TOp>(Op* op, Warp warp, uint mask) where TOp : IConvert
    {
        byte* a = warp.Registers + op->A, d = warp.Registers + op->D;
        int source = op->Size, result = op->Count;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong raw = source == 4 ? ((uint*)a)[lane] : source == 8 ? ((ulong*)a)[lane] : ((ushort*)a)[lane];
            ulong value = TOp.Invoke(raw);
            if (result == 4) ((uint*)d)[lane] = (uint)value;
            else if (result == 8) ((ulong*)d)[lane] = value;
            else ((ushort*)d)[lane] = (ushort)value;
        }
    }

    /// <summary>Two f32 to a pair of 16-bit floats; the first source becomes the high half. Count 1 is .relu.</summary>
    public static void Pack<TFormat>(Op* op, Warp warp, uint mask) where TFormat : IHalfFormat
    {
        byte* r = warp.Registers;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            float high = ((float*)(r + op->A))[lane], low = ((float*)(r + op->B))[lane];
            if (op->Count == 1) (high, low) = (Relu(high), Relu(low));
            ((uint*)(r + op->D))[lane] = ((uint)TFormat.FromSingle(high) << 16) | TFormat.FromSingle(low);
        }
    }

    public static void WidenU32(Op* op, Warp warp, uint mask)
    {
        byte* r = warp.Registers;
        for (int part = 0; part < 4; part++)
        {
            Vector256<uint> a = Vector256.Load((uint*)(r + op->A) + (part * 8));
            (Vector256<ulong> low, Vector256<ulong> high) = Vector256.Widen(a);
            Lanes.Store(Vector512.Create(low, high), (ulong*)(r + op->D), part, mask);
        }
    }

    public static void WidenS32(Op* op, Warp warp, uint mask)
    {
        byte* r = warp.Registers;
        for (int part = 0; part < 4; part++)
        {
            Vector256<int> a = Vector256.Load((int*)(r + op->A) + (part * 8));
            (Vector256<long> low, Vector256<long> high) = Vector256.Widen(a);
            Lanes.Store(Vector512.Create(low, high), (long*)(r + op->D), part, mask);
        }
    }

    public static void SignedToFloat(Op* op, Warp warp, uint mask)
    {
        byte* r = warp.Registers;
        for (int part = 0; part < 2; part++)
            Lanes.Store(Vector512.ConvertToSingle(Vector512.Load((int*)(r + op->A) + (part * 16))), (float*)(r + op->D), part, mask);
    }

    /// <summary>mul.wide of 32-bit integers: the products of an address, so by vectors.</summary>
    public static void WideProduct<T>(Op* op, Warp warp, uint mask) where T : unmanaged
    {
        byte* r = warp.Registers;
        for (int part = 0; part < 4; part++)
        {
            if (typeof(T) == typeof(int))
            {
                Vector256<int> a = Vector256.Load((int*)(r + op->A) + (part * 8)), b = Vector256.Load((int*)(r + op->B) + (part * 8));
                (Vector256<long> al, Vector256<long> ah) = Vector256.Widen(a);
                (Vector256<long> bl, Vector256<long> bh) = Vector256.Widen(b);
                Lanes.Store(Vector512.Create(al * bl, ah * bh), (long*)(r + op->D), part, mask);
            }
            else
            {
                Vector256<uint> a = Vector256.Load((uint*)(r + op->A) + (part * 8)), b = Vector256.Load((uint*)(r + op->B) + (part * 8));
                (Vector256<ulong> al, Vector256<ulong> ah) = Vector256.Widen(a);
                (Vector256<ulong> bl, Vector256<ulong> bh) = Vector256.Widen(b);
                Lanes.Store(Vector512.Create(al * bl, ah * bh), (ulong*)(r + op->D), part, mask);
            }
        }
    }

    private static float Relu(float value) => float.IsNaN(value) ? value : MathF.Max(value, 0);
}
