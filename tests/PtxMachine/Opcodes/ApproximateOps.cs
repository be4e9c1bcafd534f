// The approximate instructions. They answer with the value rounded from double precision, moved by as many units as the
// launch asks for: a test that depends on the exact bits of ex2.approx then fails here before it fails on a GPU.
using System.Numerics;
using System.Runtime.Intrinsics;
using PtxMachine.Execution;

namespace PtxMachine.Opcodes;

internal interface IApproximate
{
    static abstract Vector512<double> Invoke(Vector512<double> a);
}

internal readonly struct Exp2 : IApproximate
{
    public static Vector512<double> Invoke(Vector512<double> a) => Vector512.Exp(a * Vector512.Create(0.693147180559945309));
}

internal readonly struct Log2 : IApproximate
{
    public static Vector512<double> Invoke(Vector512<double> a) => Vector512.Log2(a);
}

internal readonly struct ReciprocalRoot : IApproximate
{
    public static Vector512<double> Invoke(Vector512<double> a) => Vector512<double>.One / Vector512.Sqrt(a);
}

internal readonly struct Root : IApproximate
{
    public static Vector512<double> Invoke(Vector512<double> a) => Vector512.Sqrt(a);
}

internal readonly struct Reciprocal : IApproximate
{
    public static Vector512<double> Invoke(Vector512<double> a) => Vector512<double>.One / a;
}

internal readonly struct Sine : IApproximate
{
    public static Vector512<double> Invoke(Vector512<double> a) => Vector512.Sin(a);
}

internal readonly struct Cosine : IApproximate
{
    public static Vector512<double> Invoke(Vector512<double> a) => Vector512.Cos(a);
}

internal readonly struct Tangent : IApproximate
{
    public static Vector512<double> Invoke(Vector512<double> a)
    {
        Span<double> lanes = stackalloc double[8];
        a.CopyTo(lanes);
        for (int i = 0; i < 8; i++) lanes[i] = Math.Tanh(lanes[i]);
        return Vector512.Create<double>(lanes);
    }
}

internal static unsafe class ApproximateOps
{
    /// <summary>One operand; op.Count is 1 where subnormals are flushed.</summary>
    public static void Run<TOp>(Op* op, Warp warp, uint mask) where TOp : IApproximate
    {
        byte* r = warp.Registers;
        float* source = (float*)(r + op->A);
        for (int part = 0; part < 2; part++)
        {
            Vector512<float> a = Vector512.Load(source + (part * 16));
            if (op->Count != 0) a = Flush.Zero(a);
            (Vector512<double> low, Vector512<double> high) = Vector512.Widen(a);
            Finish(op, warp, Vector512.Narrow(TOp.Invoke(low), TOp.Invoke(high)), part, mask);
        }
    }

    /// <summary>div.full and div.approx.</summary>
    public static void Divide(Op* op, Warp warp, uint mask)
    {
        byte* r = warp.Registers;
        for (int part = 0; part < 2; part++)
        {
            Vector512<float> a = Vector512.Load((float*)(r + op->A) + (part * 16));
            Vector512<float> b = Vector512.Load((float*)(r + op->B) + (part * 16));
            if (op->Count != 0) (a, b) = (Flush.Zero(a), Flush.Zero(b));
            Finish(op, warp, a / b, part, mask);
        }
    }

    private static void Finish(Op* op, Warp warp, Vector512<float> value, int part, uint mask)
    {
        int units = warp.Block.Spec.ApproximateUnits;
        if (units > 0) value = Move(value, units, warp.Block.Spec.Seed);
        if (op->Count != 0) value = Flush.Zero(value);
        Lanes.Store(value, (float*)(warp.Registers + op->D), part, mask);
    }

    // The same value is moved the same way in one launch; zeros, infinities and the powers of two next to them stay.
    private static Vector512<float> Move(Vector512<float> value, int units, ulong seed)
    {
        Span<uint> bits = stackalloc uint[16];
        value.AsUInt32().CopyTo(bits);
        for (int i = 0; i < 16; i++)
        {
            uint exponent = (bits[i] >> 23) & 255;
            if (exponent is 0 or 255 || (bits[i] & 0x7FFFFF) == 0) continue;
            ulong hash = (bits[i] + seed) * 0x9E3779B97F4A7C15;
            int move = (int)((hash >> 40) % (ulong)((2 * units) + 1)) - units;
            uint moved = (uint)(bits[i] + move);
            if (moved >> 23 == bits[i] >> 23 && BitOperations.PopCount(moved & 0x7FFFFF) > 0) bits[i] = moved;
        }

        return Vector512.Create<uint>(bits).AsSingle();
    }
}
