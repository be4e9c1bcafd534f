// Attention of whole sentences: tiles of 48 queries pass over blocks of 64 keys, so that no n × n matrix is ever made.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>Tensors and numbers of one call: what all tiles share.</summary>
internal unsafe struct AttentionArguments
{
    public float* Query, Key, Value, Output;
    public long QueryStride, KeyStride, ValueStride, OutputStride;

    /// <summary>v of additive attention, [heads · headDim]; else null.</summary>
    public float* ScoreWeights;

    /// <summary>[sentences + 1].</summary>
    public int* QueryOffsets, KeyOffsets;

    public int Sentences, Heads, HeadDim, ValueDim;

    public float Scale;

    /// <summary>Bounds on key − query, <see cref="int.MaxValue"/> for none.</summary>
    public int Left, Right;

    /// <summary>What the weights are multiplied by after the softmax, in training.</summary>
    public DropoutFactors Dropout;

    /// <summary>Queries of all sentences.</summary>
    public readonly int QueryRows => QueryOffsets[Sentences];

    /// <summary>valueDim in whole vectors.</summary>
    public readonly int ValueWidth => Lanes.RoundUp(ValueDim);

    /// <summary>v of a head.</summary>
    public readonly float* Weights(int head) => ScoreWeights == null ? null : ScoreWeights + ((long)head * HeadDim);
}

/// <summary>Where the keys and values of one sentence and head are, ready for the kernels.</summary>
/// <param name="keys">Panels, [⌈keys / 16⌉][headDim][16].</param>
/// <param name="values">[keys][valueWidth]; columns beyond valueDim are zero.</param>
internal readonly unsafe struct PackedHead(float* keys, float* values)
{
    public readonly float* Keys = keys, Values = values;
}

/// <summary>Packs sixteen keys and their values at a time, for all sentences and heads, before the queries come.</summary>
internal unsafe struct PackHeads(AttentionArguments arguments, float* keys, float* values, int panelsOfTile) : ITileKernel
{
    private readonly AttentionArguments _a = arguments;
    private readonly float* _keys = keys, _values = values;

    /// <summary>Panels of a head, of all sentences.</summary>
    public readonly int PanelsOfHead => Panels.Count;

    /// <summary>Number of tiles.</summary>
    public readonly int Tiles => (int)((((long)PanelsOfHead * _a.Heads) + panelsOfTile - 1) / panelsOfTile);

    private readonly RaggedTiles Panels => new(_a.KeyOffsets, _a.Sentences, Lanes.Count);

    public readonly void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        int end = (int)Math.Min((long)(tile + 1) * panelsOfTile, (long)PanelsOfHead * _a.Heads);
        for (int panel = tile * panelsOfTile; panel < end; panel++)
        {
            int head = panel / PanelsOfHead;
            if (Panels.Find(panel % PanelsOfHead, out int sentence, out int row, out int rows))
                Pack(_a, sentence, head, row, rows, Head(sentence, head));
        }
    }

    /// <summary>Where a sentence's head is packed.</summary>
    public readonly PackedHead Head(int sentence, int head)
    {
        long panel = ((long)head * PanelsOfHead) + Panels.First(sentence);
        return new PackedHead(_keys + (panel * _a.HeadDim * Lanes.Count), _values + (panel * _a.ValueWidth * Lanes.Count));
    }

    /// <summary>Packs one panel of keys and their values.</summary>
    /// <param name="a">The call.</param>
    /// <param name="sentence">Which sentence.</param>
    /// <param name="head">Which head.</param>
    /// <param name="row">First key, a multiple of 16.</param>
    /// <param name="rows">Keys, 1 .. 16.</param>
    /// <param name="packed">Where all keys and values of the sentence's head go.</param>
    public static void Pack(in AttentionArguments a, int sentence, int head, int row, int rows, PackedHead packed)
    {
        long source = (long)a.KeyOffsets[sentence] + row;
        float* key = a.Key + (source * a.KeyStride) + ((long)head * a.HeadDim);
        Panel.Put(key, a.KeyStride, rows, a.HeadDim, packed.Keys + ((long)row * a.HeadDim));
        float* value = a.Value + (source * a.ValueStride) + ((long)head * a.ValueDim);
        float* destination = packed.Values + ((long)row * a.ValueWidth);
        for (int i = 0; i < rows; i++)
        {
            var to = new Span<float>(destination, a.ValueWidth);
            new ReadOnlySpan<float>(value, a.ValueDim).CopyTo(to);
            to[a.ValueDim..].Clear();
            value += a.ValueStride;
            destination += a.ValueWidth;
        }
    }
}

