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
    float epsilon, bool isRms) : IRowKernel
{
    /// <summary>norm(x).</summary>
    public LayerNorm(FloatRows x, FloatRows y, float* gain, float* bias, int columns, float epsilon, bool isRms)
        : this(x, default, false, default, y, gain, bias, columns, epsilon, isRms)
    {
    }

    /// <summary>sum = x + residual, norm(sum); <paramref name="sum"/> may be <paramref name="y"/>.</summary>
    public LayerNorm(
        FloatRows x, FloatRows residual, FloatRows sum, FloatRows y, float* gain, float* bias, int columns, float epsilon,
        bool isRms)
        : this(x, residual, true, sum, y, gain, bias, columns, epsilon, isRms)
    {
    }

    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++)
        {
            float* input = x[row];
            if (hasResidual)
            {
                Elementwise<Addition>.Row<TSimd>(input, residual[row], sum[row], columns);
                input = sum[row];   // still in the first cache
            }

            Normalize<TSimd>(input, y[row]);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Normalize<TSimd>(float* x, float* y) where TSimd : unmanaged, ISimd<TSimd>
    {
        float mean = isRms ? 0f : RowReduction.Sum<TSimd, ValueTerm<TSimd>>(x, columns, default) / columns;
        TSimd center = TSimd.Broadcast(mean);
        float squares = RowReduction.Sum<TSimd, SquaredDistanceTerm<TSimd>>(x, columns, new(center));
        TSimd r = TSimd.Broadcast(1f / MathF.Sqrt((squares / columns) + epsilon));

        float* gain1 = gain, bias1 = bias;
        nint i = 0;
        if (bias1 != null)
        {
            for (; i <= columns - Lanes.Count; i += Lanes.Count)
                TSimd.Store(TSimd.Fma((TSimd.Load(x + i) - center) * r, TSimd.Load(gain1 + i), TSimd.Load(bias1 + i)), y + i);
        }
        else
        {
            for (; i <= columns - Lanes.Count; i += Lanes.Count)
                TSimd.Store((TSimd.Load(x + i) - center) * r * TSimd.Load(gain1 + i), y + i);
        }

        int left = (int)(columns - i);
        if (left == 0) return;
        TSimd scaled = (Lanes.LoadFirst<TSimd>(x + i, left) - center) * r;
        TSimd lastGain = Lanes.LoadFirst<TSimd>(gain1 + i, left);
        TSimd last = bias1 != null
            ? TSimd.Fma(scaled, lastGain, Lanes.LoadFirst<TSimd>(bias1 + i, left))
            : scaled * lastGain;
        Lanes.StoreFirst(last, y + i, left);
    }
}
