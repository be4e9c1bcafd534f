// y = (x − mean) / √(variance + ε) · gain + bias, a row at a time (Ba et al. 2016), alone or after x + residual.
// x [rows, columns], gain [columns], bias [columns] or null, y [rows, columns].
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Layer normalisation; with mean 0 it is the root-mean-square form (Zhang and Sennrich 2019).</summary>
/// <remarks>
/// The fixed steps: mean = Σ x / n; variance = Σ (x − mean)² / n, a second pass, because E x² − mean² cancels; r = 1 / √(variance
/// + ε), root and quotient correctly rounded; y = fma((x − mean) · r, gain, bias), or ((x − mean) · r) · gain without bias.
/// </remarks>
internal readonly unsafe struct LayerNorm(
    FloatRows x, FloatRows residual, bool hasResidual, FloatRows sum, FloatRows y, float* gain, float* bias, int columns,
    float epsilon, bool isRms, bool storesThrough) : IRowKernel
{
    /// <summary>norm(x).</summary>
    public LayerNorm(
        FloatRows x, FloatRows y, float* gain, float* bias, int columns, float epsilon, bool isRms, bool storesThrough)
        : this(x, default, false, default, y, gain, bias, columns, epsilon, isRms, storesThrough)
    {
    }

    /// <summary>sum = x + residual, norm(sum); <paramref name="sum"/> may be <paramref name="y"/>.</summary>
    public LayerNorm(
        FloatRows x, FloatRows residual, FloatRows sum, FloatRows y, float* gain, float* bias, int columns, float epsilon,
        bool isRms, bool storesThrough)
        : this(x, residual, true, sum, y, gain, bias, columns, epsilon, isRms, storesThrough)
    {
    }

    // Rows that go through each pass before the next one begins: a sum ends in a chain of single numbers, and the processor
    // computes other rows while it waits. Four rows of 512 are 8 KiB, which the first cache keeps from pass to pass.
    private const int RowsAtOnce = 4;

    // Floats of sums that nobody asked for: they lie in the first cache, and the table is written once.
    private const int MostScratch = RowsAtOnce * 1024;

    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        if (storesThrough) Run<TSimd, StoreThrough>(first, end);
        else Run<TSimd, StoreToCache>(first, end);
    }

    [SkipLocalsInit]
    private void Run<TSimd, TStore>(int first, int end)
        where TSimd : unmanaged, ISimd<TSimd>
        where TStore : unmanaged, IStore
    {
        float* means = stackalloc float[RowsAtOnce];
        float* factors = stackalloc float[RowsAtOnce];
        float* memory = stackalloc float[MostScratch + Lanes.Count], sums = Lanes.Align(memory);
        bool isScratch = hasResidual && sum[first] == y[first] && RowsAtOnce * columns <= MostScratch;
        for (int row = first, count; row < end; row += count)
        {
            count = Math.Min(RowsAtOnce, end - row);
            FloatRows input = !hasResidual ? x : isScratch ? new FloatRows(sums - ((nint)row * columns), columns) : sum;
            for (int i = 0; hasResidual && i < count; i++)
                Elementwise<Addition>.Row<TSimd>(x[row + i], residual[row + i], input[row + i], columns);
            for (int i = 0; i < count; i++)
                means[i] = isRms ? 0f : RowReduction.Sum<TSimd, ValueTerm<TSimd>>(input[row + i], columns, default) / columns;
            for (int i = 0; i < count; i++)
            {
                var term = new SquaredDistanceTerm<TSimd>(TSimd.Broadcast(means[i]));
                float squares = RowReduction.Sum<TSimd, SquaredDistanceTerm<TSimd>>(input[row + i], columns, term);
                factors[i] = 1f / MathF.Sqrt((squares / columns) + epsilon);
            }

            for (int i = 0; i < count; i++)
            {
                int ahead = Math.Min(row + RowsAtOnce + i, end - 1);
                float* next = x[ahead], nextResidual = hasResidual ? residual[ahead] : next;
                Scale<TSimd, TStore>(input[row + i], y[row + i], means[i], factors[i], next, nextResidual);
            }
        }

        TStore.End();
    }

    private void Scale<TSimd, TStore>(float* x, float* y, float mean, float factor, float* next, float* nextResidual)
        where TSimd : unmanaged, ISimd<TSimd>
        where TStore : unmanaged, IStore
    {
        int left = columns % Lanes.Count, whole = columns - left;
        if (bias != null) ScaleSteps<TSimd, TStore>(x, y, gain, bias, whole, mean, factor, next, nextResidual);
        else ScaleSteps<TSimd, TStore>(x, y, gain, whole, mean, factor, next, nextResidual);
        if (left > 0) ScaleFirst<TSimd>(x + whole, y + whole, whole, left, mean, factor);
    }

    // The loops are methods of their own: with a call after the loop the JIT keeps the vectors of mean and factor in memory, and
    // loads them in each step.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ScaleSteps<TSimd, TStore>(
        float* x, float* y, float* gain, float* bias, nint columns, float mean, float factor, float* next, float* nextResidual)
        where TSimd : unmanaged, ISimd<TSimd>
        where TStore : unmanaged, IStore
    {
        TSimd center = TSimd.Broadcast(mean), r = TSimd.Broadcast(factor);
        for (nint i = 0; i < columns; i += Lanes.Count)
        {
            TStore.Ask(next + i);
            TStore.Ask(nextResidual + i);
            TStore.Store(TSimd.Fma((TSimd.Load(x + i) - center) * r, TSimd.Load(gain + i), TSimd.Load(bias + i)), y + i);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ScaleSteps<TSimd, TStore>(
        float* x, float* y, float* gain, nint columns, float mean, float factor, float* next, float* nextResidual)
        where TSimd : unmanaged, ISimd<TSimd>
        where TStore : unmanaged, IStore
    {
        TSimd center = TSimd.Broadcast(mean), r = TSimd.Broadcast(factor);
        for (nint i = 0; i < columns; i += Lanes.Count)
        {
            TStore.Ask(next + i);
            TStore.Ask(nextResidual + i);
            TStore.Store((TSimd.Load(x + i) - center) * r * TSimd.Load(gain + i), y + i);
        }
    }

    // What is left of a row: fewer columns than a vector has.
    private void ScaleFirst<TSimd>(float* x, float* y, int column, int count, float mean, float factor)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd scaled = (Lanes.LoadFirst<TSimd>(x, count) - TSimd.Broadcast(mean)) * TSimd.Broadcast(factor);
        TSimd lastGain = Lanes.LoadFirst<TSimd>(gain + column, count);
        TSimd last = bias != null
            ? TSimd.Fma(scaled, lastGain, Lanes.LoadFirst<TSimd>(bias + column, count))
            : scaled * lastGain;
        Lanes.StoreFirst(last, y, count);
    }
}
