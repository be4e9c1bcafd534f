// The innermost loop of every product as machine code: rows that lie one under the other, times panels of sixteen outputs.
// One generator for the three kinds of elements, since a step is the same bytes in all of them: 4 of a row (a float, two
// bfloat16, four bytes), which go to all lanes, and 64 of a panel.
namespace Engine.Cpu.Assembler;

/// <summary>What a tile is told: plain bytes, passed by address.</summary>
internal unsafe struct TileArguments
{
    /// <summary>The first row, at the first step.</summary>
    public byte* X;

    /// <summary>Bytes from a row to the next.</summary>
    public nint XStride;

    /// <summary>The first panel, at the first step.</summary>
    public byte* Panels;

    /// <summary>Bytes from a panel to the next.</summary>
    public nint PanelBytes;

    /// <summary>Steps: 4 bytes of each row and 64 of each panel. At least 1.</summary>
    public nint Steps;

    /// <summary>What the sums begin with: zeros, what bytes owe for being unsigned, or the sums of the steps before.</summary>
    public byte* Start;

    /// <summary>Bytes from a row of that to the next; 0: the same for all rows.</summary>
    public nint StartStride;

    /// <summary>Where the sums go.</summary>
    public byte* Y;

    /// <summary>Bytes from a row of sums to the next.</summary>
    public nint YStride;

    /// <summary>64 bytes a step that will be wanted soon, or any memory; a tile that streams does not look at it.</summary>
    public byte* Next;

    /// <summary>
    /// X and Y of the tile that comes next, or any memory: the first lines of its rows are asked for. A tile that streams does
    /// not look at them.
    /// </summary>
    public byte* NextX, NextY;

    /// <summary>Int8: 1 / what each row was multiplied by.</summary>
    public float* RowFactors;

    /// <summary>Int8: what the weights of each output were multiplied by.</summary>
    public float* Scales;

    /// <summary>Added to each output at the end; or null.</summary>
    public float* Bias;

    /// <summary>Not 0: outputs below zero become zero, after that.</summary>
    public nint Relu;
}

/// <summary>What a step multiplies.</summary>
internal enum TileKind
{
    /// <summary>A float with floats.</summary>
    Float32,

    /// <summary>
    /// Four unsigned bytes with signed ones; sums are 32-bit integers. Stored is float(sum) · row factor / scale + bias, each
    /// operation rounded.
    /// </summary>
    Int8,

    /// <summary>Two bfloat16 with two; sums are floats.</summary>
    BFloat16,
}

/// <summary>Writes tiles.</summary>
/// <remarks>
/// Registers: zmm0 up to zmm23 hold the sums, row after row. Where a tile has no more panels than rows, zmm24 and up hold the
/// panels of a step and zmm28–31 take turns with the rows; else the rows stay and the panels take turns. A broadcast costs
/// no more than a load, and two loads fit in a cycle: 12 rows of 2 panels are 14 loads in the 12 cycles of 24 multiply-adds.
/// </remarks>
internal static class TileCode
{
    /// <summary>The most rows of a tile.</summary>
    public const int MostRows = 12;

    /// <summary>The most panels of a tile.</summary>
    public const int MostPanels = 4;

    // Of a tile that does not stream: it meets a panel with other rows too.
    private const int MostPanelsOfStrips = 2;

    // Registers that hold sums.
    private const int Sums = 24;

    // Steps without a jump between: what counts and jumps is then a fortieth of the work of the largest tile.
    private const int Unrolled = 4;

    // How far ahead of its use a panel is asked for: what the memory delivers meanwhile (42 GB/s, 100 ns) is 4 KiB, and twice as
    // much over all panels was best: with 2 KiB two panels took 10 to 20 % longer, four with 4 KiB up to 15 %.
    private static int PrefetchBytes(int panels) => panels > 2 ? 2048 : 4096;

    // Free where nothing streams, and there are at most two panels.
    private const Register Next = Register.Rbp, YStride = Register.Rbx;

    private const Register NextX = Register.R12, NextY = Register.R13, Rounds = Register.R14;

    private const Register Argument = Register.Rax, Steps = Register.Rcx, XStride = Register.Rdx, PanelBytes = Register.R8;

    private static readonly Register[] s_rows = [Register.R9, Register.R10, Register.R11, Register.Rsi];

