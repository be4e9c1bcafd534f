// How well a query matches sixteen keys at once. The two kinds of attention differ only here. The loops are compiled at once
// with all optimisations: as the tiers first compile them they are a hundred times slower, and for about a second.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>
/// Scores of queries with panels of keys. A panel is sixteen keys of one head, transposed: [headDim][16], so that a score is
/// one chain over the head in ascending order and no lane is ever added to another. Lanes without a key give any number.
/// </summary>
internal unsafe interface IScore
{
    /// <summary>Operations for one element of a key, to tell how much work there is.</summary>
    static abstract int Operations { get; }

    /// <summary>Scores <see cref="KeyBlock.GroupRows"/> queries.</summary>
    /// <param name="query">[GroupRows][headDim].</param>
    /// <param name="queryStride">Elements from a query to the next.</param>
    /// <param name="weights">v of additive attention, [headDim]; else null.</param>
    /// <param name="headDim">Length of a chain.</param>
    /// <param name="keys">Panels of the key block.</param>
    /// <param name="first">First panel of the block that is wanted.</param>
    /// <param name="end">One past the last.</param>
    /// <param name="scale">Factor on the chain.</param>
    /// <param name="scores">[GroupRows][KeyBlock.Keys]; lanes of other panels may be overwritten.</param>
    static abstract void Group<TSimd>(
        float* query, long queryStride, float* weights, int headDim, in KeyPanels keys, int first, int end, float scale,
        float* scores) where TSimd : unmanaged, ISimd<TSimd>;

    /// <summary>Scores one query.</summary>
    /// <param name="query">[headDim].</param>
    /// <param name="weights">v of additive attention, [headDim]; else null.</param>
    /// <param name="headDim">Length of a chain.</param>
    /// <param name="keys">Panels of the key block.</param>
    /// <param name="first">First panel of the block that is wanted.</param>
    /// <param name="end">One past the last.</param>
    /// <param name="scale">Factor on the chain.</param>
    /// <param name="scores">[KeyBlock.Keys]; lanes of other panels may be overwritten.</param>
    static abstract void Single<TSimd>(
        float* query, float* weights, int headDim, in KeyPanels keys, int first, int end, float scale, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>;
}

/// <summary>Where the four panels of a key block are.</summary>
internal unsafe struct KeyPanels
{
    private fixed long _addresses[KeyBlock.Panels];

    /// <summary>Address of a panel.</summary>
    public float* this[int panel]
    {
        readonly get => (float*)_addresses[panel];
        set => _addresses[panel] = (long)value;
    }

    /// <summary>Panels that follow each other; only the first <paramref name="count"/> exist.</summary>
    public static KeyPanels Consecutive(float* first, int headDim, int count)
    {
        KeyPanels panels = default;
        for (int i = 0; i < count && i < KeyBlock.Panels; i++) panels[i] = first + ((nint)i * headDim * Lanes.Count);
        return panels;
    }
}

/// <summary>scale · q · k (Vaswani et al. 2017, 3.2.1).</summary>
internal unsafe struct DotProductScore : IScore
{
    public static int Operations => 2;

    public static void Group<TSimd>(
        float* query, long queryStride, float* weights, int headDim, in KeyPanels keys, int first, int end, float scale,
        float* scores) where TSimd : unmanaged, ISimd<TSimd>
    {
        int panel = first;
        if (typeof(TSimd) == typeof(Simd512))   // 12 accumulators of 32 registers: 8 chains fill two ports of 4 cycles
        {
            for (; panel + 1 < end; panel += 2)
            {
                GroupByTwo<TSimd>(
                    query, (nint)queryStride, headDim, keys[panel], keys[panel + 1], scale, scores + (panel * Lanes.Count));
            }
        }

        for (; panel < end; panel++)            // AVX2: 12 accumulators of 16 registers
            GroupByOne<TSimd>(query, (nint)queryStride, headDim, keys[panel], scale, scores + (panel * Lanes.Count));
    }

