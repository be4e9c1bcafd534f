// x Wᵀ by machine-made tiles: the loops around them. Rows are read where they lie; panels of weights were packed when the
// model was loaded.
using System.Runtime.Intrinsics.X86;
using Engine.Cpu.Assembler;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>One product, cut in tiles for the pool.</summary>
internal unsafe struct AssembledGemm : IJob
{
    public Rung Rung;
    public GemmPlan Plan;

    /// <summary>What the tiles leave to do: for bytes they scale and add the bias themselves.</summary>
    public Epilogue Epilogue;

    /// <summary>Bytes: see <see cref="TileArguments"/>.</summary>
    public float* RowFactors, Scales, Bias;

    /// <summary>Of <see cref="TileSet"/>.</summary>
    public nint* Functions;

    /// <summary>Steps from the first input to the last: 4 bytes of a row each.</summary>
    public int Steps;

    /// <summary>Steps of a block, where several strips meet a panel.</summary>
    public int Depth;

    public int Outputs;

    /// <summary>The first row: floats, bfloat16 or bytes.</summary>
    public byte* X;

    /// <summary>Bytes from a row to the next.</summary>
    public nint XStride;

    /// <summary>The packed weight.</summary>
    public byte* W;

    /// <summary>What the sums of a panel begin with, 64 bytes a panel; null: zeros.</summary>
    public byte* Start;

    /// <summary>The first output.</summary>
    public float* Y;

    /// <summary>From a row of outputs to the next.</summary>
    public nint Stride;

    public void Execute(int tile, int worker)
    {
        fixed (AssembledGemm* self = &this) Ladder.Run(Rung, new AssembledGemmTile { Job = self, Tile = tile });
    }
}

/// <summary>One tile of a product.</summary>
internal unsafe struct AssembledGemmTile : IKernel
{
    private const int PanelRowBytes = Lanes.Count * sizeof(float);

    public AssembledGemm* Job;
    public int Tile;

    private readonly nint PanelBytes => (nint)Job->Steps * PanelRowBytes;

    public readonly void Run<TSimd>() where TSimd : unmanaged, ISimd<TSimd>
    {
        ref readonly GemmPlan plan = ref Job->Plan;
        int block = Tile % plan.RowBlocks, firstGroup = Tile / plan.RowBlocks * plan.GroupsPerTile;
        int firstStrip = plan.BlockStart(block), endStrip = plan.BlockStart(block + 1);
        int firstPanel = firstGroup * plan.GroupPanels;
        int endPanel = Math.Min(firstPanel + (plan.GroupsPerTile * plan.GroupPanels), plan.Panels);
        int firstRow = plan.StripStart(firstStrip), rows = plan.StripStart(endStrip) - firstRow;

        // Blocks over k pay when several strips meet a panel: it is then in the first-level cache for all but the first.
        int depth = endStrip - firstStrip == 1 ? Job->Steps : Job->Depth;
        int step = 0;
        do
        {
            int count = Math.Min(depth, Job->Steps - step);
            bool isLast = step + count == Job->Steps;
            for (int panel = firstPanel, panels; panel < endPanel; panel += panels)
            {
                panels = Math.Min(plan.GroupPanels, endPanel - panel);
                // While the strips meet these panels, the next ones are fetched, one by each of the first strips.
                for (int strip = firstStrip; strip < endStrip; strip++)
                {
                    if (strip + 1 < endStrip) Prefetch(strip + 1, panel, step);
                    int ahead = panel + panels + strip - firstStrip;
                    bool isWanted = strip - firstStrip < panels && ahead < plan.Panels;
                    Multiply(strip, panel, panels, step, count, isWanted ? ahead : panel);
                }

                if (isLast)
                {
                    int column = panel * Lanes.Count, columns = Math.Min(panels * Lanes.Count, Job->Outputs - column);
                    float* y = Job->Y + (firstRow * Job->Stride);
                    Job->Epilogue.Run<TSimd>(y, Job->Stride, firstRow, rows, column, columns);
                }
            }

            step += count;
        }
        while (step < Job->Steps);
    }