    private static readonly Register[] s_panels = [Register.Rdi, Register.Rbx];

    // What a stream asks for ahead of its use, panel by panel.
    private static readonly Register[] s_ahead = [Register.R12, Register.R13];

    // Of the registers above, those that both conventions of calls want back.
    private static readonly Register[] s_saved = [Register.Rbx, Register.Rbp, Register.R12, Register.R13, Register.R14];

    /// <summary>
    /// Whether there is a tile of this size: its sums fit in the registers, and the rest leaves room for turns.
    /// </summary>
    public static bool IsPossible(int rows, int panels, bool isStream) =>
        rows is >= 1 and <= MostRows && panels is >= 1 && panels <= (isStream ? MostPanels : MostPanelsOfStrips)
        && rows * panels <= Sums && Math.Min(rows, panels) <= 4;

    /// <summary>Writes a tile: a function of one argument, the address of <see cref="TileArguments"/>.</summary>
    /// <param name="code">Where to.</param>
    /// <param name="kind">What a step multiplies.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="panels">Panels.</param>
    /// <param name="isStream">Whether panels come from memory, each once: they are then asked for ahead of their use.</param>
    /// <param name="isWindows">Whose convention of calls.</param>
    public static unsafe void Write(CodeWriter code, TileKind kind, int rows, int panels, bool isStream, bool isWindows)
    {
        Enter(code, isWindows);
        TileArguments a;
        byte* arguments = (byte*)&a;

        // Sums, and then the addresses of rows, three to a register: base, base + stride, base + 2 · stride.
        code.Load(Register.R9, Field((byte*)&a.Start - arguments));
        code.Load(Register.R10, Field((byte*)&a.StartStride - arguments));
        for (int row = 0; row < rows; row++)
        {
            for (int panel = 0; panel < panels; panel++)
                code.LoadVector(Sum(row, panel, panels), new Place(Register.R9, panel * 64));
            if (row + 1 < rows) code.Add(Register.R9, Register.R10);
        }

        code.Load(XStride, Field((byte*)&a.XStride - arguments));
        code.Load(s_rows[0], Field((byte*)&a.X - arguments));
        for (int row = 3; row < rows; row += 3)
        {
            code.Address(s_rows[row / 3], new Place(s_rows[(row / 3) - 1], 0, XStride, 1));
            code.Address(s_rows[row / 3], new Place(s_rows[row / 3], 0, XStride, 2));
        }

        code.Load(PanelBytes, Field((byte*)&a.PanelBytes - arguments));
        code.Load(s_panels[0], Field((byte*)&a.Panels - arguments));
        for (int panel = 3; panel < panels; panel += 3)
        {
            code.Address(s_panels[panel / 3], new Place(s_panels[(panel / 3) - 1], 0, PanelBytes, 1));
            code.Address(s_panels[panel / 3], new Place(s_panels[panel / 3], 0, PanelBytes, 2));
        }

        code.Load(Steps, Field((byte*)&a.Steps - arguments));
        if (isStream)
        {
            // Up to the last steps of a panel the stream asks for what follows in it, then for the head of the panel that has
            // its place in the next tile: as many panels further on.
            for (int panel = 0; panel < panels; panel += 3)
                code.Address(s_ahead[panel / 3], new Place(s_panels[panel / 3], PrefetchBytes(panels)));
            code.Subtract(Steps, PrefetchBytes(panels) / 64);
            Loop(code, kind, rows, panels, isStream);
            code.Add(Steps, PrefetchBytes(panels) / 64);
            for (int panel = 0; panel < panels; panel += 3)
            {
                for (int other = 1; other < panels; other++) code.Add(s_ahead[panel / 3], PanelBytes);
            }
        }
        else
        {
            code.Load(Next, Field((byte*)&a.Next - arguments));
            code.Load(NextX, Field((byte*)&a.NextX - arguments));
            code.Load(NextY, Field((byte*)&a.NextY - arguments));
            code.Load(YStride, Field((byte*)&a.YStride - arguments));
            code.Load(Rounds, rows);
        }

        Loop(code, kind, rows, panels, isStream);
        code.Add(Steps, 0);
        int toEnd = code.JumpForwardIf(Condition.Zero);
        int rest = code.Length;
        Step(code, kind, rows, panels, 0, isStream: false, asksAhead: false);
        Advance(code, rows, panels, 1);
        code.Subtract(Steps, 1);
        code.JumpIf(Condition.NotZero, rest);
        code.Land(toEnd);

        code.Load(Register.R9, Field((byte*)&a.Y - arguments));
        code.Load(Register.R10, Field((byte*)&a.YStride - arguments));
        if (kind == TileKind.Int8)
            Scale(code, rows, panels, Field((byte*)&a.RowFactors - arguments), Field((byte*)&a.Scales - arguments));
        Finish(code, rows, panels, Field((byte*)&a.Bias - arguments), Field((byte*)&a.Relu - arguments));
        for (int row = 0; row < rows; row++)
        {
            for (int panel = 0; panel < panels; panel++)
                code.StoreVector(Sum(row, panel, panels), new Place(Register.R9, panel * 64));
            if (row + 1 < rows) code.Add(Register.R9, Register.R10);
        }

        Leave(code, isWindows);
    }

