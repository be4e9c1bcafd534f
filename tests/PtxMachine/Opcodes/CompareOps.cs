// setp and selp: comparisons give a mask of 32 bits, and selections take one.
using System.Runtime.Intrinsics;
using PtxMachine.Execution;

namespace PtxMachine.Opcodes;

internal interface ICompare<T> where T : unmanaged
{
    static abstract Vector512<T> Invoke(Vector512<T> a, Vector512<T> b);
}

internal readonly struct Equal<T> : ICompare<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => Vector512.Equals(a, b);
}

/// <summary>Ordered: false where one is NaN.</summary>
internal readonly struct NotEqual<T> : ICompare<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) =>
        ~Vector512.Equals(a, b) & Vector512.Equals(a, a) & Vector512.Equals(b, b);
}

internal readonly struct Less<T> : ICompare<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => Vector512.LessThan(a, b);
}

internal readonly struct LessOrEqual<T> : ICompare<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => Vector512.LessThanOrEqual(a, b);
}

/// <summary>Both are numbers.</summary>
internal readonly struct Ordered<T> : ICompare<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => Vector512.Equals(a, a) & Vector512.Equals(b, b);
}

internal readonly struct Swap<T, TOp> : ICompare<T> where T : unmanaged where TOp : ICompare<T>
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => TOp.Invoke(b, a);
}

/// <summary>The opposite, so also true where one is NaN.</summary>
internal readonly struct Inverse<T, TOp> : ICompare<T> where T : unmanaged where TOp : ICompare<T>
{
    public static Vector512<T> Invoke(Vector512<T> a, Vector512<T> b) => ~TOp.Invoke(a, b);
}

internal readonly struct FlushCompare<TOp> : ICompare<float> where TOp : ICompare<float>
{
    public static Vector512<float> Invoke(Vector512<float> a, Vector512<float> b) => TOp.Invoke(Flush.Zero(a), Flush.Zero(b));
}

/// <summary>How a comparison is joined with a predicate.</summary>
internal enum Join { None, And, Or, Xor }

internal static unsafe class CompareOps
{
    /// <summary>D the result, More[0] the inverse's predicate or -1, C the joined predicate, Count the way, Immediate its flip.</summary>
    public static void SetPredicate<T, TOp>(Op* op, Warp warp, uint mask) where T : unmanaged where TOp : ICompare<T>
    {
        byte* r = warp.Registers;
        int lanes = 64 / sizeof(T);
        T* a = (T*)(r + op->A), b = (T*)(r + op->B);
        uint bits = 0;
        for (int part = 0; part < sizeof(T) / 2; part++)
            bits |= Lanes.Bits(TOp.Invoke(Vector512.Load(a + (part * lanes)), Vector512.Load(b + (part * lanes))), part);
        Finish(op, r, bits, mask);
    }

    /// <summary>The same for 16-bit floats, which are compared as f32; Immediate's second bit says bfloat16.</summary>
    public static void SetPredicateHalf<TFormat, TOp>(Op* op, Warp warp, uint mask)
        where TFormat : IHalfFormat where TOp : ICompare<float>
    {
        byte* r = warp.Registers;
        ushort* a = (ushort*)(r + op->A), b = (ushort*)(r + op->B);
        float* left = stackalloc float[32], right = stackalloc float[32];
        for (int i = 0; i < 32; i++) (left[i], right[i]) = (TFormat.ToSingle(a[i]), TFormat.ToSingle(b[i]));
        uint bits = 0;
        for (int part = 0; part < 2; part++)
            bits |= Lanes.Bits(TOp.Invoke(Vector512.Load(left + (part * 16)), Vector512.Load(right + (part * 16))), part);
        Finish(op, r, bits, mask);
    }

    private static void Finish(Op* op, byte* r, uint bits, uint mask)
    {
        uint inverse = ~bits;
        if (op->Count != 0)
        {
            uint other = *(uint*)(r + op->C) ^ (uint)op->Immediate;
            bits = Joined((Join)op->Count, bits, other);
            inverse = Joined((Join)op->Count, inverse, other);
        }

        Lanes.Store(bits, r + op->D, mask);
        if (op->More != null) Lanes.Store(inverse, r + op->More[0], mask);
    }

    private static uint Joined(Join join, uint a, uint b) => join switch
    {
        Join.And => a & b,
        Join.Or => a | b,
        _ => a ^ b,
    };

    /// <summary>set: all ones (or 1.0) where the comparison holds.</summary>
    public static void Set<T, TOp>(Op* op, Warp warp, uint mask) where T : unmanaged where TOp : ICompare<T>
    {
        byte* r = warp.Registers;
        int lanes = 64 / sizeof(T);
        T* a = (T*)(r + op->A), b = (T*)(r + op->B);
        uint bits = 0;
        for (int part = 0; part < sizeof(T) / 2; part++)
            bits |= Lanes.Bits(TOp.Invoke(Vector512.Load(a + (part * lanes)), Vector512.Load(b + (part * lanes))), part);
        Vector512<uint> value = Vector512.Create((uint)op->Immediate);
        for (int part = 0; part < 2; part++)
            Lanes.Store(value & Lanes.Expand<uint>(bits, part), (uint*)(r + op->D), part, mask);
    }

    public static void Select<T>(Op* op, Warp warp, uint mask) where T : unmanaged
    {
        byte* r = warp.Registers;
        int lanes = 64 / sizeof(T);
        uint choose = *(uint*)(r + op->C);
        T* a = (T*)(r + op->A), b = (T*)(r + op->B);
        for (int part = 0; part < sizeof(T) / 2; part++)
        {
            Vector512<T> value = Vector512.ConditionalSelect(
                Lanes.Expand<T>(choose, part), Vector512.Load(a + (part * lanes)), Vector512.Load(b + (part * lanes)));
            Lanes.Store(value, (T*)(r + op->D), part, mask);
        }
    }
}
