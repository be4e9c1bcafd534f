// One step of a recurrent layer behind its products: each cell's formula once, and its gradients.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Where the numbers of a cell's row are.</summary>
/// <param name="Input">Gates of the input.</param>
/// <param name="Hidden">Gates of the state.</param>
/// <param name="State">The state before.</param>
/// <param name="Width">Columns of h.</param>
internal readonly unsafe record struct CellRow(nint Input, nint Hidden, nint State, int Width)
{
    /// <summary>A gate of the input.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TSimd A<TSimd>(int gate, int column, int count) where TSimd : unmanaged, ISimd<TSimd> =>
        Lanes.LoadFirst<TSimd>((float*)Input + ((nint)gate * Width) + column, count);

    /// <summary>A gate of the state.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TSimd B<TSimd>(int gate, int column, int count) where TSimd : unmanaged, ISimd<TSimd> =>
        Lanes.LoadFirst<TSimd>((float*)Hidden + ((nint)gate * Width) + column, count);

    /// <summary>Both together.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TSimd Sum<TSimd>(int gate, int column, int count) where TSimd : unmanaged, ISimd<TSimd> =>
        A<TSimd>(gate, column, count) + B<TSimd>(gate, column, count);

    /// <summary>A part of the state.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TSimd S<TSimd>(int part, int column, int count) where TSimd : unmanaged, ISimd<TSimd> =>
        Lanes.LoadFirst<TSimd>((float*)State + ((nint)part * Width) + column, count);
}

/// <summary>Where the gradients of a cell's row go.</summary>
/// <param name="Input">[gates · width].</param>
/// <param name="Hidden">[gates · width]; the input's where both are the same.</param>
/// <param name="State">[states · width].</param>
/// <param name="Width">Columns of h.</param>
internal readonly unsafe record struct CellGradientRow(nint Input, nint Hidden, nint State, int Width)
{
    /// <summary>Stores both gradients of a gate.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Gate<TSimd>(int gate, int column, int count, TSimd ofInput, TSimd ofHidden) where TSimd : unmanaged, ISimd<TSimd>
    {
        nint at = ((nint)gate * Width) + column;
        Lanes.StoreFirst(ofInput, (float*)Input + at, count);
        if (Hidden != Input) Lanes.StoreFirst(ofHidden, (float*)Hidden + at, count);
    }

    /// <summary>Stores the gradient of a part of the state.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Part<TSimd>(int part, int column, int count, TSimd value) where TSimd : unmanaged, ISimd<TSimd> =>
        Lanes.StoreFirst(value, (float*)State + ((nint)part * Width) + column, count);
}

/// <summary>A cell: some columns of one row.</summary>
internal unsafe interface ICell
{
    /// <summary>The state after, some columns of it.</summary>
    static abstract void Forward<TSimd>(in CellRow row, int column, int count, float* next) where TSimd : unmanaged, ISimd<TSimd>;

    /// <summary>All gradients, some columns of them.</summary>
    static abstract void Backward<TSimd>(in CellRow row, float* dy, int column, int count, in CellGradientRow to)
        where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>h′ = tanh(a + b).</summary>
internal readonly unsafe struct TanhCell : ICell
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Forward<TSimd>(in CellRow row, int column, int count, float* next) where TSimd : unmanaged, ISimd<TSimd> =>
        Lanes.StoreFirst(HyperbolicTangent.Invoke(row.Sum<TSimd>(0, column, count)), next + column, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Backward<TSimd>(in CellRow row, float* dy, int column, int count, in CellGradientRow to)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd one = TSimd.Broadcast(1f), t = HyperbolicTangent.Invoke(row.Sum<TSimd>(0, column, count));
        TSimd d = Lanes.LoadFirst<TSimd>(dy + column, count) * ((one - t) * (one + t));
        to.Gate(0, column, count, d, d);
        to.Part(0, column, count, TSimd.Zero);
    }
}

