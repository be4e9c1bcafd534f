// Races between the blocks of one launch: a word of global memory that one block writes and another touches has no order.
// Atomics are left out, and so are kernels with a fence, which may order blocks by flags. Parts of words are not looked at.
using System.Runtime.Intrinsics;

namespace PtxMachine.Memory;

/// <summary>
/// An entry is one word's latest use: launch 8 bits, block 22, whether several blocks read it, whether it was written.
/// Two threads of this process may miss a race when they meet at one entry, but never report a false one.
/// </summary>
internal static unsafe class BlockRaces
{
    public const long MostBlocks = 1 << 22;
    private const uint Many = 2;
    private const uint Wrote = 1;
    private const uint LaunchMask = 0xFF00_0000;

    /// <summary>Notes the use of words side by side; the index of the first that races, or -1.</summary>
    public static int Touch(uint* entries, int words, uint tag, bool write)
    {
        int i = 0;
        Vector256<uint> own = Vector256.Create(tag), launch = Vector256.Create(tag & LaunchMask);
        Vector256<uint> mine = Vector256.Create(tag | (write ? Wrote : 0));
        for (; i <= words - 8; i += 8)
        {
            Vector256<uint> found = Vector256.Load(entries + i);
            if (found == mine) continue;
            bool fresh = !Vector256.EqualsAny(found & Vector256.Create(LaunchMask), launch);
            bool alone = (found & ~Vector256.Create(Wrote)) == own;
            bool shared = !write && (found & Vector256.Create(LaunchMask | Wrote)) == launch;   // all of it is read by blocks only
            if (fresh) mine.Store(entries + i);
            else if (shared) (found | (~Vector256.Equals(found, own) & Vector256.Create(Many))).Store(entries + i);
            else if (alone) (found | mine).Store(entries + i);
            else
            {
                for (int j = i; j < i + 8; j++)
                    if (!TouchOne(entries + j, tag, write)) return j;
            }
        }

        for (; i < words; i++)
            if (!TouchOne(entries + i, tag, write)) return i;
        return -1;
    }

    /// <summary>The block whose use is in an entry.</summary>
    public static long Block(uint entry) => (entry & ~LaunchMask) >> 2;

    public static bool WasWritten(uint entry) => (entry & Wrote) != 0;

    private static bool TouchOne(uint* entry, uint tag, bool write)
    {
        uint found = *entry;
        if (((found ^ tag) & LaunchMask) != 0)
        {
            *entry = tag | (write ? Wrote : 0);
            return true;
        }

        bool same = ((found ^ tag) & ~(Many | Wrote)) == 0 && (found & Many) == 0;
        if (!same && (write || (found & Wrote) != 0)) return false;
        *entry = found | (write ? Wrote : 0) | (same ? 0 : Many);
        return true;
    }
}
