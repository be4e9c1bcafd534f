// The device's global memory: addresses are given once and never again, so that freed memory stays dead and a stale
// pointer is always seen. They are not addresses of this process: a host that follows one fails at once.
namespace PtxMachine.Memory;

internal sealed class DeviceMemory
{
    /// <summary>Where shared memory lies among generic addresses; the low half is the offset.</summary>
    public const ulong SharedWindow = 0x0100_0000_0000;

    /// <summary>Where local memory lies among generic addresses.</summary>
    public const ulong LocalWindow = 0x0200_0000_0000;

    private const ulong First = 0x7000_0000_0000;
    private const ulong DeadZone = 4096;

    private readonly List<Allocation> _all = [];
    private ulong _next = First;
    private uint _launch;

    /// <summary>Bytes that all allocations together may have.</summary>
    public ulong Capacity { get; set; } = 8UL << 30;

    public ulong Used { get; private set; }

    public int AliveCount { get; private set; }

    public int Count => _all.Count;

    public IEnumerable<Allocation> Alive => _all.Where(a => a.IsAlive);

    /// <summary>The number of a launch among the uses of words: 1 to 255, after which all of them are forgotten.</summary>
    public uint NextLaunch()
    {
        if (++_launch < 256) return _launch;
        foreach (Allocation allocation in Alive) allocation.ClearTouches();
        return _launch = 1;
    }

    /// <summary>Allocates, or gives null where the device has not so much left.</summary>
    public Allocation? TryAllocate(ulong size, string what = "allocation")
    {
        if (size > Capacity - Used) return null;
        var allocation = Allocation.Create(_next, size, _all.Count + 1, what);
        _next += ((size + 511) & ~511UL) + DeadZone;
        _all.Add(allocation);
        Used += size;
        AliveCount++;
        return allocation;
    }

    public Allocation Allocate(ulong size, string what = "allocation") =>
        TryAllocate(size, what) ?? throw new InvalidOperationException($"The device has no {size:N0} bytes left.");

    public void Free(Allocation allocation)
    {
        allocation.Free();
        Used -= allocation.Size;
        AliveCount--;
    }

    /// <summary>The allocation, alive or dead, that has this address; null where there never was one.</summary>
    public Allocation? Find(ulong address)
    {
        Allocation? below = Below(address);
        return below != null && address - below.Start < Math.Max(below.Size, 1) ? below : null;
    }

    /// <summary>A sentence about an address that may not be used.</summary>
    public string Describe(ulong address)
    {
        Allocation? below = Below(address);
        if (below == null) return $"address 0x{address:X} is in no allocation";
        ulong offset = address - below.Start;
        if (offset < below.Size)
            return below.IsAlive ? $"offset {offset:N0} of {below}" : $"use after free: offset {offset:N0} of freed {below}";
        return $"address 0x{address:X} is {offset - below.Size:N0} bytes past the end of {(below.IsAlive ? "" : "freed ")}{below}";
    }

    private Allocation? Below(ulong address)
    {
        int low = 0, high = _all.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_all[middle].Start <= address) low = middle + 1;
            else high = middle;
        }

        return low == 0 ? null : _all[low - 1];
    }
}
