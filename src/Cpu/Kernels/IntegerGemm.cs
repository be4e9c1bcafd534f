// x Wᵀ with integer weights: the loops around the tiles. Sums are exact, so that only the scaling at the end rounds.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>One product, cut in tiles for the pool.</summary>
internal unsafe struct IntegerGemm<TElement> : IJob where TElement : unmanaged, IIntegerElement
{
    public Rung Rung;
    public GemmPlan Plan;
    public Epilogue Epilogue;

    /// <summary>Groups of inputs.</summary>
    public int Groups;

    public int Outputs;

    /// <summary>Quantised strips, one after the other.</summary>
    public short* X;

    /// <summary>The packed weight.</summary>
    public byte* W;

    /// <summary>The first output.</summary>
    public float* Y;

    /// <summary>From a row of outputs to the next.</summary>
    public nint Stride;

    public void Execute(int tile, int worker)
    {
        fixed (IntegerGemm<TElement>* self = &this)
            Ladder.RunIntegers(Rung, new IntegerGemmTile<TElement> { Job = self, Tile = tile });
    }
}

/// <summary>One tile of a product.</summary>
internal unsafe struct IntegerGemmTile<TElement> : IIntegerKernel where TElement : unmanaged, IIntegerElement
{
    private const int MostRows = 6;

    public IntegerGemm<TElement>* Job;
    public int Tile;

    public readonly void Run<TSimd, TIntegers>()
        where TSimd : unmanaged, ISimd<TSimd>
        where TIntegers : unmanaged, IIntegers<TIntegers>
    {
        ref readonly GemmPlan plan = ref Job->Plan;
        int block = Tile % plan.RowBlocks, firstPanel = Tile / plan.RowBlocks * plan.GroupsPerTile;
        int firstStrip = plan.BlockStart(block), endStrip = plan.BlockStart(block + 1);
        int endPanel = Math.Min(firstPanel + plan.GroupsPerTile, plan.Panels);
        int firstRow = plan.StripStart(firstStrip), rows = plan.StripStart(endStrip) - firstRow;
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            int column = panel * Lanes.Count, columns = Math.Min(Lanes.Count, Job->Outputs - column);
            for (int strip = firstStrip; strip < endStrip; strip++) Multiply<TIntegers>(strip, panel, columns);
            Job->Epilogue.Run<TSimd>(Job->Y + (firstRow * Job->Stride), Job->Stride, firstRow, rows, column, columns);
        }
    }

    private readonly void Multiply<TIntegers>(int strip, int panel, int columns)
        where TIntegers : unmanaged, IIntegers<TIntegers>
    {
        int row = Job->Plan.StripStart(strip), rows = Job->Plan.StripStart(strip + 1) - row;
        nint groupInputs = (nint)Job->Groups * IntegerGroup.Inputs;
        short* x = Job->X + (row * groupInputs);
        byte* w = Job->W + (panel * groupInputs * Lanes.Count * TElement.Bytes);
        float* y = Job->Y + (row * Job->Stride) + (panel * Lanes.Count);
        if (columns == Lanes.Count)
        {
            Multiply<TIntegers>(rows, x, w, y, Job->Stride);
            return;
        }

        // The last panel is not full: whole vectors would be written beyond the row.
        float* scratch = stackalloc float[MostRows * Lanes.Count];
        Multiply<TIntegers>(rows, x, w, scratch, Lanes.Count);
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++) y[(r * Job->Stride) + c] = scratch[(r * Lanes.Count) + c];
        }
    }

    private readonly void Multiply<TIntegers>(int rows, short* x, byte* w, float* y, nint stride)
        where TIntegers : unmanaged, IIntegers<TIntegers>
    {
        switch (rows)
        {
            case 1: IntegerTile.Run<TIntegers, TElement, Count1>(x, w, Job->Groups, y, stride); break;
            case 2: IntegerTile.Run<TIntegers, TElement, Count2>(x, w, Job->Groups, y, stride); break;
            case 3: IntegerTile.Run<TIntegers, TElement, Count3>(x, w, Job->Groups, y, stride); break;
            case 4: IntegerTile.Run<TIntegers, TElement, Count4>(x, w, Job->Groups, y, stride); break;
            case 5: IntegerTile.Run<TIntegers, TElement, Count5>(x, w, Job->Groups, y, stride); break;
            default: IntegerTile.Run<TIntegers, TElement, Count6>(x, w, Job->Groups, y, stride); break;
        }
    }
}
