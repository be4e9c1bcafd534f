// The loops of lane-wise opcodes, once for all: an opcode is a struct with one formula.
using System.Numerics;
using System.Runtime.Intrinsics;
using PtxMachine.Execution;

namespace PtxMachine.Opcodes;

internal interface IUnary<T> where T : unmanaged
{
    static abstract Vector512<T> Invoke(Vector512<T> a);
}

internal interface IBinary<T> where T : unmanaged
{
    static abstract Vector512<T> Invoke(Vector512<T> a, Vector512<T> b);
}

internal interface ITernary<T> where T : unmanaged
{
    static abstract Vector512<T> Invoke(Vector512<T> a, Vector512<T> b, Vector512<T> c);
}

/// <summary>A formula of one lane, for what vectors do not have.</summary>
internal interface ILane1<TSource, TResult>
{
    static abstract TResult Invoke(TSource a);
}

internal interface ILane2<TSource, TSecond, TResult>
{
    static abstract TResult Invoke(TSource a, TSecond b);
}

internal interface ILane3<TSource, TThird, TResult>
{
    static abstract TResult Invoke(TSource a, TSource b, TThird c);
}

internal static unsafe class Maps
{
    public static void Unary<T, TOp>(Op* op, Warp warp, uint mask) where T : unmanaged where TOp : IUnary<T>
    {
        byte* r = warp.Registers;
        int lanes = 64 / sizeof(T);
        T* a = (T*)(r + op->A);
        for (int part = 0; part < sizeof(T) / 2; part++)
            Lanes.Store(TOp.Invoke(Vector512.Load(a + (part * lanes))), (T*)(r + op->D), part, mask);
    }

    public static void Binary<T, TOp>(Op* op, Warp warp, uint mask) where T : unmanaged where TOp : IBinary<T>
    {
        byte* r = warp.Registers;
        int lanes = 64 / sizeof(T);
        T* a = (T*)(r + op->A), b = (T*)(r + op->B);
        for (int part = 0; part < sizeof(T) / 2; part++)
        {
            Vector512<T> result = TOp.Invoke(Vector512.Load(a + (part * lanes)), Vector512.Load(b + (part * lanes)));
            Lanes.Store(result, (T*)(r + op->D), part, mask);
        }
    }

    public static void Ternary<T, TOp>(Op* op, Warp warp, uint mask) where T : unmanaged where TOp : ITernary<T>
    {
        byte* r = warp.Registers;
        int lanes = 64 / sizeof(T);
        T* a = (T*)(r + op->A), b = (T*)(r + op->B), c = (T*)(r + op->C);
        for (int part = 0; part < sizeof(T) / 2; part++)
        {
            int at = part * lanes;
            Vector512<T> result = TOp.Invoke(Vector512.Load(a + at), Vector512.Load(b + at), Vector512.Load(c + at));
            Lanes.Store(result, (T*)(r + op->D), part, mask);
        }
    }

    public static void Lane1<TSource, TResult, TOp>(Op* op, Warp warp, uint mask)
        where TSource : unmanaged where TResult : unmanaged where TOp : ILane1<TSource, TResult>
    {
        byte* r = warp.Registers;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ((TResult*)(r + op->D))[lane] = TOp.Invoke(((TSource*)(r + op->A))[lane]);
        }
    }

    public static void Lane2<TSource, TSecond, TResult, TOp>(Op* op, Warp warp, uint mask)
        where TSource : unmanaged where TSecond : unmanaged where TResult : unmanaged
        where TOp : ILane2<TSource, TSecond, TResult>
    {
        byte* r = warp.Registers;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ((TResult*)(r + op->D))[lane] = TOp.Invoke(((TSource*)(r + op->A))[lane], ((TSecond*)(r + op->B))[lane]);
        }
    }

    public static void Lane3<TSource, TThird, TResult, TOp>(Op* op, Warp warp, uint mask)
        where TSource : unmanaged where TThird : unmanaged where TResult : unmanaged
        where TOp : ILane3<TSource, TThird, TResult>
    {
        byte* r = warp.Registers;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ((TResult*)(r + op->D))[lane] = TOp.Invoke(
                ((TSource*)(r + op->A))[lane], ((TSource*)(r + op->B))[lane], ((TThird*)(r + op->C))[lane]);
        }
    }

    /// <summary>Predicates are masks: one step for all lanes.</summary>
    public static void Predicate2<TOp>(Op* op, Warp warp, uint mask) where TOp : ILane2<uint, uint, uint>
    {
        byte* r = warp.Registers;
        Lanes.Store(TOp.Invoke(*(uint*)(r + op->A), *(uint*)(r + op->B)), r + op->D, mask);
    }

    public static void Predicate1<TOp>(Op* op, Warp warp, uint mask) where TOp : ILane1<uint, uint>
    {
        byte* r = warp.Registers;
        Lanes.Store(TOp.Invoke(*(uint*)(r + op->A)), r + op->D, mask);
    }
}
