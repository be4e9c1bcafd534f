// Operators of training that take a number or a row at a time: activations, dropout, norms, cross-entropy.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class TrainingConformance
{
    private static readonly (int Rows, int Columns)[] TableShapes =
    [
        (0, 16), (1, 1), (1, 2), (3, 15), (2, 16), (5, 17), (7, 47), (3, 48), (2, 49), (1, 63), (2, 64), (3, 65), (5, 127), (17, 128),
        (4, 129), (1, 512), (2, 257), (129, 31), (257, 5),
    ];

    public static TheoryData<Activation> TrainedActivations => [.. Enum.GetValues<Activation>()];

    [Theory, MemberData(nameof(TrainedActivations))]
    public void Activate_gives_the_bits_of_a_linear_layer(Activation activation)
    {
        foreach ((int rows, int columns) in TableShapes)
        {
            float[] x = Values(rows * columns, seed: 1, 3), identity = new float[columns * columns];
            for (int i = 0; i < columns; i++) identity[i * (columns + 1)] = 1;
            foreach (bool view in new[] { false, true })
            {
                InFrame(Subject, _ =>
                {
                    Weight one = Refreshed(Subject, columns, columns, Put(Subject, columns, columns, identity), transposed: false);
                    Tensor input = Put(Subject, rows, columns, x, view);
                    AssertSameBits(
                        $"{activation} [{rows}, {columns}]", Floats(Subject, Subject.Linear(input, new LinearWeights(one, Tensor.None), activation)),
                        Floats(Subject, Subject.Activate(input, activation)));
                    AssertSameBits("x as it was", x, Floats(Subject, input));
                    return true;
                });
            }
        }
    }

    [Theory, MemberData(nameof(TrainedActivations))]
    public void ActivationBackward_agrees_with_its_definition(Activation activation)
    {
        foreach ((int rows, int columns) in TableShapes)
        {
            float[] x = Values(rows * columns, seed: 2, 3), dy = Values(rows * columns, seed: 3);
            if (x.Length > 2) x[^2] = 0;
            double[] bound = [.. x.Zip(dy, (value, d) => GradientBound.Activation(activation, value, d))];
            foreach (bool view in new[] { false, true })
            {
                AssertAllAgree($"{activation} [{rows}, {columns}]{(view ? ", views" : "")}", [bound], b =>
                    [b.ActivationBackward(Put(b, rows, columns, x, view), Put(b, rows, columns, dy, view), activation)]);
            }
        }
    }

    [Theory, MemberData(nameof(TrainedActivations))]
    public void A_slope_is_right_over_the_whole_range(Activation activation)
    {
        var points = new List<float> { 0f };
        for (int i = 1; i <= 12 * 32; i++) points.AddRange([i / 32f, -i / 32f]);
        for (int exponent = -30; exponent <= 6; exponent++)
            points.AddRange([1.37f * MathF.ScaleB(1, exponent), -1.37f * MathF.ScaleB(1, exponent)]);
        float[] ones = [.. Enumerable.Repeat(1f, points.Count)];
        double[] bound = [.. points.Select(x => GradientBound.Activation(activation, x, 1))];
        AssertAllAgree($"{activation}", [bound], b =>
            [b.ActivationBackward(PutVector(b, [.. points]), PutVector(b, ones), activation)]);
    }

    [Theory, InlineData(0f), InlineData(0.1f), InlineData(0.5f)]
    public void Dropout_rounds_once(float rate)
    {
        foreach ((int rows, int columns) in TableShapes)
        {
            float[] x = Values(rows * columns, seed: 4);
            var dropout = new Dropout(rate, 0x1234_5678_9ABC_DEF0, 7);
            foreach (bool view in new[] { false, true })
            {
                AssertAllAgree($"rate {rate}, [{rows}, {columns}]", [Zeros(x.Length)], b =>
                    [b.Dropout(Put(b, rows, columns, x, view), dropout)]);
            }
        }
    }

    [Theory]
    [InlineData(false, true, true)]
    [InlineData(false, true, false)]
    [InlineData(false, false, true)]
    [InlineData(true, true, false)]
    [InlineData(true, false, true)]
    public void NormBackward_agrees_with_its_definition(bool isRms, bool hasBias, bool hasPassed)
    {
        foreach ((int rows, int columns) in TableShapes)
        {
            foreach (float mean in new[] { 0f, 50f })
            {
                float[] x = Values(rows * columns, seed: 5);
                for (int i = 0; i < x.Length; i++) x[i] = i / columns % 3 == 2 ? mean : x[i] + mean;
                CheckNormBackward(x, rows, columns, isRms, hasBias, hasPassed);
            }
        }
    }

    [Theory, InlineData(0f), InlineData(0.1f), InlineData(1f)]
    public void CrossEntropy_agrees_with_its_definition(float smoothing)
    {
        foreach ((int rows, int columns) in TableShapes)
        {
            const float Scale = 0.125f;
            foreach (double deviation in new[] { 1.0, 20 })
            {
                float[] logits = Values(rows * columns, seed: 6, deviation);
                var random = new Random(7);
                int[] targets = [.. Enumerable.Range(0, rows).Select(row => row % 4 == 1 ? -1 : random.Next(columns))];
                var (ofLogits, ofLosses) = (Zeros(logits.Length), Zeros(2 * rows));
                for (int row = 0; row < rows; row++)
                {
                    (ofLosses[2 * row], ofLosses[(2 * row) + 1]) = GradientBound.CrossEntropy(
                        Widen(logits.AsSpan(row * columns, columns)), targets[row], smoothing, Scale, out double[] gradient);
                    gradient.CopyTo(ofLogits, row * columns);
                }

                foreach (bool view in new[] { false, true })
                {
                    AssertAllAgree($"smoothing {smoothing}, [{rows}, {columns}]", [ofLogits, ofLosses], b =>
                    {
                        Tensor table = Into(b, rows, columns, logits, view);
                        Tensor losses = b.CrossEntropy(table, PutVector(b, targets, view), smoothing, Scale);
                        return [table, losses];
                    });
                }
            }
        }
    }

    private void CheckNormBackward(float[] x, int rows, int columns, bool isRms, bool hasBias, bool hasPassed)
    {
        const float Epsilon = 1e-5f;
        float[] dy = Values(rows * columns, seed: 8), gain = Values(columns, seed: 9), passed = hasPassed ? Values(rows * columns, seed: 10) : [];
        float[] startGain = Values(columns, seed: 11), startBias = Values(columns, seed: 12);
        var (ofX, error, magnitude) = (Zeros(x.Length), Zeros(columns), Zeros(columns));
        for (int row = 0; row < rows; row++)
        {
            Range range = (row * columns)..((row + 1) * columns);
            GradientBound.Norm(
                Widen(x[range]), Widen(gain), Widen(dy[range]), hasPassed ? Widen(passed[range]) : [], Epsilon, isRms,
                out double[] wrong, out double[] size).CopyTo(ofX, row * columns);
            for (int i = 0; i < columns; i++) (error[i], magnitude[i]) = (error[i] + wrong[i], magnitude[i] + size[i]);
        }

        double[] ofGain = [.. GradientBound.Sum(magnitude, Widen(startGain), rows).Zip(error, static (sum, rest) => sum + rest)];
        double[] ofBias = GradientBound.Sum(LinearGradientReference.Bias(Magnitudes(dy), columns), Widen(startBias), rows);
        foreach (bool view in new[] { false, true })
        {
            AssertAllAgree($"[{rows}, {columns}]{(view ? ", views" : "")}", hasBias ? [ofX, ofGain, ofBias] : [ofX, ofGain], b =>
            {
                Tensor into = Into(b, 1, columns, startGain, view), also = hasBias ? Into(b, 1, columns, startBias, view) : Tensor.None;
                var weights = new NormWeights(
                    PutVector(b, gain, view), hasBias ? PutVector(b, Values(columns, seed: 13), view) : Tensor.None, Epsilon, isRms);
                Tensor dx = b.NormBackward(
                    Put(b, rows, columns, x, view), weights, Put(b, rows, columns, dy, view),
                    hasPassed ? Put(b, rows, columns, passed, view) : Tensor.None, into, also);
                return hasBias ? [dx, into, also] : [dx, into];
            });
        }
    }
}
