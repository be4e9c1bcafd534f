// The weights of attention themselves, for a reader: pictures and alignments.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>softmax of the scores, averaged over the first heads; one row a tile.</summary>
/// <param name="arguments">The call; the output is [rows, longest].</param>
/// <param name="scratch">Scores of a row for each worker.</param>
/// <param name="heads">How many heads are averaged.</param>
/// <param name="longest">Width of the output.</param>
internal unsafe struct AttentionWeights<TScore>(CachedArguments arguments, float* scratch, int heads, int longest)
    : ITileKernel where TScore : unmanaged, IScore
{
    private readonly CachedArguments _a = arguments;
    private readonly float* _scratch = scratch;

    /// <summary>Scratch memory of one worker, in floats.</summary>
    public static long ScratchFloats(int longest) => (longest + (KeyBlock.Keys - 1L)) & -KeyBlock.Keys;

    public readonly void Run<TSimd>(int row, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        float* scores = _scratch + (worker * ScratchFloats(longest)), output = _a.Output + (row * _a.OutputStride);
        int length = _a.Lengths[row], first = _a.First(row);
        new Span<float>(output, longest).Clear();
        for (int head = 0; head < heads; head++)
        {
            float sum = Weights<TSimd>(row, head, first, length, scores), inverse = sum == 0f ? 0f : 1f / sum;
            for (int i = first; i < length; i++) output[i] += scores[i] * inverse;
        }

        for (int i = first; i < length; i++) output[i] /= heads;
    }

    // With the largest score known first, no weight needs a correction.
    private readonly float Weights<TSimd>(int row, int head, int firstSeen, int length, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        float largest = float.NegativeInfinity, sum = 0f;
        int start = firstSeen & -KeyBlock.Keys;
        for (int block = start; block < length; block += KeyBlock.Keys)
        {
            int first = Math.Max(firstSeen - block, 0), end = Math.Min(length - block, KeyBlock.Keys);
            _a.Score<TSimd, TScore>(row, head, block, first, end, scores + block);
            KeyBlock.Correct<TSimd>(scores + block, first, end, &largest, &sum, null, 0);
        }

        for (int block = start; block < length; block += KeyBlock.Keys)
        {
            int first = Math.Max(firstSeen - block, 0), end = Math.Min(length - block, KeyBlock.Keys);
            KeyBlock.Weigh<TSimd>(scores + block, first, end, largest, &sum);
        }

        return sum;
    }
}
