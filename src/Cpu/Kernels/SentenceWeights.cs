// The weights of attention of whole sentences themselves, for a reader: an operator of its own, so that attention never keeps them.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>
/// softmax of the scores: the scores and exponentials of attention, with the largest score known first. A sentence and head a tile.
/// </summary>
/// <param name="arguments">The call without values; the output is [queryRows · heads, longest].</param>
/// <param name="scratch">Keys and scores of one sentence and head, for each worker.</param>
/// <param name="longest">Width of the output.</param>
internal unsafe struct SentenceWeights<TScore>(AttentionArguments arguments, float* scratch, int longest) : ITileKernel
    where TScore : unmanaged, IScore
{
    private readonly AttentionArguments _a = arguments;
    private readonly float* _scratch = scratch;

    /// <summary>Number of tiles.</summary>
    public readonly int Tiles => checked(_a.Sentences * _a.Heads);

    /// <summary>Scratch memory of one worker, in floats.</summary>
    public static long ScratchFloats(int headDim, int longest) => Width(longest) * (headDim + 1L);

    public readonly void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        int sentence = tile / _a.Heads, head = tile % _a.Heads;
        int queries = _a.QueryOffsets[sentence + 1] - _a.QueryOffsets[sentence];
        int keys = _a.KeyOffsets[sentence + 1] - _a.KeyOffsets[sentence];
        float* scores = _scratch + (worker * ScratchFloats(_a.HeadDim, longest)), panels = scores + Width(longest);
        if (queries > 0) Pack(sentence, head, keys, panels);
        for (int i = 0; i < queries; i++)
        {
            long row = (long)_a.QueryOffsets[sentence] + i, position = (long)i + keys - queries;
            int first = (int)Math.Clamp(position - _a.Left, 0, keys), end = (int)Math.Clamp(position + _a.Right + 1, 0, keys);
            float* output = _a.Output + (((row * _a.Heads) + head) * _a.OutputStride);
            new Span<float>(output, longest).Clear();
            if (first >= end) continue;
            float sum = Weights<TSimd>(row, head, first, end, keys, panels, scores), inverse = sum == 0f ? 0f : 1f / sum;
            for (int j = first; j < end; j++) output[j] = scores[j] * inverse;
        }
    }

    private static long Width(int longest) => (longest + (KeyBlock.Keys - 1L)) & -KeyBlock.Keys;

    private readonly void Pack(int sentence, int head, int keys, float* panels)
    {
        float* key = _a.Key + (_a.KeyOffsets[sentence] * _a.KeyStride) + ((long)head * _a.HeadDim);
        for (int row = 0; row < keys; row += Lanes.Count)
        {
            Panel.Put(
                key + (row * _a.KeyStride), _a.KeyStride, Math.Min(Lanes.Count, keys - row), _a.HeadDim,
                panels + ((long)row * _a.HeadDim));
        }
    }

    private readonly float Weights<TSimd>(
        long row, int head, int firstSeen, int endSeen, int keys, float* panels, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        float largest = float.NegativeInfinity, sum = 0f;
        float* query = _a.Query + (row * _a.QueryStride) + ((long)head * _a.HeadDim);
        int start = firstSeen & -KeyBlock.Keys;
        for (int block = start; block < endSeen; block += KeyBlock.Keys)
        {
            int first = Math.Max(firstSeen - block, 0), end = Math.Min(endSeen - block, KeyBlock.Keys);
            KeyPanels of = KeyPanels.Consecutive(
                panels + ((long)block * _a.HeadDim), _a.HeadDim, Lanes.RoundUp(keys - block) / Lanes.Count);
            TScore.Single<TSimd>(
                query, _a.Weights(head), _a.HeadDim, of, first / Lanes.Count, Lanes.RoundUp(end) / Lanes.Count, _a.Scale,
                scores + block);
            KeyBlock.Correct<TSimd>(scores + block, first, end, &largest, &sum, null, 0);
        }

        for (int block = start; block < endSeen; block += KeyBlock.Keys)
        {
            int first = Math.Max(firstSeen - block, 0), end = Math.Min(endSeen - block, KeyBlock.Keys);
            KeyBlock.Weigh<TSimd>(scores + block, first, end, largest, &sum);
        }

        return sum;
    }
}
