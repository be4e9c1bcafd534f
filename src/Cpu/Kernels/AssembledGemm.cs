// x Wᵀ by machine-made tiles: the loops around them. Rows are read where they lie; panels of weights were packed when the
// model was loaded.
using Engine.Backends;
using Engine.Cpu.Assembler;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>One product, cut in tiles for the pool.</summary>
internal unsafe struct AssembledGemm : IJob
{
    public Rung Rung;
    public GemmPlan Plan;

    /// <summary>The tiles scale, add the bias and cut off below zero themselves; of this they leave the other activations.</summary>
    public Epilogue Epilogue;

    /// <summary>Of <see cref="TileSet"/>.</summary>
    public nint* Functions;

    /// <summary>Steps from the first input to the last: 4 bytes of a row each.</summary>
    public int Steps;

    /// <summary>Steps of a block, where several strips meet a panel.</summary>
    public int Depth;

    public int Outputs;

    /// <summary>Whether the product is added to the outputs that are there: a chain then begins with what is there.</summary>
    public bool Adds;

    /// <summary>The first row: floats, bfloat16 or bytes.</summary>
    public byte* X;

    /// <summary>Bytes from a row to the next.</summary>
    public nint XStride;

    /// <summary>The packed weight.</summary>
    public byte* W;

    /// <summary>What the sums of the first panel begin with.</summary>
    public byte* Start;

    /// <summary>Bytes from there to what those of the next panel begin with.</summary>
    public int StartStep;

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
        var arguments = new TileArguments
        {
            XStride = Job->XStride,
            PanelBytes = PanelBytes,
            YStride = Job->Stride * sizeof(float),
        };

        // Blocks over k pay when several strips meet a panel: it is then in the first-level cache for all but the first.
        int depth = endStrip - firstStrip == 1 ? Job->Steps : Job->Depth;
        int step = 0;
        do
        {
            int count = Math.Min(depth, Job->Steps - step);
            bool isLast = step + count == Job->Steps;
            arguments.Steps = count;
            arguments.Relu = isLast && Job->Epilogue.Activation == Activation.Relu ? 1 : 0;
            for (int panel = firstPanel, panels; panel < endPanel; panel += panels)
            {
                panels = Math.Min(plan.GroupPanels, endPanel - panel);
                int column = panel * Lanes.Count, columns = Math.Min(panels * Lanes.Count, Job->Outputs - column);
                arguments.Panels = Panel(panel, step);
                arguments.Scales = Job->Epilogue.Scales + column;
                arguments.Bias = isLast && Job->Epilogue.Bias != null ? Job->Epilogue.Bias + column : null;
                byte* start = Job->Start + ((nint)panel * Job->StartStep);

                // While the strips meet these panels, the next ones are fetched, one by each of the first strips.
                for (int strip = firstStrip; strip < endStrip; strip++)
                {
                    int row = plan.StripStart(strip), ahead = panel + panels + strip - firstStrip;
                    bool isWanted = strip - firstStrip < panels && ahead < plan.Panels;
                    arguments.Next = isWanted ? Panel(ahead, step) : arguments.Panels;
                    arguments.X = X(row, step);
                    arguments.Y = Y(row, panel);
                    bool isEnd = strip + 1 == endStrip;
                    int nextRow = isEnd ? firstRow : plan.StripStart(strip + 1);
                    arguments.NextX = X(nextRow, step);
                    arguments.NextY = Y(nextRow, isEnd && panel + panels < endPanel ? panel + panels : panel);
                    arguments.RowFactors = Job->Epilogue.RowFactors + row;
                    bool resumes = step > 0 || Job->Adds;
                    arguments.Start = resumes ? arguments.Y : start;
                    arguments.StartStride = resumes ? arguments.YStride : 0;
                    Multiply(ref arguments, plan.StripStart(strip + 1) - row, panels, columns);
                }

                if (isLast && Job->Epilogue.Activation is not (Activation.None or Activation.Relu))
                {
                    var activation = new Epilogue { Activation = Job->Epilogue.Activation };
                    activation.Run<TSimd>((float*)Y(firstRow, 0), Job->Stride, firstRow, rows, column, columns);
                }
            }

            step += count;
        }
        while (step < Job->Steps);
    }

    private readonly byte* X(int row, int step) => Job->X + (row * Job->XStride) + (step * sizeof(float));

    private readonly byte* Y(int row, int panel) => (byte*)(Job->Y + (row * Job->Stride) + (panel * Lanes.Count));

    private readonly byte* Panel(int panel, int step) => Job->W + (panel * PanelBytes) + ((nint)step * PanelRowBytes);

    private readonly void Multiply(ref TileArguments arguments, int rows, int panels, int columns)
    {
        var tile = (delegate* unmanaged[SuppressGCTransition]<TileArguments*, void>)
            Job->Functions[TileSet.Slot(rows, panels, isStream: Job->Plan.Strips == 1)];
        if (columns < panels * Lanes.Count) MultiplyEdge(arguments, tile, rows, panels * Lanes.Count, columns, Job->Epilogue.Scales != null);
        else
        {
            fixed (TileArguments* address = &arguments) tile(address);
        }
    }

    // The last panel is not full: whole vectors would be written beyond the row, so the tile goes by way of scratch memory.
    private static void MultiplyEdge(
        TileArguments arguments, delegate* unmanaged[SuppressGCTransition]<TileArguments*, void> tile,
        int rows, int width, int columns, bool hasScales)
    {
        const int MostOutputs = TileCode.MostPanels * Lanes.Count;
        float* scratch = stackalloc float[TileCode.MostRows * MostOutputs];
        float* outputs = stackalloc float[2 * MostOutputs];
        new Span<float>(outputs, width).Fill(1f);
        if (hasScales) Copy(arguments.Scales, outputs, columns);
        arguments.Scales = outputs;
        if (arguments.Bias != null)
        {
            new Span<float>(outputs + MostOutputs, width).Clear();
            Copy(arguments.Bias, outputs + MostOutputs, columns);
            arguments.Bias = outputs + MostOutputs;
        }

        byte* y = arguments.Y;
        nint stride = arguments.YStride;
        arguments.Y = (byte*)scratch;
        arguments.YStride = (nint)width * sizeof(float);
        if (arguments.Start == y)   // what was summed up before
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
