// The one arithmetic of all attention: an online softmax over blocks of 64 keys, and the weighted sum of their values.
// Passing over whole sentences and step by step through a cache both go through here, so they give the same bits. The loops
// are compiled at once with all optimisations: see AttentionScore.cs.
using System.Runtime.CompilerServices;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>
/// What one block of keys does to a query's running state (Milakov and Gimelshein 2018): largest score m, sum of weights l,
/// weighted sum of values o. Blocks begin at multiples of <see cref="Keys"/> from the sentence's first key and come in
/// ascending order; a block of which the query sees nothing is left out, which changes no bit.
/// </summary>
/// <remarks>
/// m' = max(m, s); c = exp(m − m'); p = exp(s − m'); l' = l · c + Σp, where Σp is (p₀ + p₁) + (p₂ + p₃) of sixteen lanes and
/// then the lanes by halves; o' = o · c, then o' = fma(p, v, o') key by key. c = 1 and p = 0 are exact, so that neither a
/// correction that is left out nor a key that is not seen can show.
/// </remarks>
internal static unsafe class KeyBlock
{
    /// <summary>Keys of a block.</summary>
    public const int Keys = 64;

    /// <summary>Panels of sixteen keys in a block.</summary>
    public const int Panels = Keys / Lanes.Count;

    /// <summary>Queries that share the load of a key or value: 6 × 16 lanes are 12 of AVX2's 16 registers.</summary>
    public const int GroupRows = 6;

