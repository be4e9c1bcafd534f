// Shared memory: bounds, words that nobody wrote, and races. A race is seen by its order in time, so also where the
// result happened to be right.
using System.Numerics;
using System.Runtime.Intrinsics;
using PtxMachine.Execution;
using PtxMachine.Memory;

namespace PtxMachine.Opcodes;

internal static unsafe class SharedAccess
{
    /// <summary>The addresses (offsets, or generic addresses of the window) become pointers of this process.</summary>
    public static void Run(Op* op, Warp warp, uint mask, int bytes, Mode mode)
    {
        SharedMemory shared = warp.Block.Shared;
        ulong* addresses = warp.Addresses;
        uint barrier = shared.BarrierTime << SharedMemory.TimeShift;
        uint sync = Math.Max(warp.SyncTime, shared.BarrierTime) << SharedMemory.TimeShift;
        uint mine = (shared.Time << SharedMemory.TimeShift) | (uint)(warp.Index << 7);
        int granules = Math.Max(1, bytes >> shared.GranuleShift);
        if (mode == Mode.Read && mask == ~0u && TryBroadcast(warp, shared, bytes, granules, mine, barrier)) return;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            uint offset = (uint)addresses[lane];
            if ((addresses[lane] != offset && addresses[lane] != (DeviceMemory.SharedWindow | offset))
                || (ulong)offset + (ulong)bytes > (ulong)shared.Bytes)
                throw Outside(op, warp, lane, bytes, mode);
            uint now = mine | (uint)(lane << 2);
            ulong* shadow = shared.Shadow + (offset >> shared.GranuleShift);
            int i = 0;
            for (; i < granules; i++)
            {
                // The common case, without a question: the word was written before the barrier, or by this thread.
                uint writer = (uint)shadow[i], reader = (uint)(shadow[i] >> 32);
                if (writer >= barrier && ((writer ^ now) & 0xFFC) != 0) break;
                if (mode == Mode.Read)
                {
                    if (writer == 0 || (writer & SharedMemory.Pending) != 0) break;
                    shadow[i] = writer | ((ulong)Reader(reader, now, now, barrier, sync) << 32);
                }
                else
                {
                    if (mode == Mode.Atomic || (reader >= barrier && ((reader ^ now) & 0xFFF) != 0)) break;
                    shadow[i] = ((ulong)reader << 32) | now;
                }
            }

            if (i < granules) Touch(op, warp, shared, mask, lane, offset, bytes, mode);
            addresses[lane] = (ulong)(shared.Host + offset);
        }
    }

    // All lanes read one place that was written before the barrier: one look at the shadow instead of 32.
    private static bool TryBroadcast(Warp warp, SharedMemory shared, int bytes, int granules, uint mine, uint barrier)
    {
        ulong* addresses = warp.Addresses;
        Vector512<ulong> first = Vector512.Create(addresses[0]);
        for (int i = 0; i < 32; i += 8)
            if (Vector512.Load(addresses + i) != first) return false;
        uint offset = (uint)addresses[0];
        if ((addresses[0] != offset && addresses[0] != (DeviceMemory.SharedWindow | offset))
            || (ulong)offset + (ulong)bytes > (ulong)shared.Bytes) return false;
        ulong* shadow = shared.Shadow + (offset >> shared.GranuleShift);
        for (int i = 0; i < granules; i++)
        {
            uint writer = (uint)shadow[i];
            if (writer == 0 || writer >= barrier || (writer & SharedMemory.Pending) != 0) return false;
        }

        for (int i = 0; i < granules; i++)
        {
            uint reader = (uint)(shadow[i] >> 32), flags = SharedMemory.ManyLanes;
            if (reader >= barrier && (((reader ^ mine) & 0xF80) != 0 || (reader & SharedMemory.ManyWarps) != 0)) flags |= SharedMemory.ManyWarps;
            shadow[i] = (uint)shadow[i] | ((ulong)(mine | flags) << 32);
        }

        Vector512<ulong> pointer = Vector512.Create((ulong)(shared.Host + offset));
        for (int i = 0; i < 32; i += 8) pointer.Store(addresses + i);
        return true;
    }

    /// <summary>Notes an access of one lane and throws where it races with an earlier one.</summary>
    public static void Touch(Op* op, Warp warp, SharedMemory shared, uint mask, int lane, uint offset, int bytes, Mode mode)
    {
        uint me = (uint)((warp.Index << 7) | (lane << 2));
        uint now = (shared.Time << SharedMemory.TimeShift) | me;
        uint barrier = shared.BarrierTime << SharedMemory.TimeShift;
        uint sync = Math.Max(warp.SyncTime, shared.BarrierTime) << SharedMemory.TimeShift;
        ulong* shadow = shared.Shadow + (offset >> shared.GranuleShift);
        int granules = Math.Max(1, bytes >> shared.GranuleShift);
        bool races = warp.Block.Spec.Races;
        for (int i = 0; i < granules; i++)
        {
            ulong entry = shadow[i];
            uint writer = (uint)entry, reader = (uint)(entry >> 32);
            if (mode != Mode.Write)
            {
                if (writer == 0) throw NeverWritten(op, warp, lane, offset, i);
                if ((writer & SharedMemory.Pending) != 0) throw NotWaited(op, warp, lane, offset, i);
            }

            bool excused = mode == Mode.Atomic && (writer & SharedMemory.Atomic) != 0;
            if (races && writer >= barrier && !excused && Conflicts(writer, me, barrier, sync, false)
                && !SameInstruction(op, warp, shared, mask, lane, offset, i, mode))
                throw Race(op, warp, mode == Mode.Read ? "read after write" : "write after write", writer, lane, offset, i);
            if (races && mode != Mode.Read && reader >= barrier && Conflicts(reader, me, barrier, sync, true))
                throw Race(op, warp, "write after read", reader, lane, offset, i);

            if (mode == Mode.Read) shadow[i] = writer | ((ulong)Reader(reader, now, me, barrier, sync) << 32);
            else shadow[i] = ((ulong)reader << 32) | now | (mode == Mode.Atomic ? SharedMemory.Atomic : 0);
        }
    }

    // Another warp since the block's barrier, or another lane of this warp since the warp's.
    private static bool Conflicts(uint entry, uint me, uint barrier, uint sync, bool isReader)
    {
        uint flags = isReader ? entry & 3 : 0;
        if (((entry ^ me) & 0xF80) != 0 || (flags & SharedMemory.ManyWarps) != 0) return entry >= barrier;
        if (((entry ^ me) & 0x7C) != 0 || (flags & SharedMemory.ManyLanes) != 0) return entry >= sync;
        return false;
    }

    private static uint Reader(uint old, uint now, uint me, uint barrier, uint sync)
    {
        if (old < barrier) return now;
        uint flags = old & 3;
        if (((old ^ me) & 0xF80) != 0) flags |= SharedMemory.ManyWarps | SharedMemory.ManyLanes;
        else if (((old ^ me) & 0x7C) != 0) flags = old >= sync ? flags | SharedMemory.ManyLanes : flags & SharedMemory.ManyWarps;
        else if (old < sync) flags &= SharedMemory.ManyWarps;
        return now | flags;
    }

    // Lanes of one instruction that store to the same word are not ordered, but the hardware lets one of them win.
    private static bool SameInstruction(
        Op* op, Warp warp, SharedMemory shared, uint mask, int lane, uint offset, int granule, Mode mode)
    {
        if (mode == Mode.Read) return false;
        byte* at = shared.Host + offset + (granule << shared.GranuleShift);
        uint other = ((uint)shared.Shadow[(offset >> shared.GranuleShift) + granule] >> 2) & 31;
        uint warpOfEntry = ((uint)shared.Shadow[(offset >> shared.GranuleShift) + granule] >> 7) & 31;
        if (warpOfEntry != warp.Index || other >= lane || (mask & (1u << (int)other)) == 0) return false;
        byte* start = (byte*)warp.Addresses[other];
        return at >= start && at < start + (op->Size * Math.Max(op->Count, 1));
    }

    private static PtxFaultException Outside(Op* op, Warp warp, int lane, int bytes, Mode mode) =>
        warp.Fault(op, FaultKind.IllegalAddress, $"illegal address: {(mode == Mode.Read ? "read" : "write")} of {bytes} bytes at "
            + $"offset {warp.Addresses[lane] & 0xFF_FFFF_FFFF:N0} of {warp.Block.Shared.Bytes:N0} bytes of shared memory", lane);

    private static PtxFaultException NeverWritten(Op* op, Warp warp, int lane, uint offset, int granule) =>
        warp.Fault(op, FaultKind.NeverWritten,
            $"read of shared memory that was never written: offset {offset + (granule * warp.Block.Shared.Granule):N0}", lane);

    private static PtxFaultException NotWaited(Op* op, Warp warp, int lane, uint offset, int granule) =>
        warp.Fault(op, FaultKind.Race, "read of a cp.async target without a wait: shared offset "
            + $"{offset + (granule * warp.Block.Shared.Granule):N0}", lane);

    private static PtxFaultException Race(Op* op, Warp warp, string what, uint entry, int lane, uint offset, int granule) =>
        warp.Fault(op, FaultKind.Race, $"race: {what} by warp {(entry >> 7) & 31} lane {(entry >> 2) & 31}, "
            + $"shared offset {offset + (granule * warp.Block.Shared.Granule):N0}", lane);
}