    // As many whole rounds as there are steps; what is left of them stays in Steps. Where strips follow each other, each of the
    // first rounds asks for the head of a row of the next tile: rows lie too far apart for the processor to guess the next one,
    // and all at once would fill the queue of misses.
    private static void Loop(CodeWriter code, TileKind kind, int rows, int panels, bool isStream)
    {
        code.Subtract(Steps, Unrolled);
        int toEnd = code.JumpForwardIf(Condition.Less);
        int? toEndOfRows = null;
        if (!isStream)
        {
            code.Align(32);
            int rowsLoop = code.Length;
            Round(code, kind, rows, panels, isStream);
            for (int line = 0; line < 2; line++) code.Prefetch(new Place(NextX, line * 64));
            for (int line = 0; line < panels; line++) code.Prefetch(new Place(NextY, line * 64));
            code.Add(NextX, XStride);
            code.Add(NextY, YStride);
            code.Subtract(Steps, Unrolled);
            toEndOfRows = code.JumpForwardIf(Condition.Less);
            code.Subtract(Rounds, 1);
            code.JumpIf(Condition.NotZero, rowsLoop);
        }

        code.Align(32);
        int loop = code.Length;
        Round(code, kind, rows, panels, isStream);
        code.Subtract(Steps, Unrolled);
        code.JumpIf(Condition.NotLess, loop);
        code.Land(toEnd);
        if (toEndOfRows is { } jump) code.Land(jump);
        code.Add(Steps, Unrolled);
    }

    private static void Round(CodeWriter code, TileKind kind, int rows, int panels, bool isStream)
    {
        for (int step = 0; step < Unrolled; step++) Step(code, kind, rows, panels, step, isStream, asksAhead: true);
        Advance(code, rows, panels, Unrolled);
        if (!isStream) code.Add(Next, Unrolled * 64);
        else for (int panel = 0; panel < panels; panel += 3) code.Add(s_ahead[panel / 3], Unrolled * 64);
    }

    // From integers to outputs, in the registers: Epilogue says the same, and what Finish does.
    private static void Scale(CodeWriter code, int rows, int panels, Place rowFactors, Place scales)
    {
        const Register Factors = Register.Rcx, Scales = Register.Rdx;
        const int Factor = 31;
        code.Load(Factors, rowFactors);
        code.Load(Scales, scales);
        for (int row = 0; row < rows; row++)
        {
            code.Broadcast(Factor, new Place(Factors, row * sizeof(float)));
            for (int panel = 0; panel < panels; panel++)
            {
                int sum = Sum(row, panel, panels);
                code.Vector(VectorCode.ToFloat, sum, 0, sum);
                code.Vector(VectorCode.Multiply, sum, sum, Factor);
                code.Vector(VectorCode.Divide, sum, sum, new Place(Scales, panel * 64));
            }
        }
    }