/// <summary>Long short-term memory, gates i, f, g, o; the state is h, c.</summary>
/// <remarks>Five functions are more than the JIT puts into one method: by two halves it makes no calls within them.</remarks>
internal readonly unsafe struct LstmCell : ICell
{
    public static void Forward<TSimd>(in CellRow row, int column, int count, float* next) where TSimd : unmanaged, ISimd<TSimd>
    {
        Remember<TSimd>(row, column, count, next + row.Width + column);
        Answer<TSimd>(row, column, count, next + row.Width + column, next + column);
    }

    public static void Backward<TSimd>(in CellRow row, float* dy, int column, int count, in CellGradientRow to)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        float* e = stackalloc float[Lanes.Count];
        Slope<TSimd>(row, dy, column, count, e, to);
        Forget<TSimd>(row, column, count, e, to);
    }

    // c = σ(f) c + σ(i) tanh(g).
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Remember<TSimd>(in CellRow row, int column, int count, float* c) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd i = Sigmoid.Invoke(row.Sum<TSimd>(0, column, count)), f = Sigmoid.Invoke(row.Sum<TSimd>(1, column, count));
        TSimd g = HyperbolicTangent.Invoke(row.Sum<TSimd>(2, column, count));
        Lanes.StoreFirst(TSimd.Fma(f, row.S<TSimd>(1, column, count), i * g), c, count);
    }

    // h = σ(o) tanh(c).
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Answer<TSimd>(in CellRow row, int column, int count, float* c, float* h) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd o = Sigmoid.Invoke(row.Sum<TSimd>(3, column, count));
        Lanes.StoreFirst(o * HyperbolicTangent.Invoke(Lanes.LoadFirst<TSimd>(c, count)), h, count);
    }

    // The gradient of c, and that of o.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Slope<TSimd>(in CellRow row, float* dy, int column, int count, float* e, in CellGradientRow to)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd one = TSimd.Broadcast(1f);
        Remember<TSimd>(row, column, count, e);
        TSimd t = HyperbolicTangent.Invoke(Lanes.LoadFirst<TSimd>(e, count)), o = Sigmoid.Invoke(row.Sum<TSimd>(3, column, count));
        TSimd dh = Lanes.LoadFirst<TSimd>(dy + column, count), dc = Lanes.LoadFirst<TSimd>(dy + row.Width + column, count);
        Lanes.StoreFirst(TSimd.Fma(dh * o, (one - t) * (one + t), dc), e, count);
        TSimd dout = (dh * t) * (o * (one - o));
        to.Gate(3, column, count, dout, dout);
        to.Part(0, column, count, TSimd.Zero);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget<TSimd>(in CellRow row, int column, int count, float* slope, in CellGradientRow to)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd one = TSimd.Broadcast(1f), e = Lanes.LoadFirst<TSimd>(slope, count);
        TSimd i = Sigmoid.Invoke(row.Sum<TSimd>(0, column, count)), f = Sigmoid.Invoke(row.Sum<TSimd>(1, column, count));
        TSimd g = HyperbolicTangent.Invoke(row.Sum<TSimd>(2, column, count));
        TSimd di = (e * g) * (i * (one - i)), df = (e * row.S<TSimd>(1, column, count)) * (f * (one - f));
        TSimd dg = (e * i) * ((one - g) * (one + g));
        to.Gate(0, column, count, di, di);
        to.Gate(1, column, count, df, df);
        to.Gate(2, column, count, dg, dg);
        to.Part(1, column, count, e * f);
    }
}

/// <summary>Gated recurrent unit, gates r, z, n.</summary>
internal readonly unsafe struct GruCell : ICell
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Forward<TSimd>(in CellRow row, int column, int count, float* next) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd r = Sigmoid.Invoke(row.Sum<TSimd>(0, column, count)), z = Sigmoid.Invoke(row.Sum<TSimd>(1, column, count));
        TSimd n = HyperbolicTangent.Invoke(TSimd.Fma(r, row.B<TSimd>(2, column, count), row.A<TSimd>(2, column, count)));
        Lanes.StoreFirst(TSimd.Fma(z, row.S<TSimd>(0, column, count) - n, n), next + column, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Backward<TSimd>(in CellRow row, float* dy, int column, int count, in CellGradientRow to)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd one = TSimd.Broadcast(1f), b = row.B<TSimd>(2, column, count);
        TSimd r = Sigmoid.Invoke(row.Sum<TSimd>(0, column, count)), z = Sigmoid.Invoke(row.Sum<TSimd>(1, column, count));
        TSimd n = HyperbolicTangent.Invoke(TSimd.Fma(r, b, row.A<TSimd>(2, column, count)));
        TSimd d = Lanes.LoadFirst<TSimd>(dy + column, count);
        TSimd dn = (d * (one - z)) * ((one - n) * (one + n));
        TSimd dz = (d * (row.S<TSimd>(0, column, count) - n)) * (z * (one - z));
        TSimd dr = (dn * b) * (r * (one - r));
        to.Gate(0, column, count, dr, dr);
        to.Gate(1, column, count, dz, dz);
        to.Gate(2, column, count, dn, dn * r);
        to.Part(0, column, count, d * z);
    }
}

/// <summary>The state after a position.</summary>
internal readonly unsafe struct CellRows<TCell>(FloatRows input, FloatRows hidden, FloatRows state, FloatRows next, int width)
    : IRowKernel where TCell : unmanaged, ICell
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++)
        {
            var cell = new CellRow((nint)input[row], (nint)hidden[row], (nint)state[row], width);
            float* to = next[row];
            int column = 0;
            for (; column <= width - Lanes.Count; column += Lanes.Count) TCell.Forward<TSimd>(cell, column, Lanes.Count, to);
            if (column < width) End<TSimd>(cell, column, to);
        }
    }

    // The columns behind the last whole vector.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void End<TSimd>(in CellRow cell, int column, float* to) where TSimd : unmanaged, ISimd<TSimd> =>
        TCell.Forward<TSimd>(cell, column, width - column, to);
}

/// <summary>Gradients of a cell, row by row.</summary>
internal readonly unsafe struct CellGradientRows<TCell>(
    FloatRows input, FloatRows hidden, FloatRows state, FloatRows dy, FloatRows inputGradient, FloatRows hiddenGradient,
    FloatRows stateGradient, int width) : IRowKernel where TCell : unmanaged, ICell
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++)
        {
            var cell = new CellRow((nint)input[row], (nint)hidden[row], (nint)state[row], width);
            var to = new CellGradientRow(
                (nint)inputGradient[row], (nint)hiddenGradient[row], (nint)stateGradient[row], width);
            int column = 0;
            for (; column <= width - Lanes.Count; column += Lanes.Count) TCell.Backward<TSimd>(cell, dy[row], column, Lanes.Count, to);
            if (column < width) End<TSimd>(cell, dy[row], column, to);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void End<TSimd>(in CellRow cell, float* d, int column, in CellGradientRow to) where TSimd : unmanaged, ISimd<TSimd> =>
        TCell.Backward<TSimd>(cell, d, column, width - column, to);
}
