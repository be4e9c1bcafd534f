// The backward of FlashAttention.cs: scores and weights are computed again, some queries at a time, so that memory is O(rows). With D
// the dropout: dV = (D ∘ P)ᵀ dO, dP = D ∘ (dO Vᵀ), dS = P ∘ (dP − Σ P ∘ dP), dQ = dS K · scale, dK = dSᵀ Q · scale.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>Where gradients come from and go to.</summary>
internal unsafe struct AttentionGradientArguments
{
    /// <summary>What the forward operator was given.</summary>
    public AttentionArguments Forward;

    public float* OutputGradient, QueryGradient, KeyGradient, ValueGradient;
    public long OutputGradientStride, QueryGradientStride, KeyGradientStride, ValueGradientStride;

    /// <summary>Additive attention: [sentences][heads · headDim], what each sentence adds to the gradient of v.</summary>
    public float* ScorePartials;
}

/// <summary>How a score and its gradients are made: by a product, or additively.</summary>
internal unsafe interface IScoreGradient
{
    /// <summary>scores[i][key] for all keys of some panels, not scaled.</summary>
    static abstract void Scores<TSimd>(in GradientTile tile) where TSimd : unmanaged, ISimd<TSimd>;

    /// <summary>From the gradients of the scores, in the tile's WeightGradients, to those of queries, keys and v.</summary>
    static abstract void Gradients<TSimd>(in GradientTile tile) where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>Some queries of one sentence and head, and the panels of keys that any of them sees.</summary>
internal readonly unsafe struct GradientTile
{
    /// <summary>[rows][headWidth]: queries and their gradients; [rows][valueWidth]: gradients of the outputs.</summary>
    public readonly float* Query, QueryGradient, OutputGradient;

    /// <summary>[rows][keyWidth]: scores or weights, and gradients of them.</summary>
    public readonly float* Weights, WeightGradients;

    /// <summary>[headWidth][keyWidth], [valueWidth][keyWidth]: keys and values, transposed.</summary>
    public readonly float* Keys, Values;

    /// <summary>[keyWidth][headWidth]: keys, for dot products; additive: the transposed gradient [headWidth][keyWidth] is KeyGradient.</summary>
    public readonly float* KeyRows;

    /// <summary>Sums of the sentence's head.</summary>
    public readonly float* KeyGradient, ValueGradient, ScoreGradient;

    /// <summary>v of the head, or null.</summary>
    public readonly float* Score;

    public readonly int HeadDim, HeadWidth, ValueWidth, KeyWidth;
    public readonly int Rows, FirstKey, EndKey;

    /// <summary>Finds its parts in a worker's memory.</summary>
    public GradientTile(float* memory, in AttentionArguments a, int head, int keyWidth)
    {
        HeadDim = a.HeadDim;
        HeadWidth = Lanes.RoundUp(a.HeadDim);
        ValueWidth = a.ValueWidth;
        KeyWidth = keyWidth;
        Score = a.Weights(head);
        Keys = memory;
        Values = Keys + ((nint)HeadWidth * keyWidth);
        KeyRows = Values + ((nint)ValueWidth * keyWidth);
        KeyGradient = KeyRows + ((nint)HeadWidth * keyWidth);
        ValueGradient = KeyGradient + ((nint)HeadWidth * keyWidth);
        ScoreGradient = ValueGradient + ((nint)ValueWidth * keyWidth);
        Query = ScoreGradient + HeadWidth;
        QueryGradient = Query + ((nint)MostRows * HeadWidth);
        OutputGradient = QueryGradient + ((nint)MostRows * HeadWidth);
        Weights = OutputGradient + ((nint)MostRows * ValueWidth);
        WeightGradients = Weights + ((nint)MostRows * keyWidth);
    }

    /// <summary>The same memory for other queries.</summary>
    public GradientTile(in GradientTile tile, int rows, int firstKey, int endKey)
    {
        this = tile;
        Rows = rows;
        FirstKey = firstKey;
        EndKey = endKey;
    }

    /// <summary>Most queries of a tile.</summary>
    public const int MostRows = 32;

    /// <summary>Floats of a worker's memory.</summary>
    public static long Floats(in AttentionArguments a, int keyWidth)
    {
        long head = Lanes.RoundUp(a.HeadDim), value = a.ValueWidth;
        return (((3 * head) + (2 * value)) * keyWidth) + head + (MostRows * ((2 * head) + value + (2L * keyWidth)));
    }
}

/// <summary>score = q · k.</summary>
internal readonly unsafe struct DotProductGradient : IScoreGradient
{
    public static void Scores<TSimd>(in GradientTile tile) where TSimd : unmanaged, ISimd<TSimd> => SmallProduct.Add<TSimd>(
        tile.Query, tile.HeadWidth, 1, tile.Keys + tile.FirstKey, tile.KeyWidth, tile.Weights + tile.FirstKey, tile.KeyWidth,
        tile.Rows, tile.EndKey - tile.FirstKey, tile.HeadDim);

    public static void Gradients<TSimd>(in GradientTile tile) where TSimd : unmanaged, ISimd<TSimd>
    {
        int keys = tile.EndKey - tile.FirstKey;
        nint first = (nint)tile.FirstKey * tile.HeadWidth;
        SmallProduct.Add<TSimd>(
            tile.WeightGradients + tile.FirstKey, tile.KeyWidth, 1, tile.KeyRows + first, tile.HeadWidth, tile.QueryGradient, tile.HeadWidth,
            tile.Rows, tile.HeadWidth, keys);
        SmallProduct.Add<TSimd>(
            tile.WeightGradients + tile.FirstKey, 1, tile.KeyWidth, tile.Query, tile.HeadWidth, tile.KeyGradient + first, tile.HeadWidth,
            keys, tile.HeadWidth, tile.Rows);
    }
}

/// <summary>score = vᵀ tanh(q + k).</summary>
internal readonly unsafe struct AdditiveGradient : IScoreGradient
{
    public static void Scores<TSimd>(in GradientTile tile) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = 0; row < tile.Rows; row++)
        {
            float* query = tile.Query + (row * tile.HeadWidth), scores = tile.Weights + ((nint)row * tile.KeyWidth);
            for (int key = tile.FirstKey; key < tile.EndKey; key += Lanes.Count)
            {
                TSimd sum = TSimd.Zero;
                for (int c = 0; c < tile.HeadDim; c++)
                {
                    TSimd x = TSimd.Broadcast(query[c]) + TSimd.Load(tile.Keys + ((nint)c * tile.KeyWidth) + key);
                    sum = TSimd.Fma(TSimd.Broadcast(tile.Score[c]), HyperbolicTangent.Invoke(x), sum);
                }

                TSimd.Store(sum, scores + key);
            }
        }
    }

    public static void Gradients<TSimd>(in GradientTile tile) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd one = TSimd.Broadcast(1f);
        for (int row = 0; row < tile.Rows; row++)
        {
            float* query = tile.Query + (row * tile.HeadWidth), gradient = tile.QueryGradient + (row * tile.HeadWidth);
            float* ds = tile.WeightGradients + ((nint)row * tile.KeyWidth);
            for (int c = 0; c < tile.HeadDim; c++)
            {
                TSimd q = TSimd.Broadcast(query[c]), v = TSimd.Broadcast(tile.Score[c]), ofQuery = TSimd.Zero, ofScore = TSimd.Zero;
                float* keys = tile.Keys + ((nint)c * tile.KeyWidth), ofKeys = tile.KeyGradient + ((nint)c * tile.KeyWidth);
                for (int key = tile.FirstKey; key < tile.EndKey; key += Lanes.Count)
                {
                    TSimd t = HyperbolicTangent.Invoke(q + TSimd.Load(keys + key)), d = TSimd.Load(ds + key);
                    TSimd u = d * v * ((one - t) * (one + t));
                    ofQuery += u;
                    ofScore = TSimd.Fma(d, t, ofScore);
                    TSimd.Store(TSimd.Load(ofKeys + key) + u, ofKeys + key);
                }

                gradient[c] += TSimd.Sum(ofQuery);
                tile.ScoreGradient[c] += TSimd.Sum(ofScore);
            }
        }
    }
}

