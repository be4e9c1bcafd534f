// One allocation of the device: its bytes, and a shadow that knows which of them were ever written.
using System.Runtime.InteropServices;

namespace PtxMachine.Memory;

/// <summary>
/// The shadow has one byte for four bytes of memory, a bit for each: whole words are marked by plain stores, parts of
/// words by locked ones, so that two blocks that share a word do not lose marks.
/// </summary>
internal sealed unsafe class Allocation
{
    private Allocation(ulong start, ulong size, int number, string what)
    {
        (Start, Size, Number, What) = (start, size, number, what);
        Host = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(size, 1) + 64, 256);
        Written = (byte*)NativeMemory.AllocZeroed((nuint)(size / 4) + 64);
    }

    /// <summary>The device's address of the first byte.</summary>
    public ulong Start { get; }

    public ulong Size { get; }

    /// <summary>The n-th allocation of the process, from 1.</summary>
    public int Number { get; }

    public string What { get; }

    /// <summary>The first byte in this process; null once freed.</summary>
    public byte* Host { get; private set; }

    public byte* Written { get; private set; }

    /// <summary>Which block used each word last, in the latest launch that looked for races; null until one did.</summary>
    public uint* Touched { get; private set; }

    /// <summary>Which work of which stream wrote and read each word last; null until streams were watched.</summary>
    public ulong* Uses { get; private set; }

    public bool IsAlive => Host != null;

    public static Allocation Create(ulong start, ulong size, int number, string what) => new(start, size, number, what);

    public void MarkWritten(ulong offset, ulong count)
    {
        ulong end = offset + count;
        for (; offset < end && (offset & 3) != 0; offset++) MarkByte(offset);
        ulong words = (end - offset) / 4;
        new Span<byte>(Written + (offset / 4), checked((int)words)).Fill(15);
        for (offset += words * 4; offset < end; offset++) MarkByte(offset);
    }

    /// <summary>Forgets what was written: the memory is as good as new.</summary>
    public void Forget(ulong offset, ulong count)
    {
        for (ulong i = offset; i < offset + count; i++)
        {
            if ((i & 3) == 0 && i + 4 <= offset + count)
            {
                Written[i / 4] = 0;
                i += 3;
            }
            else
            {
                Written[i / 4] &= (byte)~(1 << (int)(i & 3));
            }
        }
    }

    /// <summary>The first byte of a range that was never written, or -1.</summary>
    public long FirstUnwritten(ulong offset, ulong count)
    {
        ulong end = offset + count;
        for (ulong i = offset; i < end;)
        {
            if ((i & 3) == 0 && end - i >= 4 && Written[i / 4] == 15)
            {
                ulong words = (end - i) / 4;
                int run = new ReadOnlySpan<byte>(Written + (i / 4), checked((int)words)).IndexOfAnyExcept((byte)15);
                i += 4 * (run < 0 ? words : (ulong)run);
                continue;
            }

            if ((Written[i / 4] & (1 << (int)(i & 3))) == 0) return (long)i;
            i++;
        }

        return -1;
    }

    /// <summary>Notes the use of a range by work of a stream; a sentence where it should have waited, or null.</summary>
    public string? Use(WorkOrder order, ulong offset, ulong bytes, bool write)
    {
        if (bytes == 0) return null;
        int words = checked((int)(((offset + bytes + 3) / 4) - (offset / 4)));
        int bad = order.Touch(UseTable() + (offset / 4), words, write);
        if (bad < 0) return null;
        ulong word = (offset / 4) + (ulong)bad;
        return $"{order.Describe(Uses[word], write)}: offset {word * 4:N0} of {this}";
    }

    /// <summary>Makes the table of streams' uses, once.</summary>
    public ulong* UseTable()
    {
        if (Uses != null) return Uses;
        lock (this)
        {
            if (Uses == null) Uses = (ulong*)NativeMemory.AllocZeroed((nuint)((Size / 4) + 16), sizeof(ulong));
            return Uses;
        }
    }

    /// <summary>Makes the table of uses, once.</summary>
    public uint* TouchTable()
    {
        if (Touched != null) return Touched;
        lock (this)
        {
            if (Touched == null) Touched = (uint*)NativeMemory.AllocZeroed((nuint)((Size / 4) + 16), sizeof(uint));
            return Touched;
        }
    }

    public void ClearTouches()
    {
        if (Touched != null) NativeMemory.Clear(Touched, (nuint)((Size / 4) + 16) * sizeof(uint));
    }

    public void Free()
    {
        NativeMemory.Free(Touched);
        NativeMemory.Free(Uses);
        Touched = null;
        Uses = null;
        NativeMemory.AlignedFree(Host);
        NativeMemory.Free(Written);
        Host = null;
        Written = null;
    }

    public override string ToString() => $"{What} {Number} of {Size:N0} bytes at 0x{Start:X}";

    // A byte of the shadow is in an aligned word that other threads may mark at the same time.
    private void MarkByte(ulong offset)
    {
        byte* shadow = Written + (offset / 4);
        byte bit = (byte)(1 << (int)(offset & 3));
        if ((*shadow & bit) != 0) return;
        uint* word = (uint*)((nuint)shadow & ~(nuint)3);
        int shift = 8 * (int)((nuint)shadow & 3);
        Interlocked.Or(ref *word, (uint)bit << shift);
    }
}
