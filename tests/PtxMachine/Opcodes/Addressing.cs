// Addresses of a warp's access: computed for all lanes, checked for alignment, then handed to the space they lie in.
using System.Numerics;
using System.Runtime.Intrinsics;
using PtxMachine.Execution;

namespace PtxMachine.Opcodes;

internal enum Mode { Read, Write, Atomic }

internal static unsafe class Addressing
{
    /// <summary>
    /// Fills the warp's addresses; true where the lanes are all there and lie side by side, <paramref name="bytes"/> apart.
    /// </summary>
    public static bool Compute(Op* op, Warp warp, uint mask, int bytes)
    {
        ulong* addresses = warp.Addresses;
        Vector512<ulong> offset = Vector512.Create((ulong)op->Immediate);
        if (op->Wide)
        {
            ulong* source = (ulong*)(warp.Registers + op->A);
            for (int i = 0; i < 4; i++) (Vector512.Load(source + (8 * i)) + offset).Store(addresses + (8 * i));
        }
        else
        {
            uint* source = (uint*)(warp.Registers + op->A);
            for (int lane = 0; lane < 32; lane++) addresses[lane] = (uint)(source[lane] + (uint)op->Immediate);
        }

        if (mask == ~0u)
        {
            Vector512<ulong> expected = Vector512.Create(addresses[0])
                + (Vector512.Create(0ul, 1, 2, 3, 4, 5, 6, 7) * Vector512.Create((ulong)bytes));
            Vector512<ulong> step = Vector512.Create(8 * (ulong)bytes);
            Vector512<ulong> differ = Vector512<ulong>.Zero;
            for (int i = 0; i < 4; i++)
            {
                differ |= Vector512.Load(addresses + (8 * i)) ^ expected;
                expected += step;
            }

            if (differ == Vector512<ulong>.Zero)
            {
                if ((addresses[0] & ((ulong)bytes - 1)) != 0) throw Misaligned(op, warp, 0, bytes);
                return true;
            }
        }

        ulong low = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1) low |= addresses[BitOperations.TrailingZeroCount(rest)];
        if ((low & ((ulong)bytes - 1)) != 0)
        {
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                if ((addresses[lane] & ((ulong)bytes - 1)) != 0) throw Misaligned(op, warp, lane, bytes);
            }
        }

        return false;
    }

    /// <summary>The lanes whose generic address lies in a window.</summary>
    public static uint InWindow(Warp warp, uint mask, ulong window)
    {
        uint result = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if (warp.Addresses[lane] >> 40 == window >> 40) result |= 1u << lane;
        }

        return result;
    }

    private static PtxFaultException Misaligned(Op* op, Warp warp, int lane, int bytes)
    {
        ulong address = warp.Addresses[lane];
        string where = address >= 0x7000_0000_0000 ? warp.Block.Memory.Describe(address) : $"address 0x{address:X}";
        return warp.Fault(op, FaultKind.Misaligned, $"misaligned: an access of {bytes} bytes at {where}", lane);
    }
}
