// Attention of one query a row to a cache: the step of a decoder.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>Tensors and numbers of one call.</summary>
internal unsafe struct CachedArguments
{
    public CacheBlocks Cache;
    public float* Query, Output;
    public long QueryStride, OutputStride;

    /// <summary>v of additive attention, [heads · headDim]; else null.</summary>
    public float* ScoreWeights;

    /// <summary>Blocks of each row's history.</summary>
    public int* Blocks;

    public long BlocksStride;

    /// <summary>Positions of each row's history.</summary>
    public int* Lengths;

    public int Rows, Heads, HeadDim, ValueDim, Left;

    public float Scale;

    /// <summary>valueDim in whole vectors.</summary>
    public readonly int ValueWidth => Lanes.RoundUp(ValueDim);

    /// <summary>The first position that a row's query sees; the last is the last of its history.</summary>
    public readonly int First(int row) => (int)Math.Max((long)Lengths[row] - 1 - Left, 0);

    /// <summary>Scores a key block for one row and head.</summary>
    /// <param name="row">Which row.</param>
    /// <param name="head">Which head.</param>
    /// <param name="block">First position of the key block, a multiple of <see cref="KeyBlock.Keys"/>.</param>
    /// <param name="first">First position in the block that is seen.</param>
    /// <param name="end">One past the last.</param>
    /// <param name="scores">[KeyBlock.Keys].</param>
    public readonly void Score<TSimd, TScore>(int row, int head, int block, int first, int end, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
        where TScore : unmanaged, IScore
    {
        int firstPanel = first / Lanes.Count, endPanel = Lanes.RoundUp(end) / Lanes.Count;
        int* blocks = Blocks + (row * BlocksStride) + (block / Lanes.Count);
        KeyPanels panels = default;
        for (int panel = firstPanel; panel < endPanel; panel++) panels[panel] = Cache.Key(blocks[panel], head * HeadDim);
        float* weights = ScoreWeights == null ? null : ScoreWeights + ((long)head * HeadDim);
        float* query = Query + (row * QueryStride) + ((long)head * HeadDim);
        TScore.Single<TSimd>(query, weights, HeadDim, panels, firstPanel, endPanel, Scale, scores);
    }
}

/// <summary>A row and a head are a piece, some pieces a tile.</summary>
internal unsafe struct CachedAttention<TScore>(CachedArguments arguments, float* scratch, int piecesOfTile) : ITileKernel
    where TScore : unmanaged, IScore
{
    private readonly CachedArguments _a = arguments;
    private readonly float* _scratch = scratch;

    /// <summary>Number of pieces of a call.</summary>
    public static int Pieces(in CachedArguments a) => a.Rows * a.Heads;

    /// <summary>Scratch memory of one worker, in floats: for each head its scores, its running sum of values, and m and l.</summary>
    public static long ScratchFloats(in CachedArguments a) =>
        ((long)a.Heads * (KeyBlock.Keys + a.ValueWidth)) + (2L * Lanes.RoundUp(a.Heads));

    /// <summary>Number of tiles.</summary>
    public readonly int Tiles => (Pieces(_a) + piecesOfTile - 1) / piecesOfTile;

    public readonly void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        float* scratch = _scratch + (worker * ScratchFloats(_a));
        int end = Math.Min((tile + 1) * piecesOfTile, Pieces(_a));

        // Rows that stand together are hypotheses of one sentence; what they share is still in the second-level cache.
        for (int piece = tile * piecesOfTile, heads; piece < end; piece += heads)
        {
            int head = piece % _a.Heads;
            heads = Math.Min(_a.Heads - head, end - piece);
            Row<TSimd>(piece / _a.Heads, head, heads, scratch);
        }
    }

    // Step by step for all heads: keys and values are then two streams as long as they can be, and the softmax of a head, whose
    // steps wait for each other, overlaps with those of others.
    private readonly void Row<TSimd>(int row, int firstHead, int heads, float* scores) where TSimd : unmanaged, ISimd<TSimd>
    {
        int length = _a.Lengths[row], width = _a.ValueWidth, firstSeen = _a.First(row);
        float* output = scores + (heads * KeyBlock.Keys), largest = output + (heads * width), sum = largest + heads;
        new Span<float>(output, heads * width).Clear();
        new Span<float>(largest, heads).Fill(float.NegativeInfinity);
        new Span<float>(sum, heads).Clear();
        for (int block = firstSeen & -KeyBlock.Keys; block < length; block += KeyBlock.Keys)
        {
            int first = Math.Max(firstSeen - block, 0), end = Math.Min(length - block, KeyBlock.Keys);
            for (int head = 0; head < heads; head++)
                _a.Score<TSimd, TScore>(row, firstHead + head, block, first, end, scores + (head * KeyBlock.Keys));
            for (int head = 0; head < heads; head++)
            {
                float* score = scores + (head * KeyBlock.Keys);
                KeyBlock.Correct<TSimd>(score, first, end, largest + head, sum + head, output + (head * width), width);
            }

            for (int head = 0; head < heads; head++)
                KeyBlock.Weigh<TSimd>(scores + (head * KeyBlock.Keys), first, end, largest[head], sum + head);

            int* blocks = _a.Blocks + (row * _a.BlocksStride) + (block / Lanes.Count);
            while (first < end)
            {
                int panel = first / Lanes.Count, position = first % Lanes.Count;
                int keys = Math.Min(Lanes.Count - position, end - first);
                for (int head = 0; head < heads; head++)
                {
                    float* values = _a.Cache.Value(blocks[panel], position, firstHead + head);
                    KeyBlock.AddSingle<TSimd>(
                        scores + (head * KeyBlock.Keys) + first, values, _a.ValueDim, keys, output + (head * width), width);
                }

                first += keys;
            }
        }

        float* destination = _a.Output + (row * _a.OutputStride) + ((long)firstHead * _a.ValueDim);
        for (int head = 0; head < heads; head++)
            KeyBlock.Finish<TSimd>(output + (head * width), sum[head], destination + ((nint)head * _a.ValueDim), _a.ValueDim);
    }
}