/// <summary>Scratch memory of one worker.</summary>
internal readonly unsafe struct AttentionScratch
{
    public readonly float* Query, Scores, Output, Largest, Sum;
    public readonly int* First, End;
    public readonly PackedHead Packed;

    /// <summary>Finds its parts.</summary>
    /// <param name="memory">All workers' memory.</param>
    /// <param name="worker">Which worker.</param>
    /// <param name="headDim">Width of a query.</param>
    /// <param name="valueWidth">Width of an output, in whole vectors.</param>
    /// <param name="packedKeys">Keys that can be packed here, a multiple of 16; 0 for none.</param>
    public AttentionScratch(float* memory, int worker, int headDim, int valueWidth, int packedKeys)
    {
        const int Rows = QueryTile.Rows;
        memory += Floats(headDim, valueWidth, packedKeys) * worker;
        Scores = memory;
        Output = Scores + (Rows * KeyBlock.Keys);
        Largest = Output + ((long)Rows * valueWidth);
        Sum = Largest + Rows;
        First = (int*)(Sum + Rows);
        End = First + Rows;
        float* values = (float*)(End + Rows);
        float* keys = values + ((long)packedKeys * valueWidth);
        Packed = new PackedHead(keys, values);
        Query = keys + ((long)packedKeys * headDim);
    }

    /// <summary>Size for one worker, in floats: whole cache lines.</summary>
    public static long Floats(int headDim, int valueWidth, int packedKeys)
    {
        const int Rows = QueryTile.Rows;
        long query = (((long)Rows * headDim) + (Lanes.Count - 1)) & ~(Lanes.Count - 1L);
        return (Rows * (KeyBlock.Keys + valueWidth + 4L)) + ((long)packedKeys * (headDim + valueWidth)) + query;
    }
}

/// <summary>One tile: some queries of one sentence and head, and all keys that they see.</summary>
internal static unsafe class QueryTile
{
    /// <summary>
    /// Queries of a tile. 48 rows of scores are 12 KiB: they stay in the first cache beside the keys, and then the values, of
    /// a block, which are read from the second once for all 48.
    /// </summary>
    public const int Rows = 48;

    // Queries that meet more keys than this are copied first: in a table of queries, keys and values, rows that are a power
    // of two apart would drive each other out of the first cache.
    private const int KeysForCopy = 2 * KeyBlock.Keys;

    /// <summary>Computes the output of a tile.</summary>
    /// <param name="a">The call.</param>
    /// <param name="sentence">Which sentence.</param>
    /// <param name="head">Which head.</param>
    /// <param name="row">First query in the sentence.</param>
    /// <param name="rows">Queries, 1 .. Rows.</param>
    /// <param name="packed">Keys and values of the sentence's head.</param>
    /// <param name="scratch">Memory of this worker.</param>
    public static void Run<TSimd, TScore>(
        in AttentionArguments a, int sentence, int head, int row, int rows, PackedHead packed, in AttentionScratch scratch)
        where TSimd : unmanaged, ISimd<TSimd>
        where TScore : unmanaged, IScore
    {
        int queries = a.QueryOffsets[sentence + 1] - a.QueryOffsets[sentence];
        int keys = a.KeyOffsets[sentence + 1] - a.KeyOffsets[sentence];
        long queryRow = (long)a.QueryOffsets[sentence] + row;
        int width = a.ValueWidth;

        float* query = a.Query + (queryRow * a.QueryStride) + ((long)head * a.HeadDim);
        long stride = a.QueryStride;
        if (keys > KeysForCopy)
        {
            Copy(query, stride, rows, a.HeadDim, scratch.Query);
            query = scratch.Query;
            stride = a.HeadDim;
        }

        new Span<float>(scratch.Output, rows * width).Clear();
        new Span<float>(scratch.Largest, rows).Fill(float.NegativeInfinity);
        new Span<float>(scratch.Sum, rows).Clear();
        for (int i = 0; i < rows; i++)
        {
            long position = (long)row + i + keys - queries;
            scratch.First[i] = (int)Math.Clamp(position - a.Left, 0, keys);
            scratch.End[i] = (int)Math.Clamp(position + a.Right + 1, 0, keys);
        }

        int end = scratch.End[rows - 1];
        for (int block = scratch.First[0] & -KeyBlock.Keys; block < end; block += KeyBlock.Keys)
            Block<TSimd, TScore>(a, query, stride, head, queryRow, rows, block, keys, packed, scratch);

        float* output = a.Output + (queryRow * a.OutputStride) + ((long)head * a.ValueDim);
        for (int i = 0; i < rows; i++)
        {
            KeyBlock.Finish<TSimd>(scratch.Output + (i * width), scratch.Sum[i], output, a.ValueDim);
            output += a.OutputStride;
        }
    }