    private static void Finish(CodeWriter code, int rows, int panels, Place bias, Place relu)
    {
        const Register Bias = Register.R8, Relu = Register.Rdx;
        const int Zero = 31;
        code.Load(Bias, bias);
        code.Add(Bias, 0);
        int withoutBias = code.JumpForwardIf(Condition.Zero);
        for (int sum = 0; sum < rows * panels; sum++)
            code.Vector(VectorCode.AddFloats, sum, sum, new Place(Bias, sum % panels * 64));
        code.Land(withoutBias);

        code.Load(Relu, relu);
        code.Add(Relu, 0);
        int withoutRelu = code.JumpForwardIf(Condition.Zero);
        code.Vector(VectorCode.Xor, Zero, Zero, Zero);
        for (int sum = 0; sum < rows * panels; sum++) code.Vector(VectorCode.Maximum, sum, sum, Zero);
        code.Land(withoutRelu);
    }

    private static int Sum(int row, int panel, int panels) => (row * panels) + panel;

    private static Place Field(long offset) => new(Argument, (int)offset);

    private static Place Row(int row, int step) =>
        (row % 3) == 0
            ? new Place(s_rows[row / 3], step * 4)
            : new Place(s_rows[row / 3], step * 4, XStride, row % 3);

    private static Place Panel(int panel, int step) =>
        (panel % 3) == 0
            ? new Place(s_panels[panel / 3], step * 64)
            : new Place(s_panels[panel / 3], step * 64, PanelBytes, panel % 3);

    private static void Step(
        CodeWriter code, TileKind kind, int rows, int panels, int step, bool isStream, bool asksAhead)
    {
        VectorCode multiply = kind switch
        {
            TileKind.Int8 => VectorCode.DotBytes,
            TileKind.BFloat16 => VectorCode.DotBFloat16,
            _ => VectorCode.MultiplyAdd,
        };
        if (isStream)
        {
            for (int panel = 0; panel < panels; panel++)
                code.Prefetch(Panel(panel, step) with { Base = s_ahead[panel / 3] });
        }
        else if (asksAhead) code.Prefetch(new Place(Next, step * 64));

        if (panels <= rows)
        {
            for (int panel = 0; panel < panels; panel++) code.LoadVector(Sums + panel, Panel(panel, step));
            for (int row = 0; row < rows; row++)
            {
                int turn = 28 + (row % 4);
                code.Broadcast(turn, Row(row, step));
                for (int panel = 0; panel < panels; panel++)
                    code.Vector(multiply, Sum(row, panel, panels), turn, Sums + panel);
            }

            return;
        }

        for (int row = 0; row < rows; row++) code.Broadcast(Sums + row, Row(row, step));
        for (int panel = 0; panel < panels; panel++)
        {
            if (rows == 1)
            {
                code.Vector(multiply, Sum(0, panel, panels), Sums, Panel(panel, step));
                continue;
            }

            int turn = 28 + (panel % 4);
            code.LoadVector(turn, Panel(panel, step));
            for (int row = 0; row < rows; row++) code.Vector(multiply, Sum(row, panel, panels), Sums + row, turn);
        }
    }

    private static void Advance(CodeWriter code, int rows, int panels, int steps)
    {
        for (int row = 0; row < rows; row += 3) code.Add(s_rows[row / 3], steps * 4);
        for (int panel = 0; panel < panels; panel += 3) code.Add(s_panels[panel / 3], steps * 64);
    }

    // Whoever calls keeps nothing in the registers that the convention does not save: these are saved here, of the vectors
    // on Windows xmm6 to xmm15.
    private static void Enter(CodeWriter code, bool isWindows)
    {
        foreach (Register register in s_saved) code.Push(register);
        if (!isWindows)
        {
            code.Move(Argument, Register.Rdi);
            return;
        }

        code.Push(Register.Rsi);
        code.Push(Register.Rdi);
        code.Subtract(Register.Rsp, 10 * 16);
        for (int vector = 6; vector < 16; vector++) code.StoreLow(vector, new Place(Register.Rsp, (vector - 6) * 16));
        code.Move(Argument, Register.Rcx);
    }

    private static void Leave(CodeWriter code, bool isWindows)
    {
        code.ZeroUpper();
        if (isWindows)
        {
            for (int vector = 6; vector < 16; vector++) code.LoadLow(vector, new Place(Register.Rsp, (vector - 6) * 16));
            code.Add(Register.Rsp, 10 * 16);
            code.Pop(Register.Rdi);
            code.Pop(Register.Rsi);
        }

        for (int i = s_saved.Length - 1; i >= 0; i--) code.Pop(s_saved[i]);
        code.Return();
    }
}
