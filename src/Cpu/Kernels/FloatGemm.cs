// x Wᵀ with float weights: the loops around the tiles. Rows are first laid side by side in strips, so that a tile reads
// them in one stream; panels of weights were packed when the model was loaded.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>One product, cut in tiles for the pool.</summary>
internal unsafe struct FloatGemm<TElement> : IJob where TElement : unmanaged, IElement
{
    public Rung Rung;
    public GemmShape Shape;
    public GemmPlan Plan;
    public Epilogue Epilogue;
    public int Inputs;
    public int Outputs;

    /// <summary>Whether the product is added to the outputs that are there; for more than three rows.</summary>
    public bool Adds;

    /// <summary>Strips, one after the other; strip by strip number k of row r is at k · rows + r.</summary>
    public float* X;

    /// <summary>The packed weight.</summary>
    public byte* W;

    /// <summary>The first output.</summary>
    public float* Y;

    /// <summary>From a row of outputs to the next.</summary>
    public nint Stride;

    public void Execute(int tile, int worker)
    {
        fixed (FloatGemm<TElement>* self = &this)
            Ladder.Run(Rung, new FloatGemmTile<TElement> { Job = self, Tile = tile });
    }
}

/// <summary>One tile of a product.</summary>
internal unsafe struct FloatGemmTile<TElement> : IKernel where TElement : unmanaged, IElement
{
    // The largest group that goes by way of scratch memory: 12 rows of 2 panels, or one of 8, or 3 of 4.
    private const int ScratchFloats = 12 * 2 * Lanes.Count;

    public FloatGemm<TElement>* Job;
    public int Tile;

    private readonly nint PanelBytes => (nint)Job->Inputs * Lanes.Count * TElement.Bytes;

    public readonly void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd>
    {
        ref readonly GemmPlan plan = ref Job->Plan;
        int block = Tile % plan.RowBlocks, firstGroup = Tile / plan.RowBlocks * plan.GroupsPerTile;
        int firstStrip = plan.BlockStart(block), endStrip = plan.BlockStart(block + 1);
        int firstPanel = firstGroup * plan.GroupPanels;
        int endPanel = Math.Min(firstPanel + (plan.GroupsPerTile * plan.GroupPanels), plan.Panels);
        int firstRow = plan.StripStart(firstStrip), rows = plan.StripStart(endStrip) - firstRow;

        // Blocks over k pay when several strips meet a panel: it is then in the first-level cache for all but the
        // first.
        int depth = endStrip - firstStrip == 1 ? Job->Inputs : Job->Shape.Depth;
        int k = 0;
        do
        {
            int count = Math.Min(depth, Job->Inputs - k);
            bool isLast = k + count == Job->Inputs;
            for (int panel = firstPanel, panels; panel < endPanel; panel += panels)
            {
                panels = Math.Min(plan.GroupPanels, endPanel - panel);
                while (!int.IsPow2(panels)) panels &= panels - 1;
                for (int strip = firstStrip; strip < endStrip; strip++) Multiply<TSimd>(strip, panel, panels, k, count);
                if (isLast)
                {
                    int column = panel * Lanes.Count, columns = Math.Min(panels * Lanes.Count, Job->Outputs - column);
                    float* y = Job->Y + (firstRow * Job->Stride);
                    Job->Epilogue.Run<TSimd>(y, Job->Stride, firstRow, rows, column, columns);
                }
            }

            k += count;
        }
        while (k < Job->Inputs);
    }

    private readonly void Multiply<TSimd>(int strip, int panel, int panels, int k, int count)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        int row = Job->Plan.StripStart(strip), rows = Job->Plan.StripStart(strip + 1) - row;
        float* x = Job->X + ((nint)row * Job->Inputs) + ((nint)k * rows);
        byte* w = Job->W + (panel * PanelBytes) + ((nint)k * Lanes.Count * TElement.Bytes);
        float* y = Job->Y + (row * Job->Stride) + (panel * Lanes.Count);
        int width = panels * Lanes.Count, columns = Math.Min(width, Job->Outputs - (panel * Lanes.Count));
        bool resumes = k > 0 || Job->Adds;
        if (columns == width)
        {
            Multiply<TSimd>(rows, panels, x, w, count, y, Job->Stride, resumes);
            return;
        }

