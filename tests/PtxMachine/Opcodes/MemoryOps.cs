// ld and st: addresses are checked first, for all lanes, then the bytes move between memory and registers.
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using PtxMachine.Execution;
using PtxMachine.Memory;
using PtxMachine.Parsing;

namespace PtxMachine.Opcodes;

internal static unsafe class MemoryOps
{
    /// <summary>Pointer to the first of lanes that lie side by side, or null and a pointer in each lane's address.</summary>
    public static byte* Resolve(Op* op, Warp warp, uint mask, int bytes, Mode mode)
    {
        bool together = Addressing.Compute(op, warp, mask, bytes);
        if (warp.Block.Profile is { } profile) Count(profile, op, warp, mask, bytes);
        switch (op->Space)
        {
            case Space.Global or Space.Const:
                return Global(op, warp, mask, bytes, mode, together);
            case Space.Shared:
                SharedAccess.Run(op, warp, mask, bytes, mode);
                return together ? (byte*)warp.Addresses[0] : null;
            case Space.Local:
                LocalAccess.Local(op, warp, mask, bytes);
                return null;
            case Space.Param:
                LocalAccess.Parameter(op, warp, mask, bytes);
                return null;
            default:
                uint shared = Addressing.InWindow(warp, mask, DeviceMemory.SharedWindow);
                uint local = Addressing.InWindow(warp, mask, DeviceMemory.LocalWindow);
                uint global = mask & ~shared & ~local;
                if (global == mask) return Global(op, warp, mask, bytes, mode, together);
                if (shared != 0) SharedAccess.Run(op, warp, shared, bytes, mode);
                if (local != 0) LocalAccess.Local(op, warp, local, bytes);
                if (global != 0) GlobalAccess.Scatter(op, warp, global, bytes, mode);
                return null;
        }
    }

    /// <summary>One element a lane; the memory's type is widened to the register's.</summary>
    public static void Load<TMemory, TRegister>(Op* op, Warp warp, uint mask)
        where TMemory : unmanaged, IBinaryInteger<TMemory> where TRegister : unmanaged, IBinaryInteger<TRegister>
    {
        byte* first = Resolve(op, warp, mask, sizeof(TMemory), Mode.Read);
        TRegister* d = (TRegister*)(warp.Registers + op->D);
        if (first != null && sizeof(TMemory) == sizeof(TRegister))
        {
            Unsafe.CopyBlockUnaligned(d, first, 32 * (uint)sizeof(TMemory));
            return;
        }

        if (first != null)
        {
            for (int lane = 0; lane < 32; lane++) d[lane] = TRegister.CreateTruncating(((TMemory*)first)[lane]);
            return;
        }

        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            d[lane] = TRegister.CreateTruncating(*(TMemory*)warp.Addresses[lane]);
        }
    }

    public static void Store<TMemory, TRegister>(Op* op, Warp warp, uint mask)
        where TMemory : unmanaged, IBinaryInteger<TMemory> where TRegister : unmanaged, IBinaryInteger<TRegister>
    {
        byte* first = Resolve(op, warp, mask, sizeof(TMemory), Mode.Write);
        TRegister* d = (TRegister*)(warp.Registers + op->D);
        if (first != null && sizeof(TMemory) == sizeof(TRegister))
        {
            Unsafe.CopyBlockUnaligned(first, d, 32 * (uint)sizeof(TMemory));
            return;
        }

        if (first != null)
        {
            for (int lane = 0; lane < 32; lane++) ((TMemory*)first)[lane] = TMemory.CreateTruncating(d[lane]);
            return;
        }

        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            *(TMemory*)warp.Addresses[lane] = TMemory.CreateTruncating(d[lane]);
        }
    }

    /// <summary>Two or four elements a lane, whose registers are in More.</summary>
    public static void LoadVector<TMemory, TRegister>(Op* op, Warp warp, uint mask)
        where TMemory : unmanaged, IBinaryInteger<TMemory> where TRegister : unmanaged, IBinaryInteger<TRegister>
    {
        int count = op->Count;
        byte* first = Resolve(op, warp, mask, sizeof(TMemory) * count, Mode.Read);
        for (int i = 0; i < count; i++)
        {
            if (op->More[i] < 0) continue;
            TRegister* d = (TRegister*)(warp.Registers + op->More[i]);
            if (first != null)
            {
                TMemory* from = (TMemory*)first + i;
                for (int lane = 0; lane < 32; lane++) d[lane] = TRegister.CreateTruncating(from[lane * count]);
                continue;
            }

            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                d[lane] = TRegister.CreateTruncating(((TMemory*)warp.Addresses[lane])[i]);
            }
        }
    }

    public static void StoreVector<TMemory, TRegister>(Op* op, Warp warp, uint mask)
        where TMemory : unmanaged, IBinaryInteger<TMemory> where TRegister : unmanaged, IBinaryInteger<TRegister>
    {
        int count = op->Count;
        byte* first = Resolve(op, warp, mask, sizeof(TMemory) * count, Mode.Write);
        for (int i = 0; i < count; i++)
        {
            TRegister* d = (TRegister*)(warp.Registers + op->More[i]);
            if (first != null)
            {
                TMemory* to = (TMemory*)first + i;
                for (int lane = 0; lane < 32; lane++) to[lane * count] = TMemory.CreateTruncating(d[lane]);
                continue;
            }

            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                ((TMemory*)warp.Addresses[lane])[i] = TMemory.CreateTruncating(d[lane]);
            }
        }
    }

    /// <summary>ld.param of a named parameter: the same bytes for all lanes, checked when it was decoded.</summary>
    public static void LoadParameter<TMemory, TRegister>(Op* op, Warp warp, uint mask)
        where TMemory : unmanaged, IBinaryInteger<TMemory> where TRegister : unmanaged, IBinaryInteger<TRegister>
    {
        for (int i = 0; i < op->Count; i++)
        {
            TMemory value = *((TMemory*)(warp.Block.Parameters + op->Immediate) + i);
            Vector512<TRegister> all = Vector512.Create(TRegister.CreateTruncating(value));
            for (int part = 0; part < sizeof(TRegister) / 2; part++)
                Lanes.Store(all, (TRegister*)(warp.Registers + op->More[i]), part, mask);
        }
    }

    private static void Count(Profile profile, Op* op, Warp warp, uint mask, int bytes)
    {
        if (op->Space is Space.Global or Space.Const) profile.CountGlobal(warp.Addresses, mask, bytes);
        else if (op->Space == Space.Shared) profile.CountShared(warp.Addresses, mask, bytes);
        else if (op->Space == Space.None) profile.CountGeneric(warp.Addresses, mask, bytes);
    }

    private static byte* Global(Op* op, Warp warp, uint mask, int bytes, Mode mode, bool together)
    {
        if (together)
        {
            byte* first = GlobalAccess.Run(op, warp, bytes, mode);
            if (first != null) return first;
        }

        GlobalAccess.Scatter(op, warp, mask, bytes, mode);
        return null;
    }
}
