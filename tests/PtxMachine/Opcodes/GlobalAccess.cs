// Global memory: each access must lie in a live allocation, and what is read must have been written. The lowest and the
// highest address are held against the allocation that the instruction hit last; only a miss searches the table.
using System.Numerics;
using PtxMachine.Execution;
using PtxMachine.Memory;

namespace PtxMachine.Opcodes;

internal static unsafe class GlobalAccess
{
    /// <summary>Lanes side by side: a pointer to the first, or null where the range leaves an allocation.</summary>
    public static byte* Run(Op* op, Warp warp, int bytes, Mode mode)
    {
        ulong first = warp.Addresses[0];
        ulong length = (ulong)bytes * 32;
        Allocation? allocation = warp.Block.Sites[op->Site];
        if (allocation == null || !Holds(allocation, first, length))
        {
            allocation = warp.Block.Memory.Find(first);
            if (allocation == null || !Holds(allocation, first, length)) return null;
            warp.Block.Sites[op->Site] = allocation;
        }

        ulong offset = first - allocation.Start;
        if (mode == Mode.Write)
        {
            if (bytes >= 4) new Span<byte>(allocation.Written + (offset / 4), 8 * bytes).Fill(15);
            else allocation.MarkWritten(offset, length);
        }
        else if (bytes >= 4
            ? new ReadOnlySpan<byte>(allocation.Written + (offset / 4), 8 * bytes).ContainsAnyExcept((byte)15)
            : allocation.FirstUnwritten(offset, length) >= 0)
        {
            ulong bad = (ulong)allocation.FirstUnwritten(offset, length);
            throw NeverWritten(op, warp, allocation, bad, (int)((bad - offset) / (ulong)bytes));
        }

        if (bytes >= 4 && warp.Block.Tag != 0 && mode != Mode.Atomic)
        {
            int bad = BlockRaces.Touch(allocation.TouchTable() + (offset / 4), 8 * bytes, warp.Block.Tag, mode == Mode.Write);
            if (bad >= 0) throw Race(op, warp, allocation, (offset / 4) + (ulong)bad, mode, bad * 4 / bytes);
        }

        if (warp.Block.Order is { } order && allocation.Use(order, offset, length, mode != Mode.Read) is { } missing)
            throw warp.Fault(op, FaultKind.Order, missing);
        return allocation.Host + offset;
    }

    /// <summary>Any lanes: their addresses become pointers of this process.</summary>
    public static void Scatter(Op* op, Warp warp, uint mask, int bytes, Mode mode)
    {
        ulong* addresses = warp.Addresses;
        Allocation? allocation = warp.Block.Sites[op->Site];
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong address = addresses[lane];
            if (allocation == null || !Holds(allocation, address, (ulong)bytes))
            {
                allocation = warp.Block.Memory.Find(address);
                if (allocation == null || !Holds(allocation, address, (ulong)bytes)) throw Illegal(op, warp, lane, bytes, mode);
                warp.Block.Sites[op->Site] = allocation;
            }

            ulong offset = address - allocation.Start;
            byte* written = allocation.Written + (offset / 4);
            if (mode == Mode.Write)
            {
                switch (bytes)
                {
                    case 4: *written = 15; break;
                    case 8: *(ushort*)written = 0x0F0F; break;
                    case 16: *(uint*)written = 0x0F0F0F0F; break;
                    default: allocation.MarkWritten(offset, (ulong)bytes); break;
                }
            }
            else
            {
                bool good = bytes switch
                {
                    1 => (*written & (1 << (int)(offset & 3))) != 0,
                    2 => ((*written >> (int)(offset & 3)) & 3) == 3,
                    4 => *written == 15,
                    8 => *(ushort*)written == 0x0F0F,
                    _ => *(uint*)written == 0x0F0F0F0F,
                };
                if (!good) throw NeverWritten(op, warp, allocation, (ulong)allocation.FirstUnwritten(offset, (ulong)bytes), lane);
            }

            if (bytes >= 4 && warp.Block.Tag != 0 && mode != Mode.Atomic)
            {
                int bad = BlockRaces.Touch(allocation.TouchTable() + (offset / 4), bytes / 4, warp.Block.Tag, mode == Mode.Write);
                if (bad >= 0) throw Race(op, warp, allocation, (offset / 4) + (ulong)bad, mode, lane);
            }

            if (warp.Block.Order is { } order && allocation.Use(order, offset, (ulong)bytes, mode != Mode.Read) is { } missing)
                throw warp.Fault(op, FaultKind.Order, missing, lane);

            addresses[lane] = (ulong)(allocation.Host + offset);
        }
    }

    public static bool Holds(Allocation allocation, ulong address, ulong length) =>
        address - allocation.Start < allocation.Size && allocation.Size - (address - allocation.Start) >= length && allocation.IsAlive;

    public static PtxFaultException Illegal(Op* op, Warp warp, int lane, int bytes, Mode mode)
    {
        string verb = mode switch { Mode.Read => "read", Mode.Write => "write", _ => "atomic operation" };
        ulong address = warp.Addresses[lane];
        return warp.Fault(op, FaultKind.IllegalAddress,
            $"illegal address: {verb} of {bytes} bytes at {warp.Block.Memory.Describe(address)}", lane);
    }

    private static PtxFaultException Race(Op* op, Warp warp, Allocation allocation, ulong word, Mode mode, int lane)
    {
        uint entry = allocation.Touched[word];
        return warp.Fault(op, FaultKind.Race, $"race between blocks: {(mode == Mode.Read ? "read" : "write")} of what block number "
            + $"{BlockRaces.Block(entry)} {(BlockRaces.WasWritten(entry) ? "wrote" : "read")} in the same launch: offset {word * 4:N0} of {allocation}", lane);
    }

    private static PtxFaultException NeverWritten(Op* op, Warp warp, Allocation allocation, ulong offset, int lane) =>
        warp.Fault(op, FaultKind.NeverWritten, $"read of memory that was never written: offset {offset:N0} of {allocation}", lane);
}