    private static void Block<TSimd, TScore>(
        in AttentionArguments a, float* query, long stride, int head, long queryRow, int rows, int block, int keys,
        PackedHead packed, in AttentionScratch scratch)
        where TSimd : unmanaged, ISimd<TSimd>
        where TScore : unmanaged, IScore
    {
        const int Group = KeyBlock.GroupRows;
        int width = a.ValueWidth;
        KeyPanels panels = KeyPanels.Consecutive(
            packed.Keys + ((long)block * a.HeadDim), a.HeadDim, Lanes.RoundUp(keys - block) / Lanes.Count);

        // Both ends of what a query sees grow with the query: the first and the last of a group bound it.
        for (int i = 0; i < rows; i += Group)
        {
            int last = Math.Min(i + Group, rows) - 1;
            int first = Math.Max(scratch.First[i] - block, 0), end = Math.Min(scratch.End[last] - block, KeyBlock.Keys);
            if (first >= end) continue;
            int firstPanel = first / Lanes.Count, endPanel = Lanes.RoundUp(end) / Lanes.Count;
            float* q = query + (i * stride), scores = scratch.Scores + (i * KeyBlock.Keys);
            if (last == i + Group - 1)
            {
                TScore.Group<TSimd>(q, stride, a.Weights(head), a.HeadDim, panels, firstPanel, endPanel, a.Scale, scores);
                continue;
            }

            for (int r = i; r <= last; r++)
            {
                TScore.Single<TSimd>(q, a.Weights(head), a.HeadDim, panels, firstPanel, endPanel, a.Scale, scores);
                q += stride;
                scores += KeyBlock.Keys;
            }
        }

        for (int i = 0; i < rows; i++)
        {
            int first = Math.Max(scratch.First[i] - block, 0), end = Math.Min(scratch.End[i] - block, KeyBlock.Keys);
            if (first >= end) continue;
            KeyBlock.Correct<TSimd>(
                scratch.Scores + (i * KeyBlock.Keys), first, end, scratch.Largest + i, scratch.Sum + i,
                scratch.Output + (i * width), width);
        }

        for (int i = 0; i < rows; i++)
        {
            int first = Math.Max(scratch.First[i] - block, 0), end = Math.Min(scratch.End[i] - block, KeyBlock.Keys);
            if (first >= end) continue;
            KeyBlock.Weigh<TSimd>(
                scratch.Scores + (i * KeyBlock.Keys), first, end, scratch.Largest[i], scratch.Sum + i);
        }

        if (!a.Dropout.IsNone)
        {
            long row = ((long)head * a.QueryRows) + queryRow;
            for (int i = 0; i < rows; i++)
            {
                // Weights of keys that are not seen may hold anything; they are not read again.
                float* weights = scratch.Scores + (i * KeyBlock.Keys);
                a.Dropout.Multiply<TSimd>(row + i, block, weights, weights, KeyBlock.Keys);
            }
        }

        float* values = packed.Values + ((long)block * width);
        for (int i = 0; i < rows; i += Group)
        {
            int last = Math.Min(i + Group, rows) - 1;
            int first = Math.Max(scratch.First[last] - block, 0), end = Math.Min(scratch.End[i] - block, KeyBlock.Keys);
            bool shared = last == i + Group - 1 && first < end;

            // Only keys that all six see are added for six; the others, at the slopes of a mask, row by row before and after.
            for (int r = i; r <= last; r++)
            {
                int begin = Math.Max(scratch.First[r] - block, 0);
                AddValues<TSimd>(scratch, r, begin, shared ? first : Math.Min(scratch.End[r] - block, KeyBlock.Keys), values, width);
            }

            if (!shared) continue;
            KeyBlock.AddGroup<TSimd>(
                scratch.Scores + (i * KeyBlock.Keys) + first, values + ((nint)first * width), width, end - first,
                scratch.Output + (i * width), width);
            for (int r = i; r <= last; r++)
                AddValues<TSimd>(scratch, r, end, Math.Min(scratch.End[r] - block, KeyBlock.Keys), values, width);
        }
    }

