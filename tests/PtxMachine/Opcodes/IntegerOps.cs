// Integer arithmetic and bits. Division by zero gives what the hardware gives, all ones, and never stops the machine.
using System.Numerics;
using System.Runtime.Intrinsics;

namespace PtxMachine.Opcodes;

internal readonly struct MultiplyAdd<T> : ITernary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b, Vector512<T> c) => (a * b) + c;
}

internal readonly struct Negate<T> : IUnary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a) => -a;
}

internal readonly struct Absolute<T> : IUnary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a) => Vector512.ConditionalSelect(Vector512.LessThan(a, Vector512<T>.Zero), -a, a);
}

internal readonly struct Max<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => Vector512.Max(a, b);
}

internal readonly struct Min<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => Vector512.Min(a, b);
}

internal readonly struct And<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => a & b;
}

internal readonly struct Or<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => a | b;
}

internal readonly struct Xor<T> : IBinary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => a ^ b;
}

internal readonly struct Not<T> : IUnary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a) => ~a;
}

internal readonly struct AndMask : ILane2<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b) => a & b;
}

internal readonly struct OrMask : ILane2<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b) => a | b;
}

internal readonly struct XorMask : ILane2<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b) => a ^ b;
}

internal readonly struct NotMask : ILane1<uint, uint>
{
    public static uint Invoke(uint a) => ~a;
}

/// <summary>cnot: 1 for zero, else 0.</summary>
internal readonly struct IsZero<T> : ILane1<T, T> where T : unmanaged, IBinaryInteger<T>
{
    public static T Invoke(T a) => a == T.Zero ? T.One : T.Zero;
}

internal readonly struct DivideInteger<T> : ILane2<T, T, T> where T : unmanaged, IBinaryInteger<T>
{
    // The most negative by -1 wraps to itself.
    public static T Invoke(T a, T b) => b == T.Zero ? ~T.Zero : b == T.Zero - T.One ? (T.IsNegative(b) ? T.Zero - a : a / b) : a / b;
}

internal readonly struct Remainder<T> : ILane2<T, T, T> where T : unmanaged, IBinaryInteger<T>
{
    public static T Invoke(T a, T b) => b == T.Zero ? a : b == T.Zero - T.One && T.IsNegative(b) ? T.Zero : a % b;
}

/// <summary>Shifts clamp: an amount of the width or more leaves nothing, or only signs.</summary>
internal readonly struct ShiftLeft<T> : ILane2<T, uint, T> where T : unmanaged, IBinaryInteger<T>
{
    public static T Invoke(T a, uint b) => b >= Width<T>.Bits ? T.Zero : a << (int)b;
}

internal readonly struct ShiftRight<T> : ILane2<T, uint, T> where T : unmanaged, IBinaryInteger<T>
{
    public static T Invoke(T a, uint b) => b >= Width<T>.Bits ? (T.IsNegative(a) ? ~T.Zero : T.Zero) : a >> (int)b;
}

internal static unsafe class Width<T> where T : unmanaged
{
    public static readonly uint Bits = (uint)sizeof(T) * 8;
}

internal readonly struct MultiplyHigh32 : ILane2<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b) => (uint)(((ulong)a * b) >> 32);
}

internal readonly struct MultiplyHighS32 : ILane2<int, int, int>
{
    public static int Invoke(int a, int b) => (int)(((long)a * b) >> 32);
}

internal readonly struct MultiplyHigh64 : ILane2<ulong, ulong, ulong>
{
    public static ulong Invoke(ulong a, ulong b) => Math.BigMul(a, b, out _);
}

internal readonly struct MultiplyHighS64 : ILane2<long, long, long>
{
    public static long Invoke(long a, long b) => Math.BigMul(a, b, out _);
}

internal readonly struct MultiplyHigh16<T> : ILane2<T, T, T> where T : unmanaged, IBinaryInteger<T>
{
    public static T Invoke(T a, T b) => T.CreateTruncating((int.CreateTruncating(a) * int.CreateTruncating(b)) >> 16);
}

/// <summary>mul.wide: a product of twice the width.</summary>
internal readonly struct Wide<TSource, TResult> : ILane2<TSource, TSource, TResult>
    where TSource : unmanaged, IBinaryInteger<TSource> where TResult : unmanaged, IBinaryInteger<TResult>
{
    public static TResult Invoke(TSource a, TSource b) => TResult.CreateTruncating(a) * TResult.CreateTruncating(b);
}

