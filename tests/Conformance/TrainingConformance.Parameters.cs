// Weights that change, gradients of matrices and tables, sums of squares and Adam.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class TrainingConformance
{
    // Rows, inputs, outputs: none, one, primes, one less and one more than tiles.
    private static readonly (int Rows, int Inputs, int Outputs)[] MatrixShapes =
    [
        (0, 16, 17), (1, 1, 1), (1, 257, 16), (2, 3, 5), (7, 13, 11), (15, 16, 17), (16, 17, 15), (17, 15, 16),
        (47, 48, 49), (48, 49, 47), (49, 47, 48), (63, 64, 65), (64, 65, 63), (65, 63, 64), (127, 16, 129), (128, 5, 64),
        (129, 127, 3), (257, 31, 33),
    ];

    private static readonly int[] Counts = [0, 1, 2, 15, 16, 17, 63, 64, 65, 1021, 16_383, 16_384, 16_385, 50_000];

    private static readonly bool[] NoAndYes = [false, true];

    [Theory, InlineData(DType.Float32), InlineData(DType.BFloat16)]
    public void A_refreshed_weight_is_as_if_packed(DType type)
    {
        ActivationRounding rounding = type == DType.BFloat16 ? ActivationRounding.BFloat16 : ActivationRounding.Nearest;
        foreach ((int rows, int inputs, int outputs) in MatrixShapes)
        {
            float[] x = Values(rows * inputs, seed: 1), weight = Values(outputs * inputs, seed: 2), bias = Values(outputs, seed: 3);
            float[] turned = Transpose(weight, outputs, inputs);
            string what = $"[{outputs}, {inputs}]";
            InFrame(Subject, _ =>
            {
                Tensor input = Put(Subject, rows, inputs, x), b = PutVector(Subject, bias), ids = PutVector(Subject, [outputs - 1, 0, -1]);
                Weight packed = Pack(Subject, rounding, HostMatrix.Create(type, outputs, inputs, Rounded(type, weight)).Tensor);
                float[] expected = Floats(Subject, Subject.Linear(input, new LinearWeights(packed, b), Activation.Relu));
                float[] embedded = Floats(Subject, Subject.Embed(ids, packed, 1.5f, Tensor.None, Tensor.None));
                foreach (bool view in NoAndYes)
                {
                    foreach (bool transposed in NoAndYes)
                    {
                        Tensor first = Put(Subject, transposed ? inputs : outputs, transposed ? outputs : inputs, Values(outputs * inputs, seed: 4));
                        Weight refreshed = Refreshed(Subject, outputs, inputs, first, transposed, type);
                        Assert.Equal((outputs, inputs, type), (refreshed.Outputs, refreshed.Inputs, refreshed.Type));
                        Tensor values = Put(Subject, first.Rows, first.Columns, transposed ? turned : weight, view);
                        Subject.Refresh(refreshed, values, transposed);
                        AssertSameBits(what, expected, Floats(Subject, Subject.Linear(input, new LinearWeights(refreshed, b), Activation.Relu)));
                        AssertSameBits(what, embedded, Floats(Subject, Subject.Embed(ids, refreshed, 1.5f, Tensor.None, Tensor.None)));
                    }
                }

                return true;
            });
        }
    }

    private static float[] Rounded(DType type, float[] values) => type == DType.BFloat16
        ? Array.ConvertAll(LinearReference.ToBFloat16(Widen(values)), static value => (float)value)
        : values;

    [Fact]
    public void Clear_sets_a_view_to_zero_and_nothing_else() => InFrame(Subject, _ =>
    {
        foreach ((int rows, int columns) in new[] { (0, 4), (1, 1), (3, 17), (65, 33) })
        {
            Tensor part = Surrounded(Subject, rows, columns, out Tensor whole);
            Subject.Clear(part);
            Assert.All(Floats(Subject, part), static value => Assert.Equal(0f, value));
            AssertOnlyInside(Floats(Subject, whole), rows, columns);
        }

        return true;
    });

    [Theory, InlineData(DType.Float32), InlineData(DType.BFloat16)]
    public void LinearBackward_agrees_with_its_definition(DType type)
    {
        foreach ((int rows, int inputs, int outputs) in MatrixShapes)
        {
            foreach (bool view in NoAndYes)
            {
                float[] x = Values(rows * inputs, seed: 5), dy = Values(rows * outputs, seed: 6);
                float[] weight = Values(outputs * inputs, seed: 7), bias = Values(outputs, seed: 8);
                double[] ofWeight = GradientBound.Sum(
                    LinearGradientReference.Weight(Magnitudes(Rounded(type, x)), Magnitudes(Rounded(type, dy)), rows, inputs, outputs), Widen(weight),
                    rows);
                double[] ofBias = GradientBound.Sum(LinearGradientReference.Bias(Magnitudes(dy), outputs), Widen(bias), rows);
                AssertAllAgree($"[{rows}, {inputs}] and [{rows}, {outputs}]{(view ? ", views" : "")}", [ofWeight, ofBias], b =>
                {
                    Tensor input = Put(b, rows, inputs, x, view), d = Put(b, rows, outputs, dy, view);
                    Tensor into = Into(b, outputs, inputs, weight, view), also = Into(b, 1, outputs, bias, view);
                    b.LinearBackward(input, d, into, also, type);
                    return [into, also];
                });
                AssertAllAgree($"[{rows}, {inputs}] and [{rows}, {outputs}] without bias", [ofWeight], b =>
                {
                    Tensor into = Into(b, outputs, inputs, weight, view);
                    b.LinearBackward(Put(b, rows, inputs, x, view), Put(b, rows, outputs, dy, view), into, Tensor.None, type);
                    return [into];
                });
            }
        }
    }

    [Fact]
    public void EmbedBackward_agrees_with_its_definition()
    {
        foreach ((int rows, int width) in new[] { (0, 16), (1, 1), (1, 257), (5, 15), (17, 16), (33, 17), (64, 48), (129, 65), (257, 31) })
        {
            const int Vocabulary = 23, Positions = 19;
            const float Scale = 2.5f;
            var random = new Random(9);
            int[] ids = [.. Enumerable.Range(0, rows).Select(row => row % 5 == 2 ? -1 : random.Next(Vocabulary))];
            int[] places = [.. Enumerable.Range(0, rows).Select(row => row % Positions)];
            if (rows > 1) (ids[0], ids[1]) = (Vocabulary - 1, Vocabulary - 1);
            float[] dy = Values(rows * width, seed: 10), table = Values(Vocabulary * width, seed: 11), positions = Values(Positions * width, seed: 12);
            double[] ofTable = GradientBound.Sum(
                LinearGradientReference.Table(ids, Magnitudes(dy), width, Scale, Vocabulary), Widen(table), rows);
            double[] ofPositions = GradientBound.Sum(
                LinearGradientReference.Table(places, Magnitudes(dy), width, 1, Positions), Widen(positions), rows);
            foreach (bool view in NoAndYes)
            {
                AssertAllAgree($"{rows} rows of {width}", [ofTable, ofPositions], b =>
                {
                    Tensor into = Into(b, Vocabulary, width, table, view), also = Into(b, Positions, width, positions, view);
                    b.EmbedBackward(PutVector(b, ids, view), Put(b, rows, width, dy, view), Scale, into, PutVector(b, places, view), also);
                    return [into, also];
                });
                AssertAllAgree($"{rows} rows of {width} without positions", [ofTable], b =>
                {
                    Tensor into = Into(b, Vocabulary, width, table, view);
                    b.EmbedBackward(PutVector(b, ids), Put(b, rows, width, dy, view), Scale, into, Tensor.None, Tensor.None);
                    return [into];
                });
            }
        }
    }

    [Fact]
    public void SumOfSquares_agrees_with_its_definition()
    {
        const int Block = 16_384;
        foreach (int count in Counts)
        {
            float[] x = Values(count, seed: 13);
            double expected = Widen(x).Sum(static value => value * value);
            InFrame(Subject, _ =>
            {
                double found = Subject.SumOfSquares(Put(Subject, 1, count, x));
                Assert.InRange(Math.Abs(found - expected), 0, GradientBound.SumOfSquares(Widen(x), Block));
                Assert.Equal(found, Subject.SumOfSquares(Put(Subject, 1, count, x, view: true)));
                foreach (ITrainingBackend twin in _twins ??= [.. OpenTwins()])
                    Assert.Equal(found, InFrame(twin, _ => twin.SumOfSquares(Put(twin, 1, count, x))));
                return true;
            });
        }
    }

    [Theory]
    [InlineData(0f, 1f)]
    [InlineData(0.1f, 0.25f)]
    public void AdamStep_agrees_with_its_definition(float decay, float gradientScale)
    {
        var rates = new AdamStep(0.003f, 0.9f, 0.98f, 1e-9f, decay, 0.271f, 0.0588f, gradientScale);
        foreach (int count in Counts)
        {
            float[] x = Values(count, seed: 14), g = Values(count, seed: 15), m = Values(count, seed: 16, 0.1);
            float[] v = [.. Values(count, seed: 17, 0.1).Select(static value => value * value)];
            for (int i = 0; i < count; i += 7) (g[i], m[i], v[i]) = (0, 0, 0);   // never seen: stays where it is
            var (ofX, ofM, ofV) = (Zeros(count), Zeros(count), Zeros(count));
            for (int i = 0; i < count; i++) (ofX[i], ofM[i], ofV[i]) = GradientBound.Adam(x[i], g[i], m[i], v[i], rates);
            foreach (bool view in NoAndYes)
            {
                AssertAllAgree($"{count} numbers", [ofX, ofM, ofV], b =>
                {
                    Tensor values = Into(b, 1, count, x, view), first = Into(b, 1, count, m, view), second = Into(b, 1, count, v, view);
                    b.AdamStep(values, Put(b, 1, count, g, view), first, second, rates);
                    return [values, first, second];
                });
            }
        }
    }

    [Fact]
    public void What_does_not_fit_is_refused() => InFrame(Subject, _ =>
    {
        Tensor x = Put(Subject, 3, 4, new float[12]), dy = Put(Subject, 3, 5, new float[15]), four = Put(Subject, 1, 4, new float[4]);
        Tensor five = Put(Subject, 1, 5, new float[5]), weight = Put(Subject, 5, 4, new float[20]), turned = Put(Subject, 4, 5, new float[20]);
        Tensor ids = PutVector(Subject, [0, 5, 1]), two = PutVector(Subject, [0, 1]);
        var norm = new NormWeights(four, four, 1e-5f);
        Assert.Throws<ArgumentException>(() => Subject.LinearBackward(x, dy, turned, five));
        Assert.Throws<ArgumentException>(() => Subject.LinearBackward(x, dy, weight, four));
        Assert.Throws<ArgumentException>(() => Subject.LinearBackward(x, dy.RowRange(0, 2), weight, five));
        Assert.Throws<ArgumentException>(() => Subject.NormBackward(x, norm, dy, Tensor.None, four, four));
        Assert.Throws<ArgumentException>(() => Subject.NormBackward(x, norm, x, dy, four, four));
        Assert.Throws<ArgumentException>(() => Subject.NormBackward(x, norm, x, Tensor.None, five, four));
        Assert.Throws<ArgumentException>(() => Subject.EmbedBackward(ids, x, 1, turned, Tensor.None, Tensor.None));
        Assert.Throws<ArgumentException>(() => Subject.EmbedBackward(ids, dy, 1, weight, Tensor.None, Tensor.None));
        Assert.Throws<ArgumentException>(() => Subject.ActivationBackward(x, dy, Activation.Relu));
        Assert.Throws<ArgumentException>(() => Subject.CrossEntropy(dy, two, 0, 1));
        Assert.Throws<ArgumentException>(() => Subject.CrossEntropy(dy, ids, 0, 1));
        Assert.Throws<ArgumentException>(() => Subject.AdamStep(four, five, four, four, default));
        using Weight own = Subject.AllocateWeight(5, 4);
        Assert.Throws<ArgumentException>(() => Subject.Refresh(own, turned, transposed: false));
        Assert.Throws<ArgumentException>(() => Subject.Refresh(own, weight, transposed: true));
        return true;
    });

    private static float[] Transpose(float[] values, int rows, int columns) =>
        [.. Enumerable.Range(0, values.Length).Select(i => values[(i % rows * columns) + (i / rows)])];
}