    private static void Copy(float* rows, long stride, int count, int columns, float* destination)
    {
        for (int i = 0; i < count; i++)
        {
            new ReadOnlySpan<float>(rows, columns).CopyTo(new Span<float>(destination, columns));
            rows += stride;
            destination += columns;
        }
    }

    private static void AddValues<TSimd>(in AttentionScratch scratch, int row, int first, int end, float* values, int width)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        if (first >= end) return;
        KeyBlock.AddSingle<TSimd>(
            scratch.Scores + (row * KeyBlock.Keys) + first, values + ((nint)first * width), width, end - first,
            scratch.Output + (row * width), width);
    }
}

/// <summary>Long sentences: tiles of queries over keys that are packed already.</summary>
internal unsafe struct FlashAttention<TScore>(
    AttentionArguments arguments, PackHeads packed, float* scratch, int queriesOfTile) : ITileKernel
    where TScore : unmanaged, IScore
{
    private readonly AttentionArguments _a = arguments;
    private readonly float* _scratch = scratch;

    /// <summary>Number of tiles.</summary>
    public readonly int Tiles => (int)((All + queriesOfTile - 1) / queriesOfTile);

    private readonly RaggedTiles Queries => new(_a.QueryOffsets, _a.Sentences, QueryTile.Rows);

    private readonly long All => (long)Queries.Count * _a.Heads;

    public readonly void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        var scratch = new AttentionScratch(_scratch, worker, _a.HeadDim, _a.ValueWidth, 0);
        long end = Math.Min((long)(tile + 1) * queriesOfTile, All);
        for (long number = (long)tile * queriesOfTile; number < end; number++)
        {
            // Head by head, so that a head's keys stay in the cache; from the end, because under a causal mask the last
            // queries see most, and the longest work should not begin last.
            int head = (int)(number / Queries.Count), place = Queries.Count - 1 - (int)(number % Queries.Count);
            if (Queries.Find(place, out int sentence, out int row, out int rows))
                QueryTile.Run<TSimd, TScore>(_a, sentence, head, row, rows, packed.Head(sentence, head), scratch);
        }
    }
}

/// <summary>Short sentences: a worker packs the keys of a sentence's head and passes its queries over them while they are near.</summary>
internal unsafe struct ShortAttention<TScore>(AttentionArguments arguments, float* scratch, int longest, int pairsOfTile)
    : ITileKernel where TScore : unmanaged, IScore
{
    private readonly AttentionArguments _a = arguments;
    private readonly float* _scratch = scratch;

    /// <summary>Number of tiles.</summary>
    public readonly int Tiles => (int)((All + pairsOfTile - 1) / pairsOfTile);

    private readonly long All => (long)_a.Sentences * _a.Heads;

    public readonly void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        var scratch = new AttentionScratch(_scratch, worker, _a.HeadDim, _a.ValueWidth, Lanes.RoundUp(longest));
        long end = Math.Min((long)(tile + 1) * pairsOfTile, All);
        for (long number = (long)tile * pairsOfTile; number < end; number++)
        {
            int sentence = (int)(number / _a.Heads), head = (int)(number % _a.Heads);
            int queries = _a.QueryOffsets[sentence + 1] - _a.QueryOffsets[sentence];
            int keys = _a.KeyOffsets[sentence + 1] - _a.KeyOffsets[sentence];
            if (queries == 0) continue;
            for (int row = 0; row < keys; row += Lanes.Count)
                PackHeads.Pack(_a, sentence, head, row, Math.Min(Lanes.Count, keys - row), scratch.Packed);
            for (int row = 0; row < queries; row += QueryTile.Rows)
            {
                QueryTile.Run<TSimd, TScore>(
                    _a, sentence, head, row, Math.Min(QueryTile.Rows, queries - row), scratch.Packed, scratch);
            }
        }
    }
}
