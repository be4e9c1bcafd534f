// 32 lanes in lock step. Divergence without control-flow analysis: lanes stand in groups, each with its own counter; the
// group with the lowest counter runs until it meets another, and groups that meet become one.
using System.Runtime.InteropServices;

namespace PtxMachine.Execution;

/// <summary>Why a warp gave back its turn.</summary>
internal enum WarpState { Ready, AtBarrier, Done }

internal sealed unsafe class Warp : IDisposable
{
    private const long EndlessBranches = 1L << 24;

    private readonly int* _counters = (int*)NativeMemory.AlignedAlloc(33 * sizeof(int), 64);
    private readonly uint* _masks = (uint*)NativeMemory.AlignedAlloc(33 * sizeof(uint), 64);
    private int _groups;
    private uint _blocked;
    private long _branches;

    public Warp(Block block, int index)
    {
        (Block, Index) = (block, index);
        Addresses = (ulong*)NativeMemory.AlignedAlloc(32 * sizeof(ulong), 64);
        Registers = (byte*)NativeMemory.AlignedAlloc((nuint)block.Kernel.RegisterBytes, 64);
        new Span<byte>(Registers, block.Kernel.RegisterBytes).Fill(0xCD);
        int local = block.Kernel.LocalBytes * 32;
        if (local > 0) Local = (byte*)NativeMemory.AlignedAlloc((nuint)local, 64);
    }

    public byte* Registers { get; }

    /// <summary>Scratch of the memory opcodes: first addresses, then pointers of this process.</summary>
    public ulong* Addresses { get; }

    /// <summary>Local memory, one lane after another.</summary>
    public byte* Local { get; }

    public Block Block { get; }

    public int Index { get; }

    /// <summary>The lanes that the block has threads for.</summary>
    public uint Lanes { get; set; }

    /// <summary>The lanes that have not exited.</summary>
    public uint Alive { get; private set; }

    public WarpState State { get; set; }

    /// <summary>Time of the last point where the warp's lanes saw each other's shared writes.</summary>
    public uint SyncTime { get; set; }

    /// <summary>Warp instructions run since the launch began.</summary>
    public long Instructions { get; private set; }

    /// <summary>Copies from cp.async that wait for their wait_group.</summary>
    public Opcodes.AsyncCopies Copies { get; } = new();

    public string? BarrierStatement { get; private set; }

    public int BarrierId { get; set; }

    /// <summary>Begins a block: all lanes at the first instruction.</summary>
    public void Start()
    {
        _groups = 1;
        _counters[0] = 0;
        _masks[0] = Lanes;
        Alive = Lanes;
        State = Lanes == 0 ? WarpState.Done : WarpState.Ready;
        _branches = 0;
        _blocked = 0;
        SyncTime = 0;
        Copies.Clear();
    }

    /// <summary>Runs until a barrier that all lanes have reached, or to the end.</summary>
    public void Run()
    {
        State = WarpState.Ready;
        while (State == WarpState.Ready)
        {
            if (_groups == 0)
            {
                State = WarpState.Done;
                return;
            }

            int group = 0;
            int limit = int.MaxValue;
            if (_groups > 1 || _blocked != 0) Choose(out group, out limit);
            RunGroup(group, limit);
        }
    }

    /// <summary>Throws with the place of an instruction.</summary>
    public PtxFaultException Fault(Op* op, FaultKind kind, string message, int lane = -1) =>
        Block.Fault(kind, message, Index, lane, op->Index);

    // The lowest counter among groups that may run, and where it must stop: the next counter that another group has.
    private void Choose(out int group, out int limit)
    {
        Merge();
        group = -1;
        for (int i = 0; i < _groups; i++)
        {
            if ((_blocked & (1u << i)) == 0 && (group < 0 || _counters[i] < _counters[group])) group = i;
        }

        if (group < 0) throw Stuck();
        limit = int.MaxValue;
        for (int i = 0; i < _groups; i++)
        {
            if (_counters[i] > _counters[group] && _counters[i] < limit) limit = _counters[i];
        }
    }

    private void Merge()
    {
        for (int i = 0; i < _groups; i++)
        {
            for (int j = i + 1; j < _groups; j++)
            {
                if (_counters[j] != _counters[i]) continue;
                _masks[i] |= _masks[j];
                RemoveGroup(j);
                _blocked &= ~(1u << i);   // a group that grew may have become complete
                j--;
            }
        }
    }

    private void RemoveGroup(int group)
    {
        int last = --_groups;
        bool lastBlocked = (_blocked & (1u << last)) != 0;
        _counters[group] = _counters[last];
        _masks[group] = _masks[last];
        _blocked &= ~(1u << last);
        if (group == last) return;
        _blocked = lastBlocked ? _blocked | (1u << group) : _blocked & ~(1u << group);
    }

