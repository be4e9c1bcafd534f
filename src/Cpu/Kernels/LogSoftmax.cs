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

    /// <summary>Two passes over a row.</summary>
    public static LogSoftmaxRow Measure<TSimd>(float* x, int columns) where TSimd : unmanaged, ISimd<TSimd> =>
        Measure<TSimd>(x, columns, Maximum<TSimd>(x, columns, null));

    /// <summary>The second pass, when the maximum is known.</summary>
    public static LogSoftmaxRow Measure<TSimd>(float* x, int columns, float maximum) where TSimd : unmanaged, ISimd<TSimd>
    {
        float sum = RowReduction.Sum<TSimd, ExponentialTerm<TSimd>>(x, columns, new(TSimd.Broadcast(maximum)));
        return new LogSoftmaxRow(maximum, Logarithm.Invoke(sum));
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TSimd Finite<TSimd>(TSimd x) where TSimd : unmanaged, ISimd<TSimd> =>
        TSimd.Min(TSimd.Max(x, TSimd.Broadcast(float.MinValue)), TSimd.Broadcast(float.MaxValue));

    /// <summary>Σ exp(x − maximum).</summary>
    private readonly struct ExponentialTerm<TSimd>(TSimd maximum) : ITerm<TSimd> where TSimd : unmanaged, ISimd<TSimd>
    {
        private readonly TSimd _maximum = maximum;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TSimd Add(TSimd chain, TSimd x) => chain + Exponential.Invoke(Finite(x) - _maximum);
    }
}

/// <summary>y = log(softmax(x)).</summary>
internal readonly unsafe struct LogSoftmax(FloatRows x, FloatRows y, int columns) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
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

/// <summary>y = log(softmax(x)) at one token a row.</summary>
internal readonly unsafe struct LogProbability(FloatRows x, int* tokens, float* y, int columns) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++)
            y[row] = LogSoftmaxRow.Measure<TSimd>(x[row], columns).Value(x[row][tokens[row]]);
    }
}
