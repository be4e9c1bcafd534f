// Linear layers and embeddings, with weights of every type.
using Engine.Backends;
using Engine.Formats;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Conformance;

public abstract partial class BackendConformance
{
    // Rows, inputs, outputs: none, one, primes, one less and one more than vectors and tiles, models' widths.
    private static readonly (int Rows, int Inputs, int Outputs)[] LinearShapes =
    [
        (0, 16, 16), (1, 1, 1), (1, 512, 512), (1, 511, 1000), (2, 3, 5), (3, 512, 37), (4, 80, 64), (5, 64, 97),
        (6, 4, 127),
        (7, 13, 11), (8, 100, 48), (9, 128, 80), (11, 65, 17), (12, 512, 31), (13, 100, 49), (15, 16, 17), (16, 15, 33),
        (17, 31, 32), (24, 17, 96), (25, 48, 95), (31, 32, 33), (33, 63, 64), (64, 65, 63), (65, 64, 65), (127, 8, 3),
    ];

    public static TheoryData<DType, ActivationRounding> WeightTypes => new()
    {
        { DType.Float32, ActivationRounding.Nearest },
        { DType.Float16, ActivationRounding.Nearest },
        { DType.BFloat16, ActivationRounding.Nearest },
        { DType.BFloat16, ActivationRounding.BFloat16 },
        { DType.Int8, ActivationRounding.Nearest },
        { DType.Int8, ActivationRounding.Legacy },
        { DType.Int16, ActivationRounding.Nearest },
        { DType.Int16, ActivationRounding.Legacy },
    };

    [Theory, MemberData(nameof(WeightTypes))]
    public void Linear_agrees_with_its_definition(DType type, ActivationRounding rounding)
    {
        foreach ((int rows, int inputs, int outputs) in LinearShapes)
        {
            HostMatrix weight = HostMatrix.Create(type, outputs, inputs, Values(outputs * inputs, seed: 1, 0.1));
            float[] x = Values(rows * inputs, seed: 2);
            CheckLinear(x, rows, weight, [], rounding, Activation.None, view: false);
            CheckLinear(x, rows, weight, Values(outputs, seed: 3), rounding, Activation.None, view: true);
        }
    }

