// Instructions that lanes do together: shuffles, votes, reductions, and the two barriers.
using System.Numerics;
using System.Runtime.Intrinsics;
using PtxMachine.Execution;

namespace PtxMachine.Opcodes;

internal enum Shuffle { Up, Down, Butterfly, Index }

internal static unsafe class WarpOps
{
    /// <summary>A the value, B the lane or distance, More[0] the clamp, C the members, More[1] the predicate or -1.</summary>
    public static void Shuffled(Op* op, Warp warp, uint mask)
    {
        byte* r = warp.Registers;
        uint* a = (uint*)(r + op->A);
        uint* result = stackalloc uint[32];
        uint valid = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            int by = (int)(((uint*)(r + op->B))[lane] & 31);
            uint c = ((uint*)(r + op->More[0]))[lane];
            int clamp = (int)(c & 31), segment = (int)((c >> 8) & 31);
            int top = (lane & segment) | (clamp & ~segment);
            int bottom = lane & segment;
            int source = (Shuffle)op->Count switch
            {
                Shuffle.Up => lane - by,
                Shuffle.Down => lane + by,
                Shuffle.Butterfly => lane ^ by,
                _ => bottom | (by & ~segment),
            };
            bool good = (Shuffle)op->Count == Shuffle.Up ? source >= top : source <= top;
            if (!good) source = lane;
            else valid |= 1u << lane;
            if ((mask & (1u << source)) == 0)
                throw warp.Fault(op, FaultKind.Convergence, $"a shuffle from lane {source}, which does not take part", lane);
            result[lane] = a[source];
        }

        for (int part = 0; part < 2; part++)
            Lanes.Store(Vector512.Load(result + (part * 16)), (uint*)(r + op->D), part, mask);
        if (op->More[1] >= 0) Lanes.Store(valid, r + op->More[1], mask);
    }

    public static void Ballot(Op* op, Warp warp, uint mask)
    {
        Vector512<uint> bits = Vector512.Create((*(uint*)(warp.Registers + op->A) ^ (uint)op->Immediate) & mask);
        for (int part = 0; part < 2; part++) Lanes.Store(bits, (uint*)(warp.Registers + op->D), part, mask);
    }

    public static void Any(Op* op, Warp warp, uint mask)
    {
        uint bits = (*(uint*)(warp.Registers + op->A) ^ (uint)op->Immediate) & mask;
        Lanes.Store(bits != 0 ? ~0u : 0, warp.Registers + op->D, mask);
    }

    public static void All(Op* op, Warp warp, uint mask)
    {
        uint bits = (*(uint*)(warp.Registers + op->A) ^ (uint)op->Immediate) & mask;
        Lanes.Store(bits == mask ? ~0u : 0, warp.Registers + op->D, mask);
    }

    public static void Uniform(Op* op, Warp warp, uint mask)
    {
        uint bits = (*(uint*)(warp.Registers + op->A) ^ (uint)op->Immediate) & mask;
        Lanes.Store(bits == mask || bits == 0 ? ~0u : 0, warp.Registers + op->D, mask);
    }

    /// <summary>redux.sync: the members' values joined by an atomic's formula.</summary>
    public static void Reduce<T, TOp>(Op* op, Warp warp, uint mask) where T : unmanaged where TOp : IAtomic<T>
    {
        T* a = (T*)(warp.Registers + op->A);
        T value = default;
        bool first = true;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            T next = a[BitOperations.TrailingZeroCount(rest)];
            value = first ? next : TOp.Invoke(value, next, next);
            first = false;
        }

        for (int part = 0; part < 2; part++)
            Lanes.Store(Vector512.Create(value), (T*)(warp.Registers + op->D), part, mask);
    }

    /// <summary>match.any: the members with the same value.</summary>
    public static void MatchAny(Op* op, Warp warp, uint mask)
    {
        uint* a = (uint*)(warp.Registers + op->A);
        uint* d = (uint*)(warp.Registers + op->D);
        uint* result = stackalloc uint[32];
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            uint same = 0;
            for (uint others = mask; others != 0; others &= others - 1)
            {
                int other = BitOperations.TrailingZeroCount(others);
                if (a[other] == a[lane]) same |= 1u << other;
            }

            result[lane] = same;
        }

        for (int part = 0; part < 2; part++) Lanes.Store(Vector512.Load(result + (part * 16)), d, part, mask);
    }

    /// <summary>bar.warp.sync: the lanes see each other's shared writes from here on.</summary>
    public static void SyncWarp(Op* op, Warp warp, uint mask)
    {
        // Only a barrier of all lanes orders all of them; a smaller one would need a clock for each pair of lanes.
        if (mask == warp.Alive) warp.SyncTime = warp.Block.Shared.Tick();
    }

    /// <summary>bar.sync: the number is kept so that the block can compare.</summary>
    public static void Barrier(Op* op, Warp warp, uint mask)
    {
        warp.BarrierId = (int)((uint*)(warp.Registers + op->A))[0];
        if (op->B < 0) return;
        uint threads = ((uint*)(warp.Registers + op->B))[0];
        int all = warp.Block.Spec.BlockX * warp.Block.Spec.BlockY * warp.Block.Spec.BlockZ;
        if (threads != (all + 31) / 32 * 32 && threads != all)
            throw warp.Fault(op, FaultKind.Barrier, $"a barrier of {threads} of {all} threads is not supported");
    }
}