    public static void Single<TSimd>(
        float* query, float* weights, int headDim, in KeyPanels keys, int first, int end, float scale, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        int panel = first;
        if (end - panel == 4)
        {
            SingleByFour<TSimd>(query, headDim, keys, scale, scores);
            return;
        }

        for (; panel + 1 < end; panel += 2)
            SingleByTwo<TSimd>(query, headDim, keys[panel], keys[panel + 1], scale, scores + (panel * Lanes.Count));
        if (panel < end) SingleByOne<TSimd>(query, headDim, keys[panel], scale, scores + (panel * Lanes.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void GroupByOne<TSimd>(
        float* query, nint stride, nint headDim, float* keys, float scale, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        float* q1 = query + stride, q2 = q1 + stride, q3 = q2 + stride, q4 = q3 + stride, q5 = q4 + stride;
        TSimd a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero, a4 = TSimd.Zero, a5 = TSimd.Zero;
        for (nint k = 0; k < headDim; k++)
        {
            TSimd key = TSimd.Load(keys);
            TSimd.Accumulate(ref a0, key, TSimd.Broadcast(query[k]));
            TSimd.Accumulate(ref a1, key, TSimd.Broadcast(q1[k]));
            TSimd.Accumulate(ref a2, key, TSimd.Broadcast(q2[k]));
            TSimd.Accumulate(ref a3, key, TSimd.Broadcast(q3[k]));
            TSimd.Accumulate(ref a4, key, TSimd.Broadcast(q4[k]));
            TSimd.Accumulate(ref a5, key, TSimd.Broadcast(q5[k]));
            keys += Lanes.Count;
        }

        TSimd factor = TSimd.Broadcast(scale);
        TSimd.Store(a0 * factor, scores);
        TSimd.Store(a1 * factor, scores + KeyBlock.Keys);
        TSimd.Store(a2 * factor, scores + (2 * KeyBlock.Keys));
        TSimd.Store(a3 * factor, scores + (3 * KeyBlock.Keys));
        TSimd.Store(a4 * factor, scores + (4 * KeyBlock.Keys));
        TSimd.Store(a5 * factor, scores + (5 * KeyBlock.Keys));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void GroupByTwo<TSimd>(
        float* query, nint stride, nint headDim, float* keys, float* nextKeys, float scale, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        float* q1 = query + stride, q2 = q1 + stride, q3 = q2 + stride, q4 = q3 + stride, q5 = q4 + stride;
        TSimd a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero, a4 = TSimd.Zero, a5 = TSimd.Zero;
        TSimd b0 = TSimd.Zero, b1 = TSimd.Zero, b2 = TSimd.Zero, b3 = TSimd.Zero, b4 = TSimd.Zero, b5 = TSimd.Zero;
        for (nint k = 0; k < headDim; k++)
        {
            TSimd a = TSimd.Load(keys), b = TSimd.Load(nextKeys), q = TSimd.Broadcast(query[k]);
            TSimd.Accumulate(ref a0, a, q);
            TSimd.Accumulate(ref b0, b, q);
            q = TSimd.Broadcast(q1[k]);
            TSimd.Accumulate(ref a1, a, q);
            TSimd.Accumulate(ref b1, b, q);
            q = TSimd.Broadcast(q2[k]);
            TSimd.Accumulate(ref a2, a, q);
            TSimd.Accumulate(ref b2, b, q);
            q = TSimd.Broadcast(q3[k]);
            TSimd.Accumulate(ref a3, a, q);
            TSimd.Accumulate(ref b3, b, q);
            q = TSimd.Broadcast(q4[k]);
            TSimd.Accumulate(ref a4, a, q);
            TSimd.Accumulate(ref b4, b, q);
            q = TSimd.Broadcast(q5[k]);
            TSimd.Accumulate(ref a5, a, q);
            TSimd.Accumulate(ref b5, b, q);
            keys += Lanes.Count;
            nextKeys += Lanes.Count;
        }

        float* next = scores + Lanes.Count;
        TSimd factor = TSimd.Broadcast(scale);
        TSimd.Store(a0 * factor, scores);
        TSimd.Store(b0 * factor, next);
        TSimd.Store(a1 * factor, scores + KeyBlock.Keys);
        TSimd.Store(b1 * factor, next + KeyBlock.Keys);
        TSimd.Store(a2 * factor, scores + (2 * KeyBlock.Keys));
        TSimd.Store(b2 * factor, next + (2 * KeyBlock.Keys));
        TSimd.Store(a3 * factor, scores + (3 * KeyBlock.Keys));
        TSimd.Store(b3 * factor, next + (3 * KeyBlock.Keys));
        TSimd.Store(a4 * factor, scores + (4 * KeyBlock.Keys));
        TSimd.Store(b4 * factor, next + (4 * KeyBlock.Keys));
        TSimd.Store(a5 * factor, scores + (5 * KeyBlock.Keys));
        TSimd.Store(b5 * factor, next + (5 * KeyBlock.Keys));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SingleByOne<TSimd>(float* query, nint headDim, float* keys, float scale, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd a = TSimd.Zero;
        nint nextHead = headDim * Lanes.Count;
        for (nint k = 0; k < headDim; k++)
        {
            Prefetch(keys + nextHead);
            TSimd.Accumulate(ref a, TSimd.Load(keys), TSimd.Broadcast(query[k]));
            keys += Lanes.Count;
        }

        TSimd.Store(a * TSimd.Broadcast(scale), scores);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SingleByTwo<TSimd>(
        float* query, nint headDim, float* keys, float* nextKeys, float scale, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd a = TSimd.Zero, b = TSimd.Zero;
        nint nextHead = headDim * Lanes.Count;
        for (nint k = 0; k < headDim; k++)
        {
            Prefetch(keys + nextHead);
            Prefetch(nextKeys + nextHead);
            TSimd q = TSimd.Broadcast(query[k]);
            TSimd.Accumulate(ref a, TSimd.Load(keys), q);
            TSimd.Accumulate(ref b, TSimd.Load(nextKeys), q);
            keys += Lanes.Count;
            nextKeys += Lanes.Count;
        }

        TSimd factor = TSimd.Broadcast(scale);
        TSimd.Store(a * factor, scores);
        TSimd.Store(b * factor, scores + Lanes.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SingleByFour<TSimd>(float* query, nint headDim, in KeyPanels keys, float scale, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        float* k0 = keys[0], k1 = keys[1], k2 = keys[2], k3 = keys[3];
        TSimd a0 = TSimd.Zero, a1 = TSimd.Zero, a2 = TSimd.Zero, a3 = TSimd.Zero;
        nint nextHead = headDim * Lanes.Count;
        for (nint k = 0, i = 0; k < headDim; k++, i += Lanes.Count)
        {
            Prefetch(k0 + nextHead + i);
            Prefetch(k1 + nextHead + i);
            Prefetch(k2 + nextHead + i);
            Prefetch(k3 + nextHead + i);
            TSimd q = TSimd.Broadcast(query[k]);
            TSimd.Accumulate(ref a0, TSimd.Load(k0 + i), q);
            TSimd.Accumulate(ref a1, TSimd.Load(k1 + i), q);
            TSimd.Accumulate(ref a2, TSimd.Load(k2 + i), q);
            TSimd.Accumulate(ref a3, TSimd.Load(k3 + i), q);
        }

        TSimd factor = TSimd.Broadcast(scale);
        TSimd.Store(a0 * factor, scores);
        TSimd.Store(a1 * factor, scores + Lanes.Count);
        TSimd.Store(a2 * factor, scores + (2 * Lanes.Count));
        TSimd.Store(a3 * factor, scores + (3 * Lanes.Count));
    }

    // A chain waits four cycles for each step, so asking for the panel of the next head, which follows, costs nothing.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* place)
    {
        if (Sse.IsSupported) Sse.Prefetch0(place);
    }
}

/// <summary>scale · vᵀ tanh(q + k) (Bahdanau et al. 2015, A.1.2).</summary>
internal unsafe struct AdditiveScore : IScore
{
    public static int Operations => 40;

    public static void Group<TSimd>(
        float* query, long queryStride, float* weights, int headDim, in KeyPanels keys, int first, int end, float scale,
        float* scores) where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int row = 0; row < KeyBlock.GroupRows; row++)
        {
            Single<TSimd>(
                query + (row * queryStride), weights, headDim, keys, first, end, scale, scores + (row * KeyBlock.Keys));
        }
    }

    // One panel at a time: the steps of a tanh leave no registers for more, and those of the next element overlap.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Single<TSimd>(
        float* query, float* weights, int headDim, in KeyPanels keys, int first, int end, float scale, float* scores)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        for (int panel = first; panel < end; panel++)
        {
            float* key = keys[panel];
            TSimd a = TSimd.Zero;
            for (nint k = 0; k < headDim; k++)
            {
                TSimd t = HyperbolicTangent.Invoke(TSimd.Broadcast(query[k]) + TSimd.Load(key));
                TSimd.Accumulate(ref a, t, TSimd.Broadcast(weights[k]));
                key += Lanes.Count;
            }

            TSimd.Store(a * TSimd.Broadcast(scale), scores + (panel * Lanes.Count));
        }
    }
}
