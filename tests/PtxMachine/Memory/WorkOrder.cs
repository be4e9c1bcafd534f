// Which work of which stream is done before other work begins, and the words that work used without waiting for their last writer.
using System.Runtime.Intrinsics;

namespace PtxMachine.Memory;

/// <summary>
/// The place of a piece of work: its stream, its number there from 1, and how much of each stream's work is done before it, by events and
/// by waits of the host. A stamp has the stream in 8 bits and the number in 24; 0 is none.
/// </summary>
internal sealed class WorkOrder(int stream, uint number, uint[] seen)
{
    public const int MostStreams = 256;
    public const uint MostNumbers = (1 << 24) - 1;

    public uint Stamp { get; } = ((uint)stream << 24) | number;

    /// <summary>Whether the work of a stamp is done when this begins.</summary>
    public bool Follows(uint stamp) => stamp >> 24 == (uint)stream || seen[stamp >> 24] >= (stamp & MostNumbers);

    /// <summary>
    /// Notes the use of words side by side: the last writer is in an entry's lower half, a reader since then in the upper one. Gives the
    /// index of the first word that was used by work which this does not follow, or -1. Of readers of several streams only one is kept,
    /// so a use may be missed, but none is reported wrongly.
    /// </summary>
    public unsafe int Touch(ulong* entries, int words, bool write)
    {
        ulong known = entries[0], next = 0;
        if (!Next(known, write, ref next)) return 0;
        entries[0] = next;
        int i = 1;
        while (i < words)
        {
            Vector256<ulong> four = Vector256.Create(known);
            for (; i <= words - 4 && Vector256.Load(entries + i) == four; i += 4) Vector256.Create(next).Store(entries + i);
            if (i == words) break;
            if (entries[i] != known)
            {
                known = entries[i];
                if (!Next(known, write, ref next)) return i;
            }

            entries[i++] = next;
        }

        return -1;
    }

    /// <summary>A sentence about the use that was not waited for.</summary>
    public string Describe(ulong entry, bool write)
    {
        uint stamp = Follows((uint)entry) ? (uint)(entry >> 32) : (uint)entry;
        return $"missing wait: work {Stamp & MostNumbers} of stream {Stamp >> 24} {(write ? "writes" : "reads")} what work "
            + $"{stamp & MostNumbers} of stream {stamp >> 24} {(stamp == (uint)entry ? "wrote" : "read")}, "
            + "and neither an event nor a wait is between them";
    }

    // The entry after this use; false where it had to wait.
    private bool Next(ulong entry, bool write, ref ulong next)
    {
        uint writer = (uint)entry, reader = (uint)(entry >> 32);
        if (!Follows(writer) || (write && !Follows(reader))) return false;
        if (write) next = Stamp;
        else next = writer | ((ulong)(Follows(reader) ? Stamp : reader) << 32);
        return true;
    }
}
