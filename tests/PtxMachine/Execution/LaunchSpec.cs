// The shape of a launch, and what a run may vary: the order by seed, and the last bits of approximate instructions.
using PtxMachine.Memory;

namespace PtxMachine.Execution;

internal sealed record LaunchSpec
{
    public int GridX { get; init; } = 1;

    public int GridY { get; init; } = 1;

    public int GridZ { get; init; } = 1;

    public int BlockX { get; init; } = 1;

    public int BlockY { get; init; } = 1;

    public int BlockZ { get; init; } = 1;

    /// <summary>Dynamic shared memory in bytes.</summary>
    public int SharedBytes { get; init; }

    /// <summary>The most dynamic shared memory that the function was set to; 48 KB less the static part otherwise.</summary>
    public int SharedLimit { get; init; } = 48 * 1024;

    public ulong Seed { get; init; }

    /// <summary>Units in the last place by which approximate instructions are moved, by seed; 0 for the nearest value.</summary>
    public int ApproximateUnits { get; init; }

    /// <summary>Whether the races of shared memory are looked for.</summary>
    public bool Races { get; init; } = true;

    /// <summary>The launch among the work of all streams; null where only one stream is in use, which needs no waits.</summary>
    public WorkOrder? Order { get; init; }

    /// <summary>Where accesses are counted; null: they are not.</summary>
    public Profile? Profile { get; init; }

    /// <summary>Threads of this process that take blocks; 0 for one a core.</summary>
    public int Workers { get; init; }
}
