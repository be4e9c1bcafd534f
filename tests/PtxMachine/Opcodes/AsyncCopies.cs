// cp.async: a copy is queued where it is issued and done where it is waited for. Until then the target holds NaN and its
// shadow says "pending", so a wait that is missing is seen even where a GPU would have been fast enough.
using System.Numerics;
using PtxMachine.Execution;
using PtxMachine.Memory;

namespace PtxMachine.Opcodes;

/// <summary>The queue of one warp. Groups are counted for each lane, because each thread commits its own.</summary>
internal sealed unsafe class AsyncCopies
{
    private readonly List<Copy> _copies = [];
    private readonly int[] _committed = new int[32];

    private readonly record struct Copy(int Lane, int Group, uint Target, nint Source, int Bytes, int Given);

    public void Clear()
    {
        _copies.Clear();
        Array.Clear(_committed);
    }

    /// <summary>A the source, D the shared target, Size the bytes, B the bytes that are given (the rest are zeros).</summary>
    public static void Issue(Op* op, Warp warp, uint mask)
    {
        int bytes = op->Size;
        byte* r = warp.Registers;
        uint* targets = stackalloc uint[32];
        int* given = stackalloc int[32];
        uint reads = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong target = op->Count == 8 ? ((ulong*)(r + op->D))[lane] : ((uint*)(r + op->D))[lane];
            target += (ulong)op->More[0];
            targets[lane] = (uint)target;
            given[lane] = ((int*)(r + op->B))[lane];
            if ((uint)given[lane] > (uint)bytes)
                throw warp.Fault(op, FaultKind.IllegalAddress, $"cp.async of {bytes} bytes is given {given[lane]}", lane);
            if (given[lane] > 0) reads |= 1u << lane;
            if ((target & ((ulong)bytes - 1)) != 0)
                throw warp.Fault(op, FaultKind.Misaligned, $"misaligned: cp.async of {bytes} bytes to shared offset {(uint)target:N0}", lane);
            if (target >> 32 is not (0 or (DeviceMemory.SharedWindow >> 32)) || (uint)target + (ulong)bytes > (ulong)warp.Block.Shared.Bytes)
                throw warp.Fault(op, FaultKind.IllegalAddress, $"illegal address: cp.async of {bytes} bytes to offset {(uint)target:N0} of {warp.Block.Shared.Bytes:N0} bytes of shared memory", lane);
        }

        Addressing.Compute(op, warp, mask, bytes);
        if (warp.Block.Profile is { } profile)
        {
            ulong* places = stackalloc ulong[32];
            for (int lane = 0; lane < 32; lane++) places[lane] = targets[lane];
            profile.CountGlobal(warp.Addresses, reads, bytes);
            profile.CountShared(places, mask, bytes);
        }

        for (uint rest = reads; rest != 0; rest &= rest - 1)
        {
            // A lane reads only as many bytes as it is given, so only those must be there.
            int lane = BitOperations.TrailingZeroCount(rest);
            GlobalAccess.Scatter(op, warp, 1u << lane, given[lane] == bytes ? bytes : 1, Mode.Read);
        }

        SharedMemory shared = warp.Block.Shared;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            uint target = targets[lane];
            SharedAccess.Touch(op, warp, shared, 0, lane, target, bytes, Mode.Write);
            for (int i = 0; i < bytes >> shared.GranuleShift; i++)
                shared.Shadow[(target >> shared.GranuleShift) + i] |= SharedMemory.Pending;
            new Span<byte>(shared.Host + target, bytes).Fill(0xFF);
            warp.Copies._copies.Add(new Copy(lane, warp.Copies._committed[lane], target, (nint)warp.Addresses[lane], bytes, given[lane]));
        }
    }

    public static void Commit(Op* op, Warp warp, uint mask)
    {
        for (uint rest = mask; rest != 0; rest &= rest - 1) warp.Copies._committed[BitOperations.TrailingZeroCount(rest)]++;
    }

    /// <summary>Immediate is how many of the latest groups may stay; -1 waits for all copies, committed or not.</summary>
    public static void Wait(Op* op, Warp warp, uint mask)
    {
        AsyncCopies queue = warp.Copies;
        SharedMemory shared = warp.Block.Shared;
        int kept = 0;
        for (int i = 0; i < queue._copies.Count; i++)
        {
            Copy copy = queue._copies[i];
            bool done = (mask & (1u << copy.Lane)) != 0
                && (op->Immediate < 0 || copy.Group < queue._committed[copy.Lane] - (int)op->Immediate);
            if (!done)
            {
                queue._copies[kept++] = copy;
                continue;
            }

            Buffer.MemoryCopy((void*)copy.Source, shared.Host + copy.Target, copy.Bytes, copy.Given);
            new Span<byte>(shared.Host + copy.Target + copy.Given, copy.Bytes - copy.Given).Clear();
            uint stamp = (shared.Time << SharedMemory.TimeShift) | (uint)((warp.Index << 7) | (copy.Lane << 2));
            for (int g = 0; g < copy.Bytes >> shared.GranuleShift; g++)
            {
                ref ulong entry = ref shared.Shadow[(copy.Target >> shared.GranuleShift) + g];
                entry = (entry & 0xFFFFFFFF_00000000) | stamp;
            }
        }

        queue._copies.RemoveRange(kept, queue._copies.Count - kept);
    }
}