    // What the next tile begins with: its outputs and the head of its rows. The rest of the rows is a stream, which the
    // processor finds out by itself.
    private readonly void Prefetch(int strip, int panel, int step)
    {
        int row = Job->Plan.StripStart(strip), end = Job->Plan.StripStart(strip + 1);
        for (; row < end; row++)
        {
            byte* x = Job->X + (row * Job->XStride) + (step * sizeof(float));
            float* y = Job->Y + (row * Job->Stride) + (panel * Lanes.Count);
            Sse.Prefetch0(x);
            Sse.Prefetch0(x + 64);
            Sse.Prefetch0(y);
            Sse.Prefetch0(y + Lanes.Count);
        }
    }

    private readonly void Multiply(int strip, int panel, int panels, int step, int count, int nextPanel)
    {
        int row = Job->Plan.StripStart(strip), rows = Job->Plan.StripStart(strip + 1) - row;
        float* y = Job->Y + (row * Job->Stride) + (panel * Lanes.Count);
        var arguments = new TileArguments
        {
            X = Job->X + (row * Job->XStride) + (step * sizeof(float)),
            XStride = Job->XStride,
            Panels = Job->W + (panel * PanelBytes) + ((nint)step * PanelRowBytes),
            PanelBytes = PanelBytes,
            Steps = count,
            Y = (byte*)y,
            YStride = Job->Stride * sizeof(float),
            Next = Job->W + (nextPanel * PanelBytes) + ((nint)step * PanelRowBytes),
            RowFactors = Job->RowFactors == null ? null : Job->RowFactors + row,
            Scales = Job->Scales + (panel * Lanes.Count),
            Bias = Job->Bias == null ? null : Job->Bias + (panel * Lanes.Count),
        };
        var tile = (delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>)
            Job->Functions[TileSet.Slot(rows, panels, isStream: Job->Plan.Strips == 1)];
        float* scratch = stackalloc float[TileCode.MostPanels * Lanes.Count];
        if (step > 0)
        {
            arguments.Start = arguments.Y;
            arguments.StartStride = arguments.YStride;
        }
        else if (Job->Start != null) arguments.Start = Job->Start + (panel * PanelRowBytes);
        else
        {
            new Span<float>(scratch, panels * Lanes.Count).Clear();
            arguments.Start = (byte*)scratch;
        }

        int width = panels * Lanes.Count, columns = Math.Min(width, Job->Outputs - (panel * Lanes.Count));
        if (columns == width)
        {
            tile(&arguments);
            return;
        }

        MultiplyEdge(arguments, tile, rows, width, columns, step > 0);
    }

    // The last panel is not full: whole vectors would be written beyond the row, so the tile goes by way of scratch memory.
    private static void MultiplyEdge(
        TileArguments arguments, delegate* unmanaged[SuppressGCTransition]<TileArguments*, void> tile,
        int rows, int width, int columns, bool resume)
    {
        const int MostOutputs = TileCode.MostPanels * Lanes.Count;
        float* scratch = stackalloc float[TileCode.MostRows * MostOutputs];
        float* outputs = stackalloc float[2 * MostOutputs];
        if (arguments.RowFactors != null)
        {
            new Span<float>(outputs, width).Fill(1f);
            Copy(arguments.Scales, outputs, columns);
            arguments.Scales = outputs;
            if (arguments.Bias != null)
            {
                new Span<float>(outputs + MostOutputs, width).Clear();
                Copy(arguments.Bias, outputs + MostOutputs, columns);
                arguments.Bias = outputs + MostOutputs;
            }
        }

        byte* y = arguments.Y;
        nint stride = arguments.YStride;
        arguments.Y = (byte*)scratch;
        arguments.YStride = (nint)width * sizeof(float);
        if (resume)
        {
            arguments.Start = arguments.Y;
            arguments.StartStride = arguments.YStride;
            for (int r = 0; r < rows; r++) Copy((float*)(y + (r * stride)), scratch + (r * width), columns);
        }

        tile(&arguments);
        for (int r = 0; r < rows; r++) Copy(scratch + (r * width), (float*)(y + (r * stride)), columns);
    }

    private static void Copy(float* from, float* to, int count) =>
        new ReadOnlySpan<float>(from, count).CopyTo(new Span<float>(to, count));
}
