// Which rows and which outputs make a tile for the pool: sizes that suit the caches, and enough tiles for the threads.
namespace Engine.Cpu.Kernels;

/// <summary>A product cut into strips of rows, blocks of strips and tiles.</summary>
internal readonly struct GemmPlan
{
    // A tile smaller than this costs more to hand to a thread than to compute: about 4 µs at 16 products a cycle.
    private const long SmallestTile = 1 << 18;

    // To read a weight from memory takes as long as to multiply it with about so many rows.
    private const long LeastRows = 8;

    // The last tile of the slowest thread is then at most a quarter of its work.
    private const int TilesPerThread = 4;

    // A block of rows meets 256 outputs before the next tile: its second read of a row from a farther cache is paid
    // for.
    private const int PanelsPerTile = 16;

    // The first strips have a row more than the others.
    private readonly int _rowsOfStrip, _longerStrips;

    public GemmPlan(int rows, int inputs, int outputs, in GemmShape shape, int threads)
    {
        Rows = rows;
        Panels = (outputs + (Lanes - 1)) / Lanes;
        Strips = Divide(rows, shape.Rows);
        if (Strips > 0) (_rowsOfStrip, _longerStrips) = Math.DivRem(rows, Strips);
        RowBlocks = Divide(rows, shape.BlockRows);
        GroupPanels = rows switch
        {
            1 => shape.StreamPanels,
            2 or 3 when rows <= shape.Rows => shape.FewRowsPanels,
            >= 4 and <= 6 when rows <= shape.Rows => shape.SomeRowsPanels,
            _ => shape.Panels,
        };

        int groups = Divide(Panels, GroupPanels);
        long groupWork = Math.Max(1, Math.Max(LeastRows, Divide(rows, RowBlocks)) * inputs * GroupPanels * Lanes);
        long perTile = threads == 1 && Strips == 1 ? groups : Divide(PanelsPerTile, GroupPanels);
        if (threads > 1)
        {
            perTile = Math.Min(perTile, (long)groups * RowBlocks / (TilesPerThread * threads));
            perTile = Math.Max(perTile, (SmallestTile + groupWork - 1) / groupWork);
        }

        GroupsPerTile = (int)Math.Clamp(perTile, 1, Math.Max(groups, 1));
        ColumnBlocks = Divide(groups, GroupsPerTile);
    }

    private static int Lanes => Simd.Lanes.Count;

    /// <summary>Rows of x.</summary>
    public int Rows { get; }

    /// <summary>Panels of sixteen outputs.</summary>
    public int Panels { get; }

    /// <summary>Strips: rows that are side by side in memory and meet a panel together.</summary>
    public int Strips { get; }

    /// <summary>Blocks of strips.</summary>
    public int RowBlocks { get; }

    /// <summary>Panels that a strip meets at once.</summary>
    public int GroupPanels { get; }

    /// <summary>Groups of panels in a tile.</summary>
    public int GroupsPerTile { get; }

    /// <summary>Tiles side by side.</summary>
    public int ColumnBlocks { get; }

    /// <summary>Tiles.</summary>
    public int Tiles => RowBlocks * ColumnBlocks;

    /// <summary>
    /// First row of a strip; of the strip after the last: the number of rows. Strips differ by one row at most.
    /// </summary>
    public int StripStart(int strip) => (strip * _rowsOfStrip) + Math.Min(strip, _longerStrips);

    /// <summary>First strip of a block; of the block after the last: the number of strips.</summary>
    public int BlockStart(int block) => (int)((long)block * Strips / RowBlocks);

    private static int Divide(int count, int size) => (int)(((long)count + size - 1) / size);
}
