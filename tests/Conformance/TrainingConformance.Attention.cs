// Attention with dropped weights, and its gradients, dot-product and additive, under every kind of mask.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class TrainingConformance
{
    // Heads, width of a head's queries and keys, width of its values.
    private static readonly (int Heads, int HeadDim, int ValueDim)[] HeadShapes = [(1, 1, 1), (2, 5, 3), (3, 16, 17), (1, 65, 33), (2, 64, 64)];

    // Queries and keys of each sentence: none, one, empty sentences at all places, one less and one more than blocks of keys.
    private static readonly (int[] Queries, int[] Keys)[] Batches =
    [
        ([], []),
        ([0], [0]),
        ([1], [1]),
        ([0, 3, 0], [2, 3, 0]),
        ([5, 1, 0, 17], [5, 1, 0, 17]),
        ([15, 16], [15, 16]),
        ([9, 3, 2], [5, 0, 40]),         // fewer keys, so that under a causal mask some queries see none
        ([47, 4], [49, 65]),
        ([64, 63], [64, 63]),
        ([129], [127]),
    ];

    public static TheoryData<int, int, float> TrainedMasks
    {
        get
        {
            var data = new TheoryData<int, int, float>();
            foreach (float rate in new[] { 0f, 0.1f })
            {
                data.Add(AttentionMask.Unlimited, AttentionMask.Unlimited, rate);
                data.Add(AttentionMask.Unlimited, 0, rate);      // causal
                data.Add(0, 0, rate);
                data.Add(3, 0, rate);                            // causal window
                data.Add(15, 16, rate);
                data.Add(2, AttentionMask.Unlimited, rate);
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(TrainedMasks))]
    public void Attention_and_its_gradients_agree_with_their_definition(int left, int right, float rate)
    {
        foreach ((int heads, int headDim, int valueDim) in HeadShapes)
        {
            var spec = new AttentionSpec(heads, 1 / MathF.Sqrt(headDim), AttentionMask.Window(left, right));
            foreach ((int[] queries, int[] keys) in Batches)
                CheckAttention(queries, keys, headDim, valueDim, spec, rate, isAdditive: false, view: (headDim + queries.Length) % 2 == 0);
        }

        var one = new AttentionSpec(1, 0.3f, AttentionMask.Window(left, right));
        CheckAttention([257], [257], 8, 8, one, rate, isAdditive: false, view: true);
    }

    [Theory, MemberData(nameof(TrainedMasks))]
    public void Additive_attention_and_its_gradients_agree_with_their_definition(int left, int right, float rate)
    {
        foreach ((int heads, int headDim, int valueDim) in new[] { (1, 1, 1), (2, 5, 3), (1, 16, 33), (2, 17, 16) })
        {
            var spec = new AttentionSpec(heads, 1f, AttentionMask.Window(left, right));
            foreach ((int[] queries, int[] keys) in Batches)
                CheckAttention(queries, keys, headDim, valueDim, spec, rate, isAdditive: true, view: (headDim + queries.Length) % 2 == 0);
        }
    }

    // As self-attention has it: query, key and value side by side in one table, and so their gradients.
    [Theory, InlineData(0f), InlineData(0.3f)]
    public void Gradients_may_be_columns_of_one_table(float rate)
    {
        const int Heads = 2, HeadDim = 20, Width = Heads * HeadDim;
        int[] lengths = [6, 0, 1, 19];
        int rows = lengths.Sum();
        float[] all = Values(rows * 3 * Width, seed: 1), dy = Values(rows * Width, seed: 2), start = Values(rows * 3 * Width, seed: 3);
        var spec = new AttentionSpec(Heads, 0.25f, AttentionMask.Causal);
        var dropout = new Dropout(rate, 5, 6);
        double[] Part(float[] table, int part) =>
            [.. Enumerable.Range(0, rows * Width).Select(i => (double)table[(i / Width * 3 * Width) + (part * Width) + (i % Width)])];
        AttentionGradients bound = GradientBound.Attention(
            Part(all, 0), Part(all, 1), Part(all, 2), [], Widen(dy), Offsets(lengths), Offsets(lengths), Width, Width, spec, dropout,
            new AttentionGradients(Part(start, 0), Part(start, 1), Part(start, 2), []));
        AssertAllAgree("columns of one table", [bound.Query, bound.Key, bound.Value], b =>
        {
            Tensor table = Put(b, rows, 3 * Width, all), into = Put(b, rows, 3 * Width, start);
            Ragged sentences = Ragged.Create(b, lengths);
            (Tensor q, Tensor k, Tensor v) = (into.ColumnRange(0, Width), into.ColumnRange(Width, Width), into.ColumnRange(2 * Width, Width));
            b.AttentionBackward(
                table.ColumnRange(0, Width), table.ColumnRange(Width, Width), table.ColumnRange(2 * Width, Width), Put(b, rows, Width, dy),
                sentences, sentences, spec, dropout, q, k, v);
            return [q, k, v];
        });
    }

    private void CheckAttention(
        int[] queries, int[] keys, int headDim, int valueDim, AttentionSpec spec, float rate, bool isAdditive, bool view)
    {
        (int queryRows, int keyRows) = (queries.Sum(), keys.Sum());
        (int width, int valueWidth) = (spec.Heads * headDim, spec.Heads * valueDim);
        float[] query = Values(queryRows * width, seed: 4), key = Values(keyRows * width, seed: 5), value = Values(keyRows * valueWidth, seed: 6);
        float[] score = isAdditive ? Values(width, seed: 7) : [], dy = Values(queryRows * valueWidth, seed: 8);
        float[] startQuery = Values(query.Length, seed: 9), startKey = Values(key.Length, seed: 10), startValue = Values(value.Length, seed: 11);
        float[] startScore = Values(score.Length, seed: 12);
        var dropout = new Dropout(rate, 0xABCD, 3);
        double[] forward = OperatorBound.Attention(
            Widen(query), Widen(key), Widen(value), Widen(score), Offsets(queries), Offsets(keys), width, valueWidth, spec, dropout);
        AttentionGradients bound = GradientBound.Attention(
            Widen(query), Widen(key), Widen(value), Widen(score), Widen(dy), Offsets(queries), Offsets(keys), width, valueWidth, spec, dropout,
            new AttentionGradients(Widen(startQuery), Widen(startKey), Widen(startValue), Widen(startScore)));
        string what = $"{string.Join(' ', queries)} queries, {string.Join(' ', keys)} keys, {spec.Heads} heads of {headDim} and {valueDim}, "
            + $"rate {rate}{(view ? ", views" : "")}";
        double[][] bounds = [forward, bound.Query, bound.Key, bound.Value];
        AssertAllAgree(what, isAdditive ? [.. bounds, bound.Score] : bounds, b =>
        {
            (Ragged rows, Ragged seen) = (Ragged.Create(b, queries), Ragged.Create(b, keys));
            Tensor q = Put(b, queryRows, width, query, view), k = Put(b, keyRows, width, key, view), v = Put(b, keyRows, valueWidth, value, view);
            Tensor d = Put(b, queryRows, valueWidth, dy, view), s = PutVector(b, score, view);
            Tensor ofQuery = Into(b, queryRows, width, startQuery, view), ofKey = Into(b, keyRows, width, startKey, view);
            Tensor ofValue = Into(b, keyRows, valueWidth, startValue, view);
            if (!isAdditive)
            {
                Tensor dots = b.Attention(q, k, v, rows, seen, spec, dropout);
                b.AttentionBackward(q, k, v, d, rows, seen, spec, dropout, ofQuery, ofKey, ofValue);
                return [dots, ofQuery, ofKey, ofValue];
            }

            Tensor y = b.AdditiveAttention(q, k, v, s, rows, seen, spec, dropout), ofScore = Into(b, 1, width, startScore, view);
            b.AdditiveAttentionBackward(q, k, v, s, d, rows, seen, spec, dropout, ofQuery, ofKey, ofValue, ofScore);
            return [y, ofQuery, ofKey, ofValue, ofScore];
        });
    }
}