internal readonly struct WideAdd<TSource, TResult> : ILane3<TSource, TResult, TResult>
    where TSource : unmanaged, IBinaryInteger<TSource> where TResult : unmanaged, IBinaryInteger<TResult>
{
    public static TResult Invoke(TSource a, TSource b, TResult c) => (TResult.CreateTruncating(a) * TResult.CreateTruncating(b)) + c;
}

internal readonly struct HighAdd<T, TOp> : ILane3<T, T, T> where T : unmanaged, IBinaryInteger<T> where TOp : ILane2<T, T, T>
{
    public static T Invoke(T a, T b, T c) => unchecked(TOp.Invoke(a, b) + c);
}

internal readonly struct PopCount32 : ILane1<uint, uint>
{
    public static uint Invoke(uint a) => (uint)BitOperations.PopCount(a);
}

internal readonly struct PopCount64 : ILane1<ulong, uint>
{
    public static uint Invoke(ulong a) => (uint)BitOperations.PopCount(a);
}

internal readonly struct LeadingZeros32 : ILane1<uint, uint>
{
    public static uint Invoke(uint a) => (uint)BitOperations.LeadingZeroCount(a);
}

internal readonly struct LeadingZeros64 : ILane1<ulong, uint>
{
    public static uint Invoke(ulong a) => (uint)BitOperations.LeadingZeroCount(a);
}

internal readonly struct Reverse32 : ILane1<uint, uint>
{
    public static uint Invoke(uint a)
    {
        uint result = 0;
        for (int i = 0; i < 32; i++) result |= ((a >> i) & 1) << (31 - i);
        return result;
    }
}

internal readonly struct Reverse64 : ILane1<ulong, ulong>
{
    public static ulong Invoke(ulong a) => ((ulong)Reverse32.Invoke((uint)a) << 32) | Reverse32.Invoke((uint)(a >> 32));
}

/// <summary>bfind: the place of the highest bit that differs from the sign; all ones where there is none.</summary>
internal readonly struct HighestBit32 : ILane1<uint, uint>
{
    public static uint Invoke(uint a) => a == 0 ? ~0u : 31 - (uint)BitOperations.LeadingZeroCount(a);
}

internal readonly struct HighestBitS32 : ILane1<uint, uint>
{
    public static uint Invoke(uint a) => HighestBit32.Invoke((int)a < 0 ? ~a : a);
}

/// <summary>bfe: bits [b, b + c) of a; signed forms repeat the highest of them, or a's sign where it has none.</summary>
internal readonly struct ExtractBits32 : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c) => (uint)ExtractBits.Of(a, 32, b & 255, c & 255, signed: false);
}

internal readonly struct ExtractBitsS32 : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c) => (uint)ExtractBits.Of(a, 32, b & 255, c & 255, signed: true);
}

internal static class ExtractBits
{
    public static ulong Of(ulong a, uint width, uint position, uint length, bool signed)
    {
        uint top = Math.Min(position + length - 1, width - 1);
        bool sign = signed && length != 0 && ((a >> (int)top) & 1) != 0;
        ulong result = 0;
        for (uint i = 0; i < width; i++)
        {
            bool bit = i < length && position + i < width ? ((a >> (int)(position + i)) & 1) != 0 : sign;
            if (bit) result |= 1UL << (int)i;
        }

        return result;
    }
}

/// <summary>shf: the upper or lower word of b:a shifted.</summary>
internal readonly struct FunnelLeftWrap : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c) => Funnel.Left(a, b, c & 31);
}

internal readonly struct FunnelLeftClamp : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c) => Funnel.Left(a, b, Math.Min(c, 32));
}

internal readonly struct FunnelRightWrap : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c) => Funnel.Right(a, b, c & 31);
}

internal readonly struct FunnelRightClamp : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c) => Funnel.Right(a, b, Math.Min(c, 32));
}

internal static class Funnel
{
    public static uint Left(uint a, uint b, uint by) => (uint)(((((ulong)b << 32) | a) << (int)by) >> 32);

    public static uint Right(uint a, uint b, uint by) => (uint)((((ulong)b << 32) | a) >> (int)by);
}

/// <summary>prmt: each nibble of c names a byte of b:a; its top bit repeats that byte's sign.</summary>
internal readonly struct Permute : ILane3<uint, uint, uint>
{
    public static uint Invoke(uint a, uint b, uint c)
    {
        ulong bytes = ((ulong)b << 32) | a;
        uint result = 0;
        for (int i = 0; i < 4; i++)
        {
            uint selector = (c >> (4 * i)) & 15;
            uint value = (uint)(bytes >> (int)(8 * (selector & 7))) & 255;
            if ((selector & 8) != 0) value = (value & 128) != 0 ? 255u : 0u;
            result |= value << (8 * i);
        }

        return result;
    }
}