        // The last panel is not full: whole vectors would be written beyond the row, so the tile goes by way of scratch
        // memory.
        float* scratch = stackalloc float[ScratchFloats];
        if (resumes)
        {
            for (int r = 0; r < rows; r++)
            {
                for (int c = 0; c < columns; c++) scratch[(r * width) + c] = y[(r * Job->Stride) + c];
            }
        }

        Multiply<TSimd>(rows, panels, x, w, count, scratch, width, resumes);
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++) y[(r * Job->Stride) + c] = scratch[(r * width) + c];
        }
    }

    private readonly void Multiply<TSimd>(
        int rows, int panels, float* x, byte* w, int count, float* y, nint stride, bool resume)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        nint bytes = PanelBytes;
        bool isStream = Job->Plan.Rows <= 3;
        switch (rows, panels)
        {
            case (1, 8): GemmTile.Stream<TSimd, TElement, Count1, Count8>(x, w, bytes, count, y, stride); break;
            case (1, 4): GemmTile.Stream<TSimd, TElement, Count1, Count4>(x, w, bytes, count, y, stride); break;
            case (2, 4): GemmTile.Stream<TSimd, TElement, Count2, Count4>(x, w, bytes, count, y, stride); break;
            case (3, 4): GemmTile.Stream<TSimd, TElement, Count3, Count4>(x, w, bytes, count, y, stride); break;
            case (1, 2) when isStream:
                GemmTile.Stream<TSimd, TElement, Count1, Count2>(x, w, bytes, count, y, stride);
                break;
            case (2, 2) when isStream:
                GemmTile.Stream<TSimd, TElement, Count2, Count2>(x, w, bytes, count, y, stride);
                break;
            case (3, 2) when isStream:
                GemmTile.Stream<TSimd, TElement, Count3, Count2>(x, w, bytes, count, y, stride);
                break;
            case (_, 2): Block<TSimd, Count2>(rows, x, w, count, y, stride, resume); break;
            default: Block<TSimd, Count1>(rows, x, w, count, y, stride, resume); break;
        }
    }

    private readonly void Block<TSimd, TPanels>(
        int rows, float* x, byte* w, int count, float* y, nint stride, bool resume)
        where TSimd : unmanaged, ISimd<TSimd>
        where TPanels : unmanaged, ICount
    {
        nint bytes = PanelBytes;
        switch (rows)
        {
            case 1: GemmTile.Block<TSimd, TElement, Count1, TPanels>(x, w, bytes, count, y, stride, resume); break;
            case 2: GemmTile.Block<TSimd, TElement, Count2, TPanels>(x, w, bytes, count, y, stride, resume); break;
            case 3: GemmTile.Block<TSimd, TElement, Count3, TPanels>(x, w, bytes, count, y, stride, resume); break;
            case 4: GemmTile.Block<TSimd, TElement, Count4, TPanels>(x, w, bytes, count, y, stride, resume); break;
            case 5: GemmTile.Block<TSimd, TElement, Count5, TPanels>(x, w, bytes, count, y, stride, resume); break;
            case 6: GemmTile.Block<TSimd, TElement, Count6, TPanels>(x, w, bytes, count, y, stride, resume); break;
            case 7: GemmTile.Block<TSimd, TElement, Count7, TPanels>(x, w, bytes, count, y, stride, resume); break;
            case 8: GemmTile.Block<TSimd, TElement, Count8, TPanels>(x, w, bytes, count, y, stride, resume); break;
            case 9: GemmTile.Block<TSimd, TElement, Count9, TPanels>(x, w, bytes, count, y, stride, resume); break;
            case 10: GemmTile.Block<TSimd, TElement, Count10, TPanels>(x, w, bytes, count, y, stride, resume); break;
            case 11: GemmTile.Block<TSimd, TElement, Count11, TPanels>(x, w, bytes, count, y, stride, resume); break;
            default: GemmTile.Block<TSimd, TElement, Count12, TPanels>(x, w, bytes, count, y, stride, resume); break;
        }
    }
}
