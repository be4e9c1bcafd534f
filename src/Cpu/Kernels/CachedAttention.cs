// Attention of one query a row to a cache: the step of a decoder.
using System.Runtime.Intrinsics.X86;
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

    /// <summary>Scratch memory of one worker, in floats: scores and the running sum of one query.</summary>
    public static long ScratchFloats(int valueWidth) => KeyBlock.Keys + valueWidth;

    /// <summary>Number of tiles.</summary>
    public readonly int Tiles => (Pieces(_a) + piecesOfTile - 1) / piecesOfTile;

    public readonly void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        float* scores = _scratch + (worker * ScratchFloats(_a.ValueWidth));
        int end = Math.Min((tile + 1) * piecesOfTile, Pieces(_a));

        // Head after head of a row: the panels of a block's keys then are one stream. Rows that stand together are hypotheses
        // of one sentence; what they share is still in the second-level cache.
        for (int piece = tile * piecesOfTile; piece < end; piece++) Row<TSimd>(piece / _a.Heads, piece % _a.Heads, scores);
    }

    // Values of a head are short runs, far apart: those of the next head are asked for while this one's are added.
    private readonly void PrefetchNextHead(float* values, int keys)
    {
        float* next = values + _a.ValueDim;
        for (int key = 0; key < keys; key++, next += _a.Cache.ValueColumns)
        {
            for (int column = 0; column < _a.ValueDim; column += Lanes.Count) Sse.Prefetch0(next + column);
        }
    }

    private readonly void Row<TSimd>(int row, int head, float* scores) where TSimd : unmanaged, ISimd<TSimd>
    {
        int length = _a.Lengths[row], width = _a.ValueWidth, firstSeen = _a.First(row);
        float* output = scores + KeyBlock.Keys;
        float largest = float.NegativeInfinity, sum = 0f;
        new Span<float>(output, width).Clear();
        for (int block = firstSeen & -KeyBlock.Keys; block < length; block += KeyBlock.Keys)
        {
            int first = Math.Max(firstSeen - block, 0), end = Math.Min(length - block, KeyBlock.Keys);
            _a.Score<TSimd, TScore>(row, head, block, first, end, scores);
            KeyBlock.Correct<TSimd>(scores, first, end, &largest, &sum, output, width);
            KeyBlock.Weigh<TSimd>(scores, first, end, largest, &sum);
            int* blocks = _a.Blocks + (row * _a.BlocksStride) + (block / Lanes.Count);
            while (first < end)
            {
                int panel = first / Lanes.Count, position = first % Lanes.Count;
                int keys = Math.Min(Lanes.Count - position, end - first);
                float* values = _a.Cache.Value(blocks[panel], position, head * _a.ValueDim);
                if (Sse.IsSupported) PrefetchNextHead(values, keys);
                KeyBlock.AddSingle<TSimd>(scores + first, values, _a.Cache.ValueColumns, keys, output, width);
                first += keys;
            }
        }

        float* destination = _a.Output + (row * _a.OutputStride) + ((long)head * _a.ValueDim);
        KeyBlock.Finish<TSimd>(output, sum, destination, _a.ValueDim);
    }
}