    [Theory]
    [InlineData(Activation.Relu)]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.GeluTanh)]
    [InlineData(Activation.GeluSigmoid)]
    [InlineData(Activation.Silu)]
    [InlineData(Activation.Tanh)]
    [InlineData(Activation.Sigmoid)]
    public void Linear_applies_its_activation_last(Activation activation)
    {
        foreach (DType type in new[] { DType.Float32, DType.Float16, DType.BFloat16, DType.Int8, DType.Int16 })
        {
            foreach ((int rows, int inputs, int outputs) in new[] { (1, 64, 35), (17, 31, 33), (33, 16, 48) })
            {
                HostMatrix weight = HostMatrix.Create(type, outputs, inputs, Values(outputs * inputs, seed: 4, 0.3));
                float[] x = Values(rows * inputs, seed: 5);
                CheckLinear(x, rows, weight, Values(outputs, seed: 6), ActivationRounding.Nearest, activation,
                    view: true);
                CheckLinear(x, rows, weight, [], ActivationRounding.Nearest, activation, view: false);
            }
        }
    }

    [Theory]
    [InlineData(Activation.Relu)]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.GeluTanh)]
    [InlineData(Activation.GeluSigmoid)]
    [InlineData(Activation.Silu)]
    [InlineData(Activation.Tanh)]
    [InlineData(Activation.Sigmoid)]
    public void An_activation_is_right_over_its_whole_range(Activation activation)
    {
        // A weight of one makes the layer the function itself. Steps of 1/32 to ±12, then powers of two to ±1024 and to
        // 2⁻³⁰.
        var points = new List<float> { 0f };
        for (int i = 1; i <= 12 * 32; i++) points.AddRange([i / 32f, -i / 32f]);
        for (int exponent = -30; exponent <= 10; exponent++)
            points.AddRange([1.37f * MathF.ScaleB(1, exponent), -1.37f * MathF.ScaleB(1, exponent)]);
        HostMatrix one = HostMatrix.Create(DType.Float32, 1, 1, [1f]);
        double[] bound = [.. points.Select(x => OperatorBound.Activated(activation, x, 0))];
        AssertAgrees($"{activation}", bound, b =>
            b.Linear(Put(b, points.Count, 1, [.. points]), new LinearWeights(Pack(b, default, one.Tensor), Tensor.None),
                activation));
    }

    [Theory]
    [InlineData(ActivationRounding.Nearest)]
    [InlineData(ActivationRounding.Legacy)]
    public void Int8_sums_are_exact_where_no_activation_is_near_a_tie(ActivationRounding rounding)
    {
        foreach ((int rows, int inputs, int outputs) in new[] { (1, 1, 1), (1, 512, 65), (3, 17, 16), (13, 64, 33),
            (37, 100, 50) })
        {
            // The largest of each row is 127/64, so s is 64; the others are whole multiples of 1/64 and some tenths of
            // one.
            var random = new Random(7);
            var x = new float[rows * inputs];
            for (int i = 0; i < x.Length; i++)
            {
                double tenths = rounding == ActivationRounding.Nearest ? random.Next(-4, 5) : random.Next(1, 10);
                x[i] = i % inputs == inputs / 2 ? 127 / 64f : (float)((random.Next(-126, 126) + (tenths / 10)) / 64);
            }

            int[] integers = [.. Enumerable.Range(0, outputs * inputs).Select(_ => random.Next(-128, 128))];
            float[] scales = [.. Enumerable.Range(0, outputs).Select(_ => 50 + (100 * random.NextSingle()))];
            CheckWithoutTies(DType.Int8, rounding, x, rows, inputs, outputs, integers, scales);
        }
    }

    [Theory]
    [InlineData(ActivationRounding.Nearest)]
    [InlineData(ActivationRounding.Legacy)]
    public void Int16_sums_are_exact_where_no_activation_is_near_a_tie(ActivationRounding rounding)
    {
        foreach ((int rows, int inputs, int outputs) in new[] { (1, 1, 1), (1, 512, 65), (3, 17, 16), (13, 64, 33),
            (37, 100, 50) })
        {
            // Sums stay below 2³¹: 512 · 3000 · 1000.
            var random = new Random(8);
            var x = new float[rows * inputs];
            for (int i = 0; i < x.Length; i++)
            {
                int whole = random.Next(-3000, 3000);
                double tenths = rounding == ActivationRounding.Nearest ? random.Next(-4, 5)
                    : Math.Sign(whole) * random.Next(1, 10);
                x[i] = (float)((whole + (tenths / 10)) / 1000);
            }

            int[] integers = [.. Enumerable.Range(0, outputs * inputs).Select(_ => random.Next(-1000, 1001))];
            CheckWithoutTies(DType.Int16, rounding, x, rows, inputs, outputs, integers,
                [.. Enumerable.Repeat(1000f, outputs)]);
        }
    }

    [Theory]
    [InlineData(127, 127)]
    [InlineData(-127, 127)]
    [InlineData(127, -128)]
    [InlineData(-127, -128)]
    public void Int8_sums_do_not_saturate(int activation, int element)
    {
        // Pairs of such products do not fit in 16 bits, where some instructions keep them.
        const int Inputs = 515, Outputs = 35;
        float[] x = [.. Enumerable.Repeat(activation / 64f, 2 * Inputs)];
        int[] integers = [.. Enumerable.Repeat(element, Inputs * Outputs)];
        CheckWithoutTies(
            DType.Int8, ActivationRounding.Nearest, x, 2, Inputs, Outputs, integers,
            [.. Enumerable.Repeat(1f, Outputs)]);
    }

    [Theory, MemberData(nameof(WeightTypes))]
    public void Rows_of_zeros_give_the_bias(DType type, ActivationRounding rounding)
    {
        foreach ((int rows, int inputs, int outputs) in new[] { (1, 5, 3), (1, 512, 64), (14, 33, 49) })
        {
            HostMatrix weight = HostMatrix.Create(type, outputs, inputs, Values(outputs * inputs, seed: 9));
            float[] bias = Values(outputs, seed: 10);
            float[] found = Run(b => b.Linear(
                Put(b, rows, inputs, new float[rows * inputs]),
                new LinearWeights(Pack(b, rounding, weight.Tensor), PutVector(b, bias))));
            for (int row = 0; row < rows; row++)
                AssertSameBits($"row {row}", bias, found.AsSpan(row * outputs, outputs));
        }
    }

    [Theory, MemberData(nameof(WeightTypes))]
    public void Linear_gives_a_row_the_same_bits_in_every_batch(DType type, ActivationRounding rounding)
    {
        if (!IsBatchInvariant) return;
        foreach ((int rows, int inputs, int outputs) in new[] { (67, 33, 21), (40, 512, 100), (13, 130, 257) })
        {
            HostMatrix weight = HostMatrix.Create(type, outputs, inputs, Values(outputs * inputs, seed: 11, 0.1));
            float[] x = Values(rows * inputs, seed: 12), bias = Values(outputs, seed: 13);
            InFrame(Backend, b =>
            {
                var weights = new LinearWeights(Pack(b, rounding, weight.Tensor), PutVector(b, bias));
                Tensor all = Put(b, rows, inputs, x);
                float[] together = Floats(b, b.Linear(all, weights, Activation.Gelu));
                for (int size = 1; size < 32; size += 1 + (size / 2))   // 1, 2, 4, 7, 11, 17, 26
                {
                    for (int row = 0; row < rows; row += size)
                    {
                        int count = Math.Min(size, rows - row);
                        float[] alone = Floats(b, b.Linear(all.RowRange(row, count), weights, Activation.Gelu));
                        AssertSameBits(
                            $"[{rows}, {inputs}] to {outputs}, {count} rows from {row}",
                            together.AsSpan(row * outputs, count * outputs),
                            alone);
                    }
                }

                return true;
            });
        }
    }

    [Theory, MemberData(nameof(WeightTypes))]
    public void Parts_that_are_packed_together_are_layers_side_by_side(DType type, ActivationRounding rounding)
    {
        const int Rows = 9, Inputs = 48;
        int[] outputs = [48, 1, 17, 32];
        HostMatrix[] parts =
            [.. outputs.Select((count, i) =>
                HostMatrix.Create(type, count, Inputs, Values(count * Inputs, seed: 20 + i, 0.1 + i)))];
        float[] x = Exact(Values(Rows * Inputs, seed: 14), type);
        InFrame(Backend, b =>
        {
            Tensor input = Put(b, Rows, Inputs, x);
            Weight stacked = Pack(b, rounding, [.. parts.Select(static part => part.Tensor)]);
            Assert.Equal((outputs.Sum(), Inputs, type), (stacked.Outputs, stacked.Inputs, stacked.Type));
            Assert.InRange(stacked.Bytes, outputs.Sum() * Inputs * type.Bytes(), long.MaxValue);
            Tensor together = b.Linear(input, new LinearWeights(stacked, Tensor.None));
            int start = 0;
            for (int i = 0; i < parts.Length; i++)
            {
                float[] found = Floats(b, together.ColumnRange(start, outputs[i]));
                float[] alone = Floats(b,
                    b.Linear(input, new LinearWeights(Pack(b, rounding, parts[i].Tensor), Tensor.None)));
                if (IsBatchInvariant) AssertSameBits($"part {i}", alone, found);
                else
                {
                    (double[] expected, double[] bound) = Expected(x, Rows, parts[i], [], rounding, Activation.None);
                    AssertWithin($"part {i}", expected, found, bound, outputs[i]);
                }

                start += outputs[i];
            }

            return true;
        });
    }

    [Fact]
    public void Linear_and_Pack_refuse_what_does_not_fit()
    {
        HostMatrix weight = HostMatrix.Create(DType.Float32, 3, 4, Values(12, seed: 15));
        HostMatrix wider = HostMatrix.Create(DType.Float32, 3, 5, Values(15, seed: 16));
        HostMatrix other = HostMatrix.Create(DType.BFloat16, 3, 4, Values(12, seed: 17));
        Assert.Throws<ArgumentException>(() => Backend.Pack([weight.Tensor, wider.Tensor]));
        Assert.Throws<ArgumentException>(() => Backend.Pack([weight.Tensor, other.Tensor]));
        Weight packed = Pack(Backend, default, weight.Tensor);
        InFrame(Backend, b =>
        {
            Tensor x = Put(b, 2, 5, new float[10]);
            Assert.Throws<ArgumentException>(() => b.Linear(x, new LinearWeights(packed, Tensor.None)));
            Assert.Throws<ArgumentException>(() =>
                b.Linear(x.ColumnRange(0, 3), new LinearWeights(packed, Tensor.None)));
            return true;
        });
    }

    [Theory]
    [InlineData(DType.Float32, float.NaN)]
    [InlineData(DType.Float32, float.PositiveInfinity)]
    [InlineData(DType.Float16, float.NaN)]
    [InlineData(DType.Float16, float.NegativeInfinity)]
    [InlineData(DType.BFloat16, float.NaN)]
    [InlineData(DType.BFloat16, float.PositiveInfinity)]
    public void Pack_refuses_weights_that_are_no_numbers(DType type, float bad)
    {
        foreach (int place in new[] { 0, 17, 36 * 19 - 1 })
        {
            float[] values = Values(36 * 19, seed: 18);
            values[place] = bad;
            HostMatrix weight = HostMatrix.Create(type, 36, 19, values);
            Assert.Throws<ModelFormatException>(() => Backend.Pack([weight.Tensor]));
        }
    }

    [Theory, MemberData(nameof(WeightTypes))]
    public void Embed_agrees_with_its_definition(DType type, ActivationRounding rounding)
    {
        foreach ((int rows, int width) in new[] { (0, 16), (1, 1), (1, 512), (3, 15), (17, 17), (5, 80), (33, 64),
            (70, 31) })
        {
            const int Vocabulary = 41, Positions = 70;
            HostMatrix table = HostMatrix.Create(type, Vocabulary, width, Values(Vocabulary * width, seed: 19));
            float[] positions = Values(Positions * width, seed: 20);
            var random = new Random(21);
            int[] ids = [.. Enumerable.Range(0, rows).Select(row => row % 5 == 2 ? -1 : random.Next(Vocabulary))];
            int[] places = [.. Enumerable.Range(0, rows).Select(_ => random.Next(Positions))];
            if (rows > 1) (ids[0], ids[1]) = (Vocabulary - 1, 0);
            float scale = MathF.Sqrt(width);
            foreach (bool view in new[] { false, true })
            {
                AssertAgrees(
                    $"{type} {rows} rows of {width}",
                    OperatorBound.Embed(ids, table.Values, width, scale, Widen(positions), places),
                    b => b.Embed(
                        PutVector(b, ids, view), Pack(b, rounding, table.Tensor), scale,
                        Put(b, Positions, width, positions, view),
                        PutVector(b, places, view)));
                AssertAgrees(
                    $"{type} {rows} rows of {width} without positions",
                    OperatorBound.Embed(ids, table.Values, width, 1, [], []),
                    b => b.Embed(PutVector(b, ids, view), Pack(b, rounding, table.Tensor), 1, Tensor.None,
                        Tensor.None));
            }
        }
    }

    private void CheckLinear(
        float[] x, int rows, HostMatrix weight, float[] bias, ActivationRounding rounding, Activation activation,
        bool view)
    {
        (int outputs, int inputs) = (weight.Tensor.Shape.Rows, weight.Tensor.Shape.Columns);
        x = Exact(x, weight.Tensor.Type);
        (double[] _, double[] bound) = Expected(x, rows, weight, bias, rounding, activation);
        AssertAgrees($"{weight.Tensor.Type} [{rows}, {inputs}] to {outputs}{(view ? ", views" : "")}", bound, b =>
            b.Linear(
            Put(b, rows, inputs, x, view),
            new LinearWeights(Pack(b, rounding, weight.Tensor), PutVector(b, bias, view)), activation));
    }

    // Activations that the rounding before a float16 weight does not change, so that one definition and bound is for all backends.
    private float[] Exact(float[] x, DType type) =>
        RoundsToFloat16 && type == DType.Float16 ? Array.ConvertAll(x, static value => (float)(Half)value) : x;

    private void CheckWithoutTies(
        DType type, ActivationRounding rounding, float[] x, int rows, int inputs, int outputs, int[] integers,
        float[] scales)
    {
        HostMatrix weight = HostMatrix.FromIntegers(type, outputs, inputs, integers, scales);
        double[] expected = LinearReference.QuantisedRows(
            Widen(x), integers, scales, [], rows, inputs, outputs, type == DType.Int8, rounding);

        // float(sum), 1/s, product, quotient: one step of the sum is 1 in 2²⁴ at least here, so a wrong integer shows.
        double[] bound = [.. expected.Select(static y => ErrorBound.Gamma(4) * Math.Abs(y))];
        AssertAgrees($"{type} [{rows}, {inputs}] to {outputs}", bound, b => b.Linear(
            Put(b, rows, inputs, x), new LinearWeights(Pack(b, rounding, weight.Tensor), Tensor.None)));
    }

    private static (double[] Values, double[] Bound) Expected(
        float[] x, int rows, HostMatrix weight, float[] bias, ActivationRounding rounding, Activation activation)
    {
        (int outputs, int inputs) = (weight.Tensor.Shape.Rows, weight.Tensor.Shape.Columns);
        (double[] input, double[] b) = (Widen(x), Widen(bias));
        if (rounding == ActivationRounding.BFloat16) input = LinearReference.ToBFloat16(input);
        if (weight.Tensor.Type.IsFloat())
        {
            return (
                LinearReference.Rows(input, weight.Values, b, rows, inputs, outputs, activation),
                OperatorBound.Linear(input, weight.Values, b, rows, inputs, outputs, activation));
        }

        bool isInt8 = weight.Tensor.Type == DType.Int8;
        return (
            LinearReference.QuantisedRows(
                input, weight.Integers, weight.Scales, b, rows, inputs, outputs, isInt8, rounding, activation),
            OperatorBound.QuantisedLinear(
                input, weight.Integers, weight.Scales, b, rows, inputs, outputs, isInt8, rounding, activation));
    }
}
