// The weights of attention as an operator: against their definition, and against the output that they made.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    // More keys than a block, a sentence without queries, one without keys, queries that see nothing.
    private static readonly int[] QueriesOfWeights = [5, 0, 17, 3, 2], KeysOfWeights = [5, 4, 70, 0, 130];

    [Theory, MemberData(nameof(Masks))]
    public void Weights_of_sentences_agree_with_their_definition(int left, int right)
    {
        foreach ((int heads, int headDim, int valueDim) in HeadShapes)
        {
            var spec = new AttentionSpec(heads, 1 / MathF.Sqrt(headDim), AttentionMask.Window(left, right));
            foreach ((int[] queries, int[] keys) in Batches)
                new WeighedScene(queries, keys, headDim, valueDim, spec, isAdditive: false).CheckWeights(this);
        }
    }

    [Theory, MemberData(nameof(Masks))]
    public void Weights_of_additive_attention_agree_with_their_definition(int left, int right)
    {
        foreach ((int heads, int headDim, int valueDim) in new[] { (2, 5, 3), (1, 32, 32) })
        {
            var spec = new AttentionSpec(heads, 1f, AttentionMask.Window(left, right));
            foreach ((int[] queries, int[] keys) in Batches)
                new WeighedScene(queries, keys, headDim, valueDim, spec, isAdditive: true).CheckWeights(this);
        }
    }

    [Theory, MemberData(nameof(Masks))]
    public void Values_summed_up_by_the_weights_are_the_output(int left, int right)
    {
        foreach (bool isAdditive in new[] { false, true })
        {
            var spec = new AttentionSpec(3, 0.4f, AttentionMask.Window(left, right));
            new WeighedScene(QueriesOfWeights, KeysOfWeights, 12, 7, spec, isAdditive).CheckOutput(this);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Weights_of_a_sentence_have_the_same_bits_in_every_batch(bool isAdditive)
    {
        var spec = new AttentionSpec(3, 0.4f, AttentionMask.Window(90, 2));
        var all = new WeighedScene(QueriesOfWeights, KeysOfWeights, 12, 7, spec, isAdditive);
        float[] together = Run(all.Weights);
        int longest = KeysOfWeights.Max();
        for (int s = 0; s < QueriesOfWeights.Length; s++)
        {
            float[] alone = Run(all.Only(s).Weights);
            for (int row = 0; row < QueriesOfWeights[s] * spec.Heads; row++)
            {
                int first = ((QueriesOfWeights.Take(s).Sum() * spec.Heads) + row) * longest;
                AssertSameBits(
                    $"sentence {s}, row {row}", together.AsSpan(first, KeysOfWeights[s]),
                    alone.AsSpan(row * KeysOfWeights[s], KeysOfWeights[s]));
            }
        }
    }

    [Fact]
    public void Weights_refuse_widths_that_do_not_fit()
    {
        InFrame(Backend, b =>
        {
            Ragged two = Ragged.Create(b, [2]), three = Ragged.Create(b, [3]);
            Tensor eight = Put(b, 2, 8, new float[16]), six = Put(b, 2, 6, new float[12]);
            var spec = new AttentionSpec(2, 1f, AttentionMask.None);
            Assert.Throws<ArgumentException>(() => b.AttentionWeights(six, eight, Tensor.None, two, two, spec));
            Assert.Throws<ArgumentException>(() => b.AttentionWeights(six, six, Tensor.None, two, two, spec with { Heads = 4 }));
            Assert.Throws<ArgumentException>(() => b.AttentionWeights(eight, eight, six.RowRange(0, 1), two, two, spec));
            Assert.Throws<ArgumentException>(() => b.AttentionWeights(eight, eight, Tensor.None, two, three, spec));
            return true;
        });
    }

    // Numbers of one call.
    private sealed class WeighedScene(
        int[] queries, int[] keys, int headDim, int valueDim, AttentionSpec spec, bool isAdditive)
    {
        private readonly int _width = spec.Heads * headDim, _valueWidth = spec.Heads * valueDim;
        private float[] _query = Values(queries.Sum() * spec.Heads * headDim, seed: 21);
        private float[] _key = Values(keys.Sum() * spec.Heads * headDim, seed: 22);
        private float[] _value = Values(keys.Sum() * spec.Heads * valueDim, seed: 23);

        private float[] Score { get; } = isAdditive ? Values(spec.Heads * headDim, seed: 24) : [];

        private int Longest => keys.Length == 0 ? 0 : keys.Max();

        public WeighedScene Only(int sentence) => new([queries[sentence]], [keys[sentence]], headDim, valueDim, spec, isAdditive)
        {
            _query = Part(_query, queries, sentence, _width),
            _key = Part(_key, keys, sentence, _width),
            _value = Part(_value, keys, sentence, _valueWidth),
        };

        public Tensor Weights(IBackend b)
        {
            bool view = headDim % 2 == 0;
            return b.AttentionWeights(
                Put(b, queries.Sum(), _width, _query, view), Put(b, keys.Sum(), _width, _key, view), PutVector(b, Score, view),
                Ragged.Create(b, queries), Ragged.Create(b, keys), spec);
        }

        public void CheckWeights(BackendConformance of)
        {
            string what = $"{string.Join(' ', queries)} queries, {string.Join(' ', keys)} keys, {spec.Heads} heads of {headDim}";
            of.AssertAgrees(what, WeightsBound(), Weights);
        }

        // Both are as far from the definition as their bounds say, so from each other at most the sum.
        public void CheckOutput(BackendConformance of)
        {
            float[] weights = of.Run(Weights);
            float[] output = of.Run(b => Attend(
                b, Put(b, queries.Sum(), _width, _query), Put(b, keys.Sum(), _width, _key), Put(b, keys.Sum(), _valueWidth, _value),
                PutVector(b, Score), Ragged.Create(b, queries), Ragged.Create(b, keys), spec));
            double[] bound = OperatorBound.Attention(
                Widen(_query), Widen(_key), Widen(_value), Widen(Score), Offsets(queries), Offsets(keys), _width, _valueWidth, spec);
            double[] expected = SumValues([.. weights.Select(static w => (double)w)], magnitudes: false);
            double[] slack = SumValues(WeightsBound(), magnitudes: true);
            AssertWithin("the sum", expected, output, [.. bound.Zip(slack, static (a, b) => a + b)], _valueWidth);
            Assert.True(output.Any(static value => value != 0), "All outputs are zero, so the comparison says nothing.");
        }

        private double[] WeightsBound() => OperatorBound.SentenceWeights(
            Widen(_query), Widen(_key), Widen(Score), Offsets(queries), Offsets(keys), _width, Longest, spec);

        private double[] SumValues(double[] weights, bool magnitudes)
        {
            var sums = new double[queries.Sum() * _valueWidth];
            int row = 0, firstKey = 0;
            for (int s = 0; s < queries.Length; firstKey += keys[s++])
            {
                for (int end = row + queries[s]; row < end; row++)
                {
                    for (int column = 0; column < _valueWidth; column++)
                    {
                        int first = ((row * spec.Heads) + (column / valueDim)) * Longest;
                        for (int j = 0; j < keys[s]; j++)
                        {
                            double value = _value[((firstKey + j) * _valueWidth) + column];
                            sums[(row * _valueWidth) + column] += weights[first + j] * (magnitudes ? Math.Abs(value) : value);
                        }
                    }
                }
            }

            return sums;
        }

        private static float[] Part(float[] all, int[] lengths, int sentence, int width) =>
            all[(lengths.Take(sentence).Sum() * width)..(lengths.Take(sentence + 1).Sum() * width)];
    }
}
