// log(softmax(x)) = (x − m) − ln Σ exp(x − m), m = max x, a row at a time. Every logit that decoding looks at comes from here,
// so LogSoftmax, TopK and LogProbability give the same bits.
// x [rows, columns], y [rows, columns].
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>What a row's logits have in common: with it, each element is two subtractions.</summary>
/// <remarks>
/// Logits are taken as finite: NaN and −∞ count as the lowest finite number, +∞ as the highest. So every sum is at least 1,
/// no result is NaN, and a row of which all is suppressed is uniform. Results below the lowest finite number are that number.
/// </remarks>
internal readonly unsafe struct LogSoftmaxRow(float maximum, float logSum)
{
    /// <summary>Columns whose maximum <see cref="Maximum"/> notes.</summary>
    public const int Block = RowReduction.Step;

    private readonly float _maximum = maximum, _logSum = logSum;

    /// <summary>ln Σ exp(x): what is taken off each logit.</summary>
    public float LogTotal => _maximum + _logSum;

    /// <summary>Two passes over a row.</summary>
    public static LogSoftmaxRow Measure<TSimd>(float* x, int columns) where TSimd : unmanaged, ISimd<TSimd> =>
        Measure<TSimd>(x, columns, Maximum<TSimd>(x, columns, null));

    /// <summary>The second pass, when the maximum is known.</summary>
    public static LogSoftmaxRow Measure<TSimd>(float* x, int columns, float maximum) where TSimd : unmanaged, ISimd<TSimd> =>
        Measure<TSimd, NothingBeside>(x, columns, maximum, default);

    /// <summary>The second pass, and something on the way.</summary>
    public static LogSoftmaxRow Measure<TSimd, TBeside>(float* x, int columns, float maximum, TBeside beside)
        where TSimd : unmanaged, ISimd<TSimd>
        where TBeside : unmanaged, IBeside
    {
        var term = new ExponentialTerm<TSimd>(TSimd.Broadcast(maximum));
        return new LogSoftmaxRow(maximum, Logarithm.Invoke(RowReduction.Sum<TSimd, ExponentialTerm<TSimd>, TBeside>(x, columns, term, beside)));
    }

    /// <summary>The largest logit, and, where asked for, that of each block of columns.</summary>
    /// <param name="x">The row.</param>
    /// <param name="columns">At least 1.</param>
    /// <param name="blockMaxima">Room for a float a block, or null.</param>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static float Maximum<TSimd>(float* x, int columns, float* blockMaxima) where TSimd : unmanaged, ISimd<TSimd>
    {
        // Max returns its right side where the left is NaN, so a NaN never enters.
        TSimd lowest = TSimd.Broadcast(float.MinValue), all = lowest;
        nint i = 0;
        for (; i <= columns - Block; i += Block)
        {
            TSimd a = TSimd.Max(TSimd.Load(x + i + Lanes.Count), TSimd.Max(TSimd.Load(x + i), lowest));
            TSimd b = TSimd.Max(
                TSimd.Load(x + i + (3 * Lanes.Count)), TSimd.Max(TSimd.Load(x + i + (2 * Lanes.Count)), lowest));
            TSimd block = TSimd.Max(a, b);
            all = TSimd.Max(block, all);
            if (blockMaxima != null) blockMaxima[i / Block] = TSimd.MaxLane(block);
        }

        float maximum = TSimd.MaxLane(all);
        if (i < columns)
        {
            float last = float.MinValue;
            for (nint column = i; column < columns; column++) last = x[column] > last ? x[column] : last;
            if (blockMaxima != null) blockMaxima[i / Block] = last;
            maximum = last > maximum ? last : maximum;
        }

        // −0 + 0 = +0: which zero was met first must not show.
        return (maximum < float.MaxValue ? maximum : float.MaxValue) + 0f;
    }

    /// <summary>The log-probability of a logit.</summary>
    public float Value(float x)
    {
        x = x > float.MinValue ? x : float.MinValue;
        x = x < float.MaxValue ? x : float.MaxValue;
        float y = (x - _maximum) - _logSum;
        return y > float.MinValue ? y : float.MinValue;
    }

    /// <summary>The log-probabilities of sixteen logits: the steps of <see cref="Value(float)"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TSimd Value<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd y = Finite(x) - TSimd.Broadcast(_maximum) - TSimd.Broadcast(_logSum);
        return TSimd.Max(y, TSimd.Broadcast(float.MinValue));
    }

    /// <summary>x − maximum, at most 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TSimd Distance<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> => Finite(x) - TSimd.Broadcast(_maximum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TSimd Finite<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> =>
        TSimd.Min(TSimd.Max(x, TSimd.Broadcast(float.MinValue)), TSimd.Broadcast(float.MaxValue));

    /// <summary>Σ exp(x − maximum).</summary>
    private readonly struct ExponentialTerm<TSimd>(TSimd maximum) : ITerm<TSimd> where TSimd : unmanaged, ISimd<TSimd>
    {
        private readonly TSimd _maximum = maximum;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TSimd Add(TSimd chain, TSimd x) => chain + Exponential.OfNegative(Finite(x) - _maximum);
    }
}

