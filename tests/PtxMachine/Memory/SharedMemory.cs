// A block's shared memory with a shadow that sees races: who wrote and who read each granule last, and when.
using System.Runtime.InteropServices;

namespace PtxMachine.Memory;

/// <summary>
/// Time counts barriers and warp barriers of the block. Two accesses by different warps race if no block barrier lies
/// between them, two by different lanes of a warp if no warp barrier does; lanes are not in step on real hardware.
/// An entry has 32 bits for the writer (below) and 32 for the reader: time 20, warp 5, lane 5, flags 2.
/// </summary>
internal sealed unsafe class SharedMemory : IDisposable
{
    public const uint ManyLanes = 1;
    public const uint ManyWarps = 2;
    public const uint Pending = 1;
    public const uint Atomic = 2;
    public const uint TimeMask = 0xFFFFF000;
    public const int TimeShift = 12;

    public SharedMemory(int bytes, int granule)
    {
        (Bytes, Granule) = (bytes, granule);
        GranuleShift = System.Numerics.BitOperations.Log2((uint)granule);
        Host = (byte*)NativeMemory.AlignedAlloc((nuint)bytes + 64, 64);
        Shadow = (ulong*)NativeMemory.AlignedAlloc((nuint)((bytes / granule) + 8) * sizeof(ulong), 64);
    }

    public int Bytes { get; }

    public int Granule { get; }

    public int GranuleShift { get; }

    public byte* Host { get; }

    public ulong* Shadow { get; }

    /// <summary>Now; one is before the first access, so zero is "never".</summary>
    public uint Time { get; private set; } = 1;

    /// <summary>Time of the last barrier of the block.</summary>
    public uint BarrierTime { get; private set; } = 1;

    public void Start()
    {
        new Span<byte>(Host, Bytes).Fill(0xFF);
        new Span<ulong>(Shadow, (Bytes / Granule) + 8).Clear();
        (Time, BarrierTime) = (1, 1);
    }

    /// <summary>A warp barrier: a new time, which the warp remembers.</summary>
    public uint Tick()
    {
        if (Time < (1 << 20) - 2) Time++;
        return Time;
    }

    /// <summary>A barrier of the block: whatever was done before is done for all.</summary>
    public void Barrier()
    {
        if (Time > (1 << 20) - 1000)
        {
            Restart();
            return;
        }

        BarrierTime = ++Time;
    }

    // The clock is full: what was written stays written, at a time before all others.
    private void Restart()
    {
        var entries = new Span<ulong>(Shadow, (Bytes / Granule) + 8);
        foreach (ref ulong entry in entries) entry = (uint)entry == 0 ? 0 : (1UL << TimeShift) | (entry & Pending);
        (Time, BarrierTime) = (2, 2);
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(Host);
        NativeMemory.AlignedFree(Shadow);
    }
}