    /// <summary>
    /// Takes a block's scores into account for m: if a larger one came, what was summed up before is corrected. Scores of keys
    /// that are not seen become −∞, in the panels of those that are.
    /// </summary>
    /// <param name="scores">[Keys].</param>
    /// <param name="first">First key of the block that is seen.</param>
    /// <param name="end">One past the last; more than <paramref name="first"/>.</param>
    /// <param name="largest">m, −∞ at first.</param>
    /// <param name="sum">l, 0 at first.</param>
    /// <param name="output">o, [width], 0 at first.</param>
    /// <param name="width">A multiple of 16.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Correct<TSimd>(
        float* scores, int first, int end, float* largest, float* sum, float* output, int width)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd top;
        if (end - first == Keys)
        {
            top = TSimd.Max(
                TSimd.Max(TSimd.Load(scores), TSimd.Load(scores + Lanes.Count)),
                TSimd.Max(TSimd.Load(scores + (2 * Lanes.Count)), TSimd.Load(scores + (3 * Lanes.Count))));
        }
        else
        {
            top = TSimd.Broadcast(float.NegativeInfinity);
            for (int start = first & -Lanes.Count; start < end; start += Lanes.Count)
            {
                TSimd seen = TSimd.Load(scores + start);
                if (first > start || end < start + Lanes.Count)
                {
                    seen = Seen(seen, first - start, end - start);
                    TSimd.Store(seen, scores + start);
                }

                top = TSimd.Max(top, seen);
            }
        }

        float found = TSimd.MaxLane(top);
        if (!(found > *largest)) return;
        TSimd correction = Exponential.OfNegative(TSimd.Broadcast(*largest) - TSimd.Broadcast(found));
        for (nint i = 0; i < width; i += Lanes.Count) TSimd.Store(TSimd.Load(output + i) * correction, output + i);
        *sum *= TSimd.MaxLane(correction);
        *largest = found;
    }

    /// <summary>Turns scores into weights, after <see cref="Correct"/>, and adds them to l.</summary>
    /// <remarks>Apart from it, so that the steps of one query's exponential overlap with those of the next.</remarks>
    /// <param name="scores">[Keys]; becomes the weights, in the panels of keys that are seen.</param>
    /// <param name="first">First key of the block that is seen.</param>
    /// <param name="end">One past the last; more than <paramref name="first"/>.</param>
    /// <param name="largest">m.</param>
    /// <param name="sum">l.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Weigh<TSimd>(float* scores, int first, int end, float largest, float* sum)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        // Seen scores may all be −∞, by overflow: they weigh nothing, as they would beside a larger one.
        TSimd m = TSimd.Broadcast(float.IsNegativeInfinity(largest) ? 0f : largest);
        if (end - first == Keys)
        {
            TSimd low = Weight(scores, m) + Weight(scores + Lanes.Count, m);
            TSimd high = Weight(scores + (2 * Lanes.Count), m) + Weight(scores + (3 * Lanes.Count), m);
            *sum += TSimd.Sum(low + high);
            return;
        }

        // The same tree, where a panel of which nothing is seen is zero.
        TSimd pair = TSimd.Zero, pairs = TSimd.Zero;
        int last = (end - 1) & -Lanes.Count;
        for (int start = first & -Lanes.Count; start <= last; start += Lanes.Count)
        {
            pair += Weight(scores + start, m);
            if (start != Lanes.Count && start != last) continue;
            pairs += pair;
            pair = TSimd.Zero;
        }

        *sum += TSimd.Sum(pairs);
    }

    /// <summary>Adds weighted values to the sums of <see cref="GroupRows"/> queries.</summary>
    /// <param name="weights">[GroupRows][Keys], from the first key on.</param>
    /// <param name="values">Values of the first key; <paramref name="width"/> columns are read.</param>
    /// <param name="valueStride">Elements from a key's values to the next.</param>
    /// <param name="keys">How many keys.</param>
    /// <param name="output">[GroupRows][width].</param>
    /// <param name="width">A multiple of 16.</param>
    public static void AddGroup<TSimd>(
        float* weights, float* values, nint valueStride, int keys, float* output, int width)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        nint column = 0;
        if (typeof(TSimd) == typeof(Simd512))
        {
            for (; column <= width - (2 * Lanes.Count); column += 2 * Lanes.Count)
                AddGroupByTwo<TSimd>(weights, values + column, valueStride, keys, output + column, width);
        }

        for (; column < width; column += Lanes.Count)
            AddGroupByOne<TSimd>(weights, values + column, valueStride, keys, output + column, width);
    }

    /// <summary>Adds weighted values to the sums of one query.</summary>
    /// <param name="weights">[keys].</param>
    /// <param name="values">Values of the first key; <paramref name="width"/> columns are read.</param>
    /// <param name="valueStride">Elements from a key's values to the next.</param>
    /// <param name="keys">How many keys; nothing is done for less than one.</param>
    /// <param name="output">[width].</param>
    /// <param name="width">A multiple of 16.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddSingle<TSimd>(
        float* weights, float* values, nint valueStride, int keys, float* output, int width)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        if (keys <= 0) return;
        nint column = 0;
        for (; column <= width - (4 * Lanes.Count); column += 4 * Lanes.Count)
        {
            float* v = values + column, o = output + column;
            TSimd a0 = TSimd.Load(o), a1 = TSimd.Load(o + Lanes.Count);
            TSimd a2 = TSimd.Load(o + (2 * Lanes.Count)), a3 = TSimd.Load(o + (3 * Lanes.Count));
            for (nint j = 0; j < keys; j++)
            {
                TSimd p = TSimd.Broadcast(weights[j]);
                TSimd.Accumulate(ref a0, TSimd.Load(v), p);
                TSimd.Accumulate(ref a1, TSimd.Load(v + Lanes.Count), p);
                TSimd.Accumulate(ref a2, TSimd.Load(v + (2 * Lanes.Count)), p);
                TSimd.Accumulate(ref a3, TSimd.Load(v + (3 * Lanes.Count)), p);
                v += valueStride;
            }

            TSimd.Store(a0, o);
            TSimd.Store(a1, o + Lanes.Count);
            TSimd.Store(a2, o + (2 * Lanes.Count));
            TSimd.Store(a3, o + (3 * Lanes.Count));
        }

        for (; column < width; column += Lanes.Count)
        {
            float* v = values + column;
            TSimd a = TSimd.Load(output + column);
            for (nint j = 0; j < keys; j++)
            {
                TSimd.Accumulate(ref a, TSimd.Load(v), TSimd.Broadcast(weights[j]));
                v += valueStride;
            }

            TSimd.Store(a, output + column);
        }
    }

    /// <summary>y = o / l; zeros for a query that saw no key.</summary>
    /// <param name="output">o, [width], width a multiple of 16.</param>
    /// <param name="sum">l.</param>
    /// <param name="destination">[columns].</param>
    /// <param name="columns">valueDim.</param>
    public static void Finish<TSimd>(float* output, float sum, float* destination, int columns)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        // The zero that is added makes −0 to +0: whether a sum of nothing is −0 could tell how many keys were left out.
        TSimd inverse = TSimd.Broadcast(sum == 0f ? 0f : 1f / sum);
        nint column = 0;
        for (; column <= columns - Lanes.Count; column += Lanes.Count)
            TSimd.Store(TSimd.Fma(TSimd.Load(output + column), inverse, TSimd.Zero), destination + column);
        if (column < columns)
        {
            TSimd tail = TSimd.Fma(TSimd.Load(output + column), inverse, TSimd.Zero);
            Lanes.StoreFirst(tail, destination + column, columns - (int)column);
        }
    }

    /// <summary>Scores of one panel, −∞ where a key is not seen; what lies there is not looked at.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="first">First lane that is seen; may be negative.</param>
    /// <param name="end">One past the last; may be above 16.</param>
    public static TSimd Seen<TSimd>(TSimd scores, int first, int end) where TSimd : unmanaged, ISimd<TSimd>
    {
        ReadOnlySpan<float> numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        TSimd nothing = TSimd.Broadcast(float.NegativeInfinity), lane;
        fixed (float* lanes = numbers) lane = TSimd.Load(lanes);
        scores = TSimd.SelectLess(lane, TSimd.Broadcast(end), scores, nothing);
        return TSimd.SelectLess(lane, TSimd.Broadcast(first), nothing, scores);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TSimd Weight<TSimd>(float* scores, TSimd largest) where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd weight = Exponential.OfNegative(TSimd.Load(scores) - largest);
        TSimd.Store(weight, scores);
        return weight;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddGroupByOne<TSimd>(
        float* weights, float* values, nint valueStride, int keys, float* output, nint width)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        TSimd a0 = TSimd.Load(output), a1 = TSimd.Load(output + width), a2 = TSimd.Load(output + (2 * width));
        TSimd a3 = TSimd.Load(output + (3 * width)), a4 = TSimd.Load(output + (4 * width));
        TSimd a5 = TSimd.Load(output + (5 * width));
        for (nint j = keys; j > 0; j--)
        {
            TSimd value = TSimd.Load(values);
            TSimd.Accumulate(ref a0, value, TSimd.Broadcast(weights[0]));
            TSimd.Accumulate(ref a1, value, TSimd.Broadcast(weights[Keys]));
            TSimd.Accumulate(ref a2, value, TSimd.Broadcast(weights[2 * Keys]));
            TSimd.Accumulate(ref a3, value, TSimd.Broadcast(weights[3 * Keys]));
            TSimd.Accumulate(ref a4, value, TSimd.Broadcast(weights[4 * Keys]));
            TSimd.Accumulate(ref a5, value, TSimd.Broadcast(weights[5 * Keys]));
            values += valueStride;
            weights++;
        }

        TSimd.Store(a0, output);
        TSimd.Store(a1, output + width);
        TSimd.Store(a2, output + (2 * width));
        TSimd.Store(a3, output + (3 * width));
        TSimd.Store(a4, output + (4 * width));
        TSimd.Store(a5, output + (5 * width));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddGroupByTwo<TSimd>(
        float* weights, float* values, nint valueStride, int keys, float* output, nint width)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        float* next = output + Lanes.Count;
        TSimd a0 = TSimd.Load(output), a1 = TSimd.Load(output + width), a2 = TSimd.Load(output + (2 * width));
        TSimd a3 = TSimd.Load(output + (3 * width)), a4 = TSimd.Load(output + (4 * width));
        TSimd a5 = TSimd.Load(output + (5 * width));
        TSimd b0 = TSimd.Load(next), b1 = TSimd.Load(next + width), b2 = TSimd.Load(next + (2 * width));
        TSimd b3 = TSimd.Load(next + (3 * width)), b4 = TSimd.Load(next + (4 * width)), b5 = TSimd.Load(next + (5 * width));
        for (nint j = keys; j > 0; j--)
        {
            TSimd a = TSimd.Load(values), b = TSimd.Load(values + Lanes.Count), p = TSimd.Broadcast(weights[0]);
            TSimd.Accumulate(ref a0, a, p);
            TSimd.Accumulate(ref b0, b, p);
            p = TSimd.Broadcast(weights[Keys]);
            TSimd.Accumulate(ref a1, a, p);
            TSimd.Accumulate(ref b1, b, p);
            p = TSimd.Broadcast(weights[2 * Keys]);
            TSimd.Accumulate(ref a2, a, p);
            TSimd.Accumulate(ref b2, b, p);
            p = TSimd.Broadcast(weights[3 * Keys]);
            TSimd.Accumulate(ref a3, a, p);
            TSimd.Accumulate(ref b3, b, p);
            p = TSimd.Broadcast(weights[4 * Keys]);
            TSimd.Accumulate(ref a4, a, p);
            TSimd.Accumulate(ref b4, b, p);
            p = TSimd.Broadcast(weights[5 * Keys]);
            TSimd.Accumulate(ref a5, a, p);
            TSimd.Accumulate(ref b5, b, p);
            values += valueStride;
            weights++;
        }

        TSimd.Store(a0, output);
        TSimd.Store(b0, next);
        TSimd.Store(a1, output + width);
        TSimd.Store(b1, next + width);
        TSimd.Store(a2, output + (2 * width));
        TSimd.Store(b2, next + (2 * width));
        TSimd.Store(a3, output + (3 * width));
        TSimd.Store(b3, next + (3 * width));
        TSimd.Store(a4, output + (4 * width));
        TSimd.Store(b4, next + (4 * width));
        TSimd.Store(a5, output + (5 * width));
        TSimd.Store(b5, next + (5 * width));
    }
}