/// <summary>y = log(softmax(x)).</summary>
internal readonly unsafe struct LogSoftmax(FloatRows x, FloatRows y, int columns, bool storesThrough) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        if (storesThrough && columns % RowReduction.Step == 0) RunThrough<TSimd>(first, end);
        else RunToCache<TSimd>(first, end);
    }

    // A table that no cache keeps: while the exponentials of a row are computed, the row before is written, past the caches, and
    // the next one is read.
    private void RunThrough<TSimd>(int first, int end) where TSimd : unmanaged, ISimd<TSimd>
    {
        LogSoftmaxRow before = LogSoftmaxRow.Measure<TSimd>(x[first], columns);
        for (int row = first + 1; row < end; row++)
        {
            var beside = new RowBefore(x[row - 1], y[row - 1], x[Math.Min(row + 1, end - 1)], before);
            before = LogSoftmaxRow.Measure<TSimd, RowBefore>(
                x[row], columns, LogSoftmaxRow.Maximum<TSimd>(x[row], columns, null), beside);
        }

        var last = new RowBefore(x[end - 1], y[end - 1], x[end - 1], before);
        for (nint column = 0; column < columns; column += RowReduction.Step) last.Step<TSimd>(column);
        StoreThrough.End();
    }

    private void RunToCache<TSimd>(int first, int end) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++)
        {
            float* input = x[row], output = y[row];
            LogSoftmaxRow measured = LogSoftmaxRow.Measure<TSimd>(input, columns);
            nint i = 0;
            for (; i <= columns - Lanes.Count; i += Lanes.Count)
                TSimd.Store(measured.Value(TSimd.Load(input + i)), output + i);
            for (; i < columns; i++) output[i] = measured.Value(input[i]);
        }
    }
}

/// <summary>Writes a row that is measured, and asks for another one.</summary>
internal readonly unsafe struct RowBefore(float* x, float* y, float* next, LogSoftmaxRow measured) : IBeside
{
    private readonly float* _x = x, _y = y, _next = next;
    private readonly LogSoftmaxRow _measured = measured;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Step<TSimd>(nint column) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (nint i = column; i < column + RowReduction.Step; i += Lanes.Count)
        {
            StoreThrough.Ask(_next + i);
            StoreThrough.Store(_measured.Value(TSimd.Load(_x + i)), _y + i);
        }
    }
}

/// <summary>y = log(softmax(x)) at one token a row.</summary>
internal readonly unsafe struct LogProbability(FloatRows x, int* tokens, float* y, int columns) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++)
            y[row] = LogSoftmaxRow.Measure<TSimd>(x[row], columns).Value(x[row][tokens[row]]);
    }
}
