// Arithmetic of f16, bf16 and their pairs: computed wider, rounded once.
using System.Numerics;
using PtxMachine.Execution;

namespace PtxMachine.Opcodes;

internal interface IHalf2
{
    static abstract double Invoke(double a, double b, double c);
}

internal readonly struct HalfAdd : IHalf2
{
    public static double Invoke(double a, double b, double c) => a + b;
}

internal readonly struct HalfSubtract : IHalf2
{
    public static double Invoke(double a, double b, double c) => a - b;
}

internal readonly struct HalfMultiply : IHalf2
{
    public static double Invoke(double a, double b, double c) => a * b;
}

internal readonly struct HalfFused : IHalf2
{
    // A product of two 11-bit numbers has 22 bits: the sum in double is rounded far below the 16-bit result.
    public static double Invoke(double a, double b, double c) => Math.FusedMultiplyAdd(a, b, c);
}

internal readonly struct HalfMax : IHalf2
{
    public static double Invoke(double a, double b, double c) => double.MaxNumber(a, b);
}

internal readonly struct HalfMin : IHalf2
{
    public static double Invoke(double a, double b, double c) => double.MinNumber(a, b);
}

internal readonly struct HalfNegate : IHalf2
{
    public static double Invoke(double a, double b, double c) => -a;
}

internal readonly struct HalfAbsolute : IHalf2
{
    public static double Invoke(double a, double b, double c) => Math.Abs(a);
}

internal static unsafe class HalfOps
{
    /// <summary>Count is 1, or 2 for pairs in 32-bit registers; unused operands point at any register.</summary>
    public static void Run<TFormat, TOp>(Op* op, Warp warp, uint mask) where TFormat : IHalfFormat where TOp : IHalf2
    {
        byte* r = warp.Registers;
        int count = op->Count;
        ushort* a = (ushort*)(r + op->A), b = (ushort*)(r + op->B), c = (ushort*)(r + op->C), d = (ushort*)(r + op->D);
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            for (int i = lane * count; i < (lane + 1) * count; i++)
            {
                d[i] = TFormat.FromDouble(TOp.Invoke(TFormat.ToSingle(a[i]), TFormat.ToSingle(b[i]), TFormat.ToSingle(c[i])));
            }
        }
    }
}
