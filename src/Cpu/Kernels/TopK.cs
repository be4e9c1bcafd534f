// The k best of log(softmax(x)) of each row, best first; equal values: the lower token first.
// x [rows, columns], values [rows, k], tokens [rows, k].
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>Two passes over the logits, then only over the blocks that can hold one of the best.</summary>
/// <remarks>
/// The order is by the rounded log-probabilities. They never fall where logits rise, and tokens are met in ascending order, so
/// a logit can displace the worst that is kept only if it is above that one's logit: almost all are left out by the
/// maximum of their block.
/// </remarks>
internal readonly unsafe struct TopK(
    FloatRows x, FloatRows values, int* tokens, long tokenStride, int columns, int k, float* scratch, int scratchPerWorker) : IRowKernel
{
    /// <summary>Blocks of a row: the scratch memory that a worker needs, in floats.</summary>
    public static int Blocks(int columns) => (int)(((long)columns + LogSoftmaxRow.Block - 1) / LogSoftmaxRow.Block);

    public void Run<TSimd>(int first, int end, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        float* maxima = scratch + ((nint)worker * scratchPerWorker);
        for (int row = first; row < end; row++)
        {
            float maximum = LogSoftmaxRow.Maximum<TSimd>(x[row], columns, maxima);
            LogSoftmaxRow measured = LogSoftmaxRow.Measure<TSimd>(x[row], columns, maximum);
            Select(measured, x[row], maxima, values[row], tokens + (row * tokenStride));
        }
    }

    // A heap with the worst on top, in place of the output, which is then sorted by taking the worst to its end.
    private void Select(in LogSoftmaxRow measured, float* x, float* maxima, float* best, int* token)
    {
        for (int i = 0; i < k; i++)
        {
            best[i] = measured.Value(x[i]);
            token[i] = i;
        }

        for (int i = (k / 2) - 1; i >= 0; i--) Sink(best, token, i, k);
        float threshold = x[token[0]];
        int blocks = Blocks(columns);
        for (int block = k / LogSoftmaxRow.Block; block < blocks; block++)
        {
            if (maxima[block] <= threshold) continue;   // not so where the threshold is NaN, the lowest of all
            int start = Math.Max(k, block * LogSoftmaxRow.Block);
            int end = (int)Math.Min(columns, ((long)block + 1) * LogSoftmaxRow.Block);
            for (int i = start; i < end; i++)
            {
                if (x[i] <= threshold) continue;
                float value = measured.Value(x[i]);
                if (value <= best[0]) continue;
                best[0] = value;
                token[0] = i;
                Sink(best, token, 0, k);
                threshold = x[token[0]];
            }
        }

        for (int last = k - 1; last > 0; last--)
        {
            (best[0], best[last]) = (best[last], best[0]);
            (token[0], token[last]) = (token[last], token[0]);
            Sink(best, token, 0, last);
        }
    }

    private static void Sink(float* best, int* token, int i, int count)
    {
        float value = best[i];
        int id = token[i];
        while (true)
        {
            long child = (2L * i) + 1;
            if (child >= count) break;
            int worst = (int)child;
            if (worst + 1 < count && IsWorse(best[worst + 1], token[worst + 1], best[worst], token[worst])) worst++;
            if (!IsWorse(best[worst], token[worst], value, id)) break;
            best[i] = best[worst];
            token[i] = token[worst];
            i = worst;
        }

        best[i] = value;
        token[i] = id;
    }

    private static bool IsWorse(float value, int token, float than, int thanToken) =>
        value < than || (value == than && token > thanToken);
}
