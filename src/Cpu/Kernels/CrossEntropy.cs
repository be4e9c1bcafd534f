// Cross-entropy with label smoothing (Szegedy et al. 2016), and its gradient in the place of the logits: with p = softmax(x) and
// q = (1 − s) · [token = target] + s / n, loss = −Σ q ln p and gradient = (p − q) · scale.
// x [rows, columns], targets [rows], losses [rows, 2].
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Loss and gradient, a row at a time.</summary>
internal readonly unsafe struct CrossEntropy(
    FloatRows x, int* targets, FloatRows losses, int columns, float smoothing, float scale) : IRowKernel
{
    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = first; row < end; row++)
        {
            if (targets[row] < 0)
            {
                new Span<float>(x[row], columns).Clear();
                losses[row][0] = losses[row][1] = 0f;
                continue;
            }

            Row<TSimd>(x[row], targets[row], losses[row]);
        }
    }

    private void Row<TSimd>(float* row, int target, float* loss) where TSimd : unmanaged, ISimd<TSimd>
    {
        // LogSoftmaxRow takes NaN for the lowest number; a sum over all logits does not.
        LogSoftmaxRow measured = LogSoftmaxRow.Measure<TSimd>(row, columns);
        float sum = RowReduction.Sum<TSimd, DistanceTerm<TSimd>>(
            row, columns, new DistanceTerm<TSimd>(TSimd.Broadcast(measured.LogTotal)));
        float ofTarget = -measured.Value(row[target]), share = smoothing / columns;
        loss[0] = float.IsFinite(sum) ? ((1f - smoothing) * ofTarget) + (share * sum) : float.NaN;
        loss[1] = float.IsFinite(sum) ? ofTarget : float.NaN;
        Gradient<TSimd>(row, measured, share * scale);
        row[target] -= (1f - smoothing) * scale;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Gradient<TSimd>(float* row, LogSoftmaxRow measured, float share) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd factor = TSimd.Broadcast(scale), less = TSimd.Broadcast(-share);
        nint i = 0;
        for (; i <= columns - Lanes.Count; i += Lanes.Count)
        {
            TSimd p = Exponential.OfNegative(measured.Value(TSimd.Load(row + i)));
            TSimd.Store(TSimd.Fma(p, factor, less), row + i);
        }

        int left = (int)(columns - i);
        if (left > 0)
        {
            TSimd p = Exponential.OfNegative(measured.Value(Lanes.LoadFirst<TSimd>(row + i, left)));
            Lanes.StoreFirst(TSimd.Fma(p, factor, less), row + i, left);
        }
    }

    /// <summary>Σ (c − x).</summary>
    private readonly struct DistanceTerm<TSimd>(TSimd from) : ITerm<TSimd> where TSimd : unmanaged, ISimd<TSimd>
    {
        private readonly TSimd _from = from;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TSimd Add(TSimd chain, TSimd x) => chain + (_from - x);
    }
}