/// <summary>Gradients of attention, a sentence's head a tile.</summary>
internal unsafe struct AttentionGradient<TGradient>(AttentionGradientArguments arguments, float* scratch, int longest) : ITileKernel
    where TGradient : unmanaged, IScoreGradient
{
    private readonly AttentionGradientArguments _g = arguments;
    private readonly float* _scratch = scratch;

    /// <summary>Number of tiles.</summary>
    public readonly int Tiles => checked(_g.Forward.Sentences * _g.Forward.Heads);

    private static bool IsAdditive => typeof(TGradient) == typeof(AdditiveGradient);

    public readonly void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        ref readonly AttentionArguments a = ref _g.Forward;
        int sentence = tile / a.Heads, head = tile % a.Heads;
        int firstQuery = a.QueryOffsets[sentence], queries = a.QueryOffsets[sentence + 1] - firstQuery;
        int firstKey = a.KeyOffsets[sentence], keys = a.KeyOffsets[sentence + 1] - firstKey;
        if (queries == 0 || keys == 0)
        {
            if (IsAdditive) new Span<float>(Partial(sentence, head), a.HeadDim).Clear();
            return;
        }

        int keyWidth = Lanes.RoundUp(keys);
        var memory = new GradientTile(_scratch + (GradientTile.Floats(a, Lanes.RoundUp(longest)) * worker), a, head, keyWidth);
        float* key = a.Key + (firstKey * a.KeyStride) + ((long)head * a.HeadDim);
        float* value = a.Value + (firstKey * a.ValueStride) + ((long)head * a.ValueDim);
        Transpose(key, a.KeyStride, keys, a.HeadDim, memory.Keys, keyWidth);
        Transpose(value, a.ValueStride, keys, a.ValueDim, memory.Values, keyWidth);
        if (!IsAdditive)
        {
            Copy(key, a.KeyStride, keys, a.HeadDim, memory.KeyRows, memory.HeadWidth);
            new Span<float>(memory.KeyRows + ((nint)keys * memory.HeadWidth), (keyWidth - keys) * memory.HeadWidth).Clear();
        }

        new Span<float>(memory.KeyGradient, keyWidth * memory.HeadWidth).Clear();
        new Span<float>(memory.ValueGradient, keyWidth * memory.ValueWidth).Clear();
        new Span<float>(memory.ScoreGradient, memory.HeadWidth).Clear();
        for (int row = 0; row < queries; row += GradientTile.MostRows)
        {
            int rows = Math.Min(GradientTile.MostRows, queries - row);
            int first = First(row, queries, keys), end = End(row + rows - 1, queries, keys);
            if (first >= end) continue;
            var of = new GradientTile(memory, rows, first & -Lanes.Count, Lanes.RoundUp(end));
            Queries<TSimd>(of, head, firstQuery, row, queries, keys);
        }

        float* keyGradient = _g.KeyGradient + (firstKey * _g.KeyGradientStride) + ((long)head * a.HeadDim);
        if (!IsAdditive) Add<TSimd>(memory.KeyGradient, memory.HeadWidth, keys, a.HeadDim, keyGradient, _g.KeyGradientStride);
        else
        {
            for (int c = 0; c < a.HeadDim; c++)
            {
                float* column = memory.KeyGradient + ((nint)c * keyWidth);
                for (int k = 0; k < keys; k++) keyGradient[(k * _g.KeyGradientStride) + c] += column[k];
            }

            new ReadOnlySpan<float>(memory.ScoreGradient, a.HeadDim).CopyTo(new Span<float>(Partial(sentence, head), a.HeadDim));
        }

        float* valueGradient = _g.ValueGradient + (firstKey * _g.ValueGradientStride) + ((long)head * a.ValueDim);
        Add<TSimd>(memory.ValueGradient, memory.ValueWidth, keys, a.ValueDim, valueGradient, _g.ValueGradientStride);
    }

    private readonly void Queries<TSimd>(in GradientTile tile, int head, int firstQuery, int row, int queries, int keys)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        ref readonly AttentionArguments a = ref _g.Forward;
        long place = (long)firstQuery + row;
        int width = tile.EndKey - tile.FirstKey;
        Copy(a.Query + (place * a.QueryStride) + ((long)head * a.HeadDim), a.QueryStride, tile.Rows, a.HeadDim, tile.Query, tile.HeadWidth);
        float* dy = _g.OutputGradient + (place * _g.OutputGradientStride) + ((long)head * a.ValueDim);
        Copy(dy, _g.OutputGradientStride, tile.Rows, a.ValueDim, tile.OutputGradient, tile.ValueWidth);
        new Span<float>(tile.QueryGradient, tile.Rows * tile.HeadWidth).Clear();
        for (int i = 0; i < tile.Rows; i++)
        {
            new Span<float>(tile.Weights + ((nint)i * tile.KeyWidth) + tile.FirstKey, width).Clear();
            new Span<float>(tile.WeightGradients + ((nint)i * tile.KeyWidth) + tile.FirstKey, width).Clear();
        }

        TGradient.Scores<TSimd>(tile);
        SmallProduct.Add<TSimd>(
            tile.OutputGradient, tile.ValueWidth, 1, tile.Values + tile.FirstKey, tile.KeyWidth, tile.WeightGradients + tile.FirstKey,
            tile.KeyWidth, tile.Rows, width, a.ValueDim);
        long dropoutRow = ((long)head * a.QueryRows) + place;
        for (int i = 0; i < tile.Rows; i++)
        {
            float* weights = tile.Weights + ((nint)i * tile.KeyWidth) + tile.FirstKey;
            float* gradients = tile.WeightGradients + ((nint)i * tile.KeyWidth) + tile.FirstKey;
            int first = First(row + i, queries, keys) - tile.FirstKey, end = End(row + i, queries, keys) - tile.FirstKey;
            Softmax<TSimd>(weights, width, first, end, a.Scale);
            if (!a.Dropout.IsNone) a.Dropout.Multiply<TSimd>(dropoutRow + i, tile.FirstKey, gradients, gradients, width);
            Center<TSimd>(weights, gradients, width);
        }

        // Gradients of the weights become those of the scores; the weights, dropped, are for the values.
        for (int i = 0; i < tile.Rows; i++)
        {
            float* weights = tile.Weights + ((nint)i * tile.KeyWidth) + tile.FirstKey;
            float* gradients = tile.WeightGradients + ((nint)i * tile.KeyWidth) + tile.FirstKey;
            Elementwise<Multiplication>.Row<TSimd>(weights, gradients, gradients, width);
            Multiply<TSimd>(gradients, width, a.Scale);
            if (!a.Dropout.IsNone) a.Dropout.Multiply<TSimd>(dropoutRow + i, tile.FirstKey, weights, weights, width);
        }

        SmallProduct.Add<TSimd>(
            tile.Weights + tile.FirstKey, 1, tile.KeyWidth, tile.OutputGradient, tile.ValueWidth,
            tile.ValueGradient + ((nint)tile.FirstKey * tile.ValueWidth), tile.ValueWidth, width, tile.ValueWidth, tile.Rows);
        TGradient.Gradients<TSimd>(tile);
        float* queryGradient = _g.QueryGradient + (place * _g.QueryGradientStride) + ((long)head * a.HeadDim);
        Add<TSimd>(tile.QueryGradient, tile.HeadWidth, tile.Rows, a.HeadDim, queryGradient, _g.QueryGradientStride);
    }

    private readonly float* Partial(int sentence, int head) =>
        _g.ScorePartials + ((((long)sentence * _g.Forward.Heads) + head) * _g.Forward.HeadDim);

    private readonly int First(int row, int queries, int keys) =>
        (int)Math.Clamp((long)row + keys - queries - _g.Forward.Left, 0, keys);

    private readonly int End(int row, int queries, int keys) =>
        (int)Math.Clamp((long)row + keys - queries + _g.Forward.Right + 1, 0, keys);

    // p = softmax(s · scale) of what is seen; the rest becomes 0.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Softmax<TSimd>(float* scores, int width, int first, int end, float scale)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        if (first >= end)
        {
            new Span<float>(scores, width).Clear();
            return;
        }

        TSimd factor = TSimd.Broadcast(scale), lowest = TSimd.Broadcast(float.NegativeInfinity), top = lowest;
        for (nint i = 0; i < width; i += Lanes.Count) TSimd.Store(TSimd.Load(scores + i) * factor, scores + i);
        new Span<float>(scores, first).Fill(float.NegativeInfinity);
        new Span<float>(scores + end, width - end).Fill(float.NegativeInfinity);
        for (nint i = 0; i < width; i += Lanes.Count) top = TSimd.Max(top, TSimd.Load(scores + i));
        float largest = TSimd.MaxLane(top);
        TSimd m = TSimd.Broadcast(float.IsNegativeInfinity(largest) ? 0f : largest), sum = TSimd.Zero;
        for (nint i = 0; i < width; i += Lanes.Count)
        {
            TSimd p = Exponential.OfNegative(TSimd.Load(scores + i) - m);
            sum += p;
            TSimd.Store(p, scores + i);
        }

        float all = TSimd.Sum(sum);
        if (all == 0f) return;   // all that is seen is −∞, by overflow
        TSimd total = TSimd.Broadcast(all);
        for (nint i = 0; i < width; i += Lanes.Count) TSimd.Store(TSimd.Load(scores + i) / total, scores + i);
    }

    // g − Σ p g.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Center<TSimd>(float* weights, float* gradients, int width) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd sum = TSimd.Zero;
        for (nint i = 0; i < width; i += Lanes.Count) sum = TSimd.Fma(TSimd.Load(weights + i), TSimd.Load(gradients + i), sum);
        TSimd center = TSimd.Broadcast(TSimd.Sum(sum));
        for (nint i = 0; i < width; i += Lanes.Count) TSimd.Store(TSimd.Load(gradients + i) - center, gradients + i);
    }

    private static void Multiply<TSimd>(float* numbers, int width, float by) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd factor = TSimd.Broadcast(by);
        for (nint i = 0; i < width; i += Lanes.Count) TSimd.Store(TSimd.Load(numbers + i) * factor, numbers + i);
    }

    private static void Transpose(float* rows, long stride, int count, int columns, float* to, int toStride)
    {
        for (int c = 0; c < columns; c++) new Span<float>(to + ((nint)c * toStride) + count, toStride - count).Clear();
        int row = 0;
        for (; row <= count - Lanes.Count; row += Lanes.Count)
            PanelTranspose.Words((uint*)(rows + (row * stride)), (nint)stride, columns, (uint*)(to + row), toStride);
        if (row < count) Panel.Put(rows + (row * stride), stride, count - row, columns, to + row, toStride);
    }

    private static void Copy(float* rows, long stride, int count, int columns, float* to, int toStride)
    {
        for (int i = 0; i < count; i++, rows += stride, to += toStride)
        {
            new ReadOnlySpan<float>(rows, columns).CopyTo(new Span<float>(to, columns));
            new Span<float>(to + columns, toStride - columns).Clear();
        }
    }

    private static void Add<TSimd>(float* from, int fromStride, int rows, int columns, float* to, long toStride)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int i = 0; i < rows; i++, from += fromStride, to += toStride)
            Elementwise<Addition>.Row<TSimd>(to, from, to, columns);
    }
}
