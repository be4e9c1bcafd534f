// How a kernel moves data: what a GPU's counters would say of its accesses, which depends on addresses alone. A sector is 32 bytes of
// global memory; a wavefront serves each bank of shared memory, 4 bytes wide, once.
using System.Numerics;
using PtxMachine.Memory;

namespace PtxMachine.Execution;

/// <summary>
/// Counters of one kernel. Sectors are those that the lanes of one instruction touch, each counted once. Wide accesses to shared memory
/// are served half a warp (8 bytes) or a quarter (16 bytes) at a time, which is no conflict; what more it takes is. What caches do is
/// not known here.
/// </summary>
internal sealed unsafe class Profile
{
    private const int Banks = 32, Lanes = 32, SectorShift = 5;

    public long Launches { get; set; }

    /// <summary>Instructions of warps.</summary>
    public long Instructions { get; set; }

    /// <summary>Instructions of warps that load, store or change global memory.</summary>
    public long GlobalAccesses { get; private set; }

    /// <summary>Bytes that their lanes ask for, all together.</summary>
    public long GlobalBytes { get; private set; }

    public long Sectors { get; private set; }

    /// <summary>Sectors that the different bytes among those would fill if they lay side by side.</summary>
    public long IdealSectors { get; private set; }

    /// <summary>Instructions of warps that load, store or change shared memory.</summary>
    public long SharedAccesses { get; private set; }

    /// <summary>Wavefronts beyond those that the width of an access needs.</summary>
    public long BankConflicts { get; private set; }

    public void Add(Profile other)
    {
        Launches += other.Launches;
        Instructions += other.Instructions;
        GlobalAccesses += other.GlobalAccesses;
        GlobalBytes += other.GlobalBytes;
        Sectors += other.Sectors;
        IdealSectors += other.IdealSectors;
        SharedAccesses += other.SharedAccesses;
        BankConflicts += other.BankConflicts;
    }

    /// <summary>An access of aligned elements, of 1 to 16 bytes, at the addresses of the lanes of a mask.</summary>
    public void CountGlobal(ulong* addresses, uint mask, int bytes)
    {
        if (mask == 0) return;
        ulong* own = stackalloc ulong[Lanes];
        int count = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1) own[count++] = addresses[BitOperations.TrailingZeroCount(rest)];
        new Span<ulong>(own, count).Sort();
        int sectors = 1, different = 1;
        for (int i = 1; i < count; i++)
        {
            if (own[i] != own[i - 1]) different++;
            if (own[i] >> SectorShift != own[i - 1] >> SectorShift) sectors++;
        }

        GlobalAccesses++;
        GlobalBytes += (long)count * bytes;
        Sectors += sectors;
        IdealSectors += ((different * bytes) + (1 << SectorShift) - 1) >> SectorShift;
    }

    public void CountShared(ulong* addresses, uint mask, int bytes)
    {
        if (mask == 0) return;
        SharedAccesses++;
        int together = bytes <= 4 ? Lanes : Lanes * 4 / bytes, words = Math.Max(1, bytes / 4);
        uint part = together == Lanes ? ~0u : (1u << together) - 1;
        for (int first = 0; first < Lanes; first += together)
        {
            int fronts = Wavefronts(addresses, mask & (part << first), words);
            if (fronts > 1) BankConflicts += fronts - 1;
        }
    }

    /// <summary>An access by generic addresses: each lane's to the memory that it lies in.</summary>
    public void CountGeneric(ulong* addresses, uint mask, int bytes)
    {
        uint shared = 0, local = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if (addresses[lane] >> 40 == DeviceMemory.SharedWindow >> 40) shared |= 1u << lane;
            else if (addresses[lane] >> 40 == DeviceMemory.LocalWindow >> 40) local |= 1u << lane;
        }

        CountGlobal(addresses, mask & ~shared & ~local, bytes);
        CountShared(addresses, shared, bytes);
    }

    // How often the busiest bank is asked for a different word.
    private static int Wavefronts(ulong* addresses, uint mask, int words)
    {
        int* counts = stackalloc int[Banks];
        new Span<int>(counts, Banks).Clear();
        uint* found = stackalloc uint[Banks * Lanes];
        int most = 0;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            uint first = (uint)addresses[BitOperations.TrailingZeroCount(rest)] >> 2;
            for (uint word = first; word < first + (uint)words; word++)
            {
                int bank = (int)(word % Banks);
                var known = new Span<uint>(found + (bank * Lanes), counts[bank]);
                if (known.Contains(word)) continue;
                found[(bank * Lanes) + counts[bank]++] = word;
                most = Math.Max(most, counts[bank]);
            }
        }

        return most;
    }
}
