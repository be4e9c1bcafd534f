// mov, also of parts: a register may be packed from two or four smaller ones, or cut into them.
using System.Numerics;
using System.Runtime.Intrinsics;
using PtxMachine.Execution;

namespace PtxMachine.Opcodes;

internal readonly struct Same<T> : IUnary<T> where T : unmanaged
{
    public static Vector512<T> Invoke(Vector512<T> a) => a;
}

internal readonly struct SameMask : ILane1<uint, uint>
{
    public static uint Invoke(uint a) => a;
}

internal static unsafe class MoveOps
{
    /// <summary>The registers of More, Size bytes each, side by side in D.</summary>
    public static void Pack(Op* op, Warp warp, uint mask)
    {
        byte* r = warp.Registers;
        int size = op->Size;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            byte* to = r + op->D + (lane * size * op->Count);
            for (int i = 0; i < op->Count; i++)
                Buffer.MemoryCopy(r + op->More[i] + (lane * size), to + (i * size), size, size);
        }
    }

    public static void Unpack(Op* op, Warp warp, uint mask)
    {
        byte* r = warp.Registers;
        int size = op->Size;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            byte* from = r + op->A + (lane * size * op->Count);
            for (int i = 0; i < op->Count; i++)
            {
                if (op->More[i] >= 0) Buffer.MemoryCopy(from + (i * size), r + op->More[i] + (lane * size), size, size);
            }
        }
    }

    /// <summary>activemask and other values of the mask of lanes.</summary>
    public static void ActiveMask(Op* op, Warp warp, uint mask)
    {
        for (int part = 0; part < 2; part++)
            Lanes.Store(Vector512.Create(mask), (uint*)(warp.Registers + op->D), part, mask);
    }

    public static void Nothing(Op* op, Warp warp, uint mask)
    {
    }
}
