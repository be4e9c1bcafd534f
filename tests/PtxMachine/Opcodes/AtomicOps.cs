// atom and red: lanes one after another, each indivisible also against the other threads of the machine.
using System.Numerics;
using PtxMachine.Execution;

namespace PtxMachine.Opcodes;

internal interface IAtomic<T>
{
    static abstract T Invoke(T old, T b, T c);
}

internal readonly struct AtomicAdd<T> : IAtomic<T> where T : INumber<T>
{
    public static T Invoke(T old, T b, T c) => unchecked(old + b);
}

internal readonly struct AtomicMax<T> : IAtomic<T> where T : INumber<T>
{
    public static T Invoke(T old, T b, T c) => T.Max(old, b);
}

internal readonly struct AtomicMin<T> : IAtomic<T> where T : INumber<T>
{
    public static T Invoke(T old, T b, T c) => T.Min(old, b);
}

internal readonly struct AtomicAnd<T> : IAtomic<T> where T : IBinaryInteger<T>
{
    public static T Invoke(T old, T b, T c) => old & b;
}

internal readonly struct AtomicOr<T> : IAtomic<T> where T : IBinaryInteger<T>
{
    public static T Invoke(T old, T b, T c) => old | b;
}

internal readonly struct AtomicXor<T> : IAtomic<T> where T : IBinaryInteger<T>
{
    public static T Invoke(T old, T b, T c) => old ^ b;
}

internal readonly struct AtomicExchange<T> : IAtomic<T>
{
    public static T Invoke(T old, T b, T c) => b;
}

/// <summary>The new value where the old one is what was expected.</summary>
internal readonly struct AtomicCompare<T> : IAtomic<T> where T : IBinaryInteger<T>
{
    public static T Invoke(T old, T b, T c) => old == b ? c : old;
}

/// <summary>One more, or zero from the bound on.</summary>
internal readonly struct AtomicIncrement : IAtomic<uint>
{
    public static uint Invoke(uint old, uint b, uint c) => old >= b ? 0 : old + 1;
}

internal readonly struct AtomicDecrement : IAtomic<uint>
{
    public static uint Invoke(uint old, uint b, uint c) => old == 0 || old > b ? b : old - 1;
}

internal static unsafe class AtomicOps
{
    /// <summary>D is -1 for red, which gives nothing back; B and C are the operands.</summary>
    public static void Run<T, TOp>(Op* op, Warp warp, uint mask) where T : unmanaged where TOp : IAtomic<T>
    {
        byte* first = MemoryOps.Resolve(op, warp, mask, sizeof(T), Mode.Atomic);
        byte* r = warp.Registers;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            T* at = first != null ? (T*)first + lane : (T*)warp.Addresses[lane];
            T b = ((T*)(r + op->B))[lane], c = ((T*)(r + op->C))[lane];
            T old = Swap<T, TOp>(at, b, c);
            if (op->D >= 0) ((T*)(r + op->D))[lane] = old;
        }
    }

    private static T Swap<T, TOp>(T* at, T b, T c) where T : unmanaged where TOp : IAtomic<T>
    {
        while (true)
        {
            if (sizeof(T) == 4)
            {
                uint old = Volatile.Read(ref *(uint*)at);
                T before = *(T*)&old;
                T after = TOp.Invoke(before, b, c);
                if (Interlocked.CompareExchange(ref *(uint*)at, *(uint*)&after, old) == old) return before;
            }
            else
            {
                ulong old = Volatile.Read(ref *(ulong*)at);
                T before = *(T*)&old;
                T after = TOp.Invoke(before, b, c);
                if (Interlocked.CompareExchange(ref *(ulong*)at, *(ulong*)&after, old) == old) return before;
            }
        }
    }
}