    private PtxFaultException Stuck()
    {
        var places = new List<string>();
        for (int i = 0; i < _groups; i++)
            places.Add($"lanes {_masks[i]:X8} at {Block.Kernel.Statement(Block.Kernel.Ops[_counters[i]].Index)}");
        Op* op = Block.Kernel.Ops + _counters[0];
        bool barrier = false;
        for (int i = 0; i < _groups; i++) barrier |= Block.Kernel.Ops[_counters[i]].Flow == Flow.Barrier;
        return Fault(op, barrier ? FaultKind.Barrier : FaultKind.Deadlock,
            (barrier ? "a barrier is reached by a part of the warp only" : "deadlock: lanes wait for lanes that never come")
            + $"; alive are {Alive:X8}; {string.Join("; ", places)}");
    }

    private void RunGroup(int group, int limit)
    {
        Op* ops = Block.Kernel.Ops;
        byte* registers = Registers;
        int counter = _counters[group];
        uint mask = _masks[group];
        long steps = 0;
        do
        {
            Op* op = ops + counter;
            uint active = mask & (*(uint*)(registers + op->Guard) ^ op->GuardFlip);
            steps++;
            if (op->Flow == Flow.Plain)
            {
                if (active != 0) op->Run(op, this, active);
                counter++;
                continue;
            }

            if (op->Flow == Flow.Branch)
            {
                if (active == 0)
                {
                    counter++;
                    continue;
                }

                if (op->Immediate <= counter && ++_branches > EndlessBranches)
                    throw Fault(op, FaultKind.Endless, $"no end after {EndlessBranches:N0} backward branches");
                if (active == mask)
                {
                    counter = (int)op->Immediate;
                    if (_groups == 1 && _blocked == 0) continue;
                    break;
                }

                _counters[_groups] = (int)op->Immediate;
                _masks[_groups++] = active;
                mask &= ~active;
                counter++;
                break;
            }

            if (!RunSpecial(op, group, active, ref counter, ref mask)) break;
        }
        while (counter < limit);

        Instructions += steps;
        if (mask == 0)
        {
            RemoveGroup(group);
            return;
        }

        _counters[group] = counter;
        _masks[group] = mask;
    }

    // True where the group may go on at once.
    private bool RunSpecial(Op* op, int group, uint active, ref int counter, ref uint mask)
    {
        switch (op->Flow)
        {
            case Flow.Exit:
                Alive &= ~active;
                mask &= ~active;
                if (mask != 0) counter++;
                _blocked = 0;   // lanes that waited for the exited ones may be complete now
                return mask != 0 && active == 0;
            case Flow.Trap:
                if (active != 0) throw Fault(op, FaultKind.Trap, "trap", System.Numerics.BitOperations.TrailingZeroCount(active));
                counter++;
                return true;
            case Flow.Barrier:
                if (active != mask && active != 0)
                    throw Fault(op, FaultKind.Barrier, $"the barrier's guard lets only lanes {active:X8} of {mask:X8} in");
                if (active == 0)
                {
                    counter++;
                    return true;
                }

                if (active != Alive || Alive != Lanes)
                {
                    if (Alive != Lanes)
                        throw Fault(op, FaultKind.Barrier, $"a barrier after lanes {Lanes & ~Alive:X8} have exited");
                    _blocked |= 1u << group;
                    return false;
                }

                counter++;
                BarrierStatement = Block.Kernel.Statement(op->Index);
                op->Run(op, this, active);
                State = WarpState.AtBarrier;
                return false;
            default:
                if (active == 0)
                {
                    counter++;
                    return true;
                }

                uint named = op->Flow == Flow.Converge ? Members(op, active) : Alive;
                if ((named & Alive & ~active) != 0)
                {
                    if (active != mask) throw Fault(op, FaultKind.Convergence, $"lanes {named & Alive & ~active:X8} are named but the guard keeps them out");
                    _blocked |= 1u << group;
                    return false;
                }

                op->Run(op, this, active);
                counter++;
                return true;
        }
    }

    // The member mask of a warp-wide instruction; the same in all lanes, and naming each of them.
    private uint Members(Op* op, uint active)
    {
        uint* masks = (uint*)(Registers + op->C);
        int first = System.Numerics.BitOperations.TrailingZeroCount(active);
        uint members = masks[first];
        for (uint rest = active; rest != 0; rest &= rest - 1)
        {
            int lane = System.Numerics.BitOperations.TrailingZeroCount(rest);
            if (masks[lane] != members)
                throw Fault(op, FaultKind.Convergence, $"the member mask is {masks[lane]:X8} here and {members:X8} in lane {first}", lane);
        }

        if ((active & ~members) != 0)
            throw Fault(op, FaultKind.Convergence, $"lanes {active & ~members:X8} are here but the member mask {members:X8} does not name them");
        return members;
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_counters);
        NativeMemory.AlignedFree(_masks);
        NativeMemory.AlignedFree(Addresses);
        NativeMemory.AlignedFree(Registers);
        if (Local != null) NativeMemory.AlignedFree(Local);
    }
}
