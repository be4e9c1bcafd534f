// Every backward operator of the reference against central differences of its forward operator: the reference's formulas are what
// all backends are held against, so they must not be wrong.
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Tests.Training;

public sealed class GradientTests : IDisposable
{
    private readonly ReferenceBackend _backend = new();

    public static TheoryData<Activation> Activations => [.. Enum.GetValues<Activation>()];

    // Queries and keys of each sentence: none and one among them, more and fewer keys than queries.
    public static TheoryData<int[], int[]> Batches => new()
    {
        { [3], [3] },
        { [4, 0, 1, 2], [4, 0, 1, 2] },
        { [2, 1, 0, 3], [5, 0, 2, 4] },
        { [4, 2], [2, 1] },
    };

    private static readonly AttentionMask[] Masks =
    [
        AttentionMask.None, AttentionMask.Causal, AttentionMask.Window(1, 2), AttentionMask.Window(1, 1).AndCausal(),
    ];

    [Theory, MemberData(nameof(Activations))]
    public void The_gradient_of_an_activation(Activation activation) => Check(
        $"{activation}", [AwayFromZero(Table(4, 7, seed: 1))],
        x => _backend.Activate(x[0], activation),
        (x, dy, into) => Give(into[0], _backend.ActivationBackward(x[0], dy, activation)));

    [Fact]
    public void The_slope_of_ReLU_may_be_read_off_its_result_and_is_0_at_0() => InFrame(() =>
    {
        Table x = Table(3, 5, seed: 2);
        x.Values[7] = 0;
        Tensor input = Put(x), dy = Put(Table(3, 5, seed: 3));
        double[] ofInput = _backend.ReadDoubles(_backend.ActivationBackward(input, dy, Activation.Relu));
        double[] ofResult = _backend.ReadDoubles(
            _backend.ActivationBackward(_backend.Activate(input, Activation.Relu), dy, Activation.Relu));
        Assert.Equal(ofInput, ofResult);
        Assert.Equal(0, ofInput[7]);
        return true;
    });

    [Fact]
    public void Activate_is_what_a_linear_layer_does_last() => InFrame(() =>
    {
        Tensor x = Put(Table(3, 4, seed: 4)), one = Put(new Table(4, 4, [.. Enumerable.Range(0, 16).Select(static i => i % 5 == 0 ? 1.0 : 0)]));
        using Weight identity = _backend.AllocateWeight(4, 4);
        _backend.Refresh(identity, one, transposed: false);
        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            Tensor layer = _backend.Linear(x, new LinearWeights(identity, Tensor.None), activation);
            Assert.Equal(_backend.ReadDoubles(layer), _backend.ReadDoubles(_backend.Activate(x, activation)));
        }

        return true;
    });

    [Theory, InlineData(0f), InlineData(0.3f)]
    public void Dropout_is_its_own_gradient(float rate)
    {
        var dropout = new Dropout(rate, 42, 3);
        Check(
            $"rate {rate}", [Table(5, 150, seed: 5)],
            x => _backend.Dropout(x[0], dropout),
            (_, dy, into) => Give(into[0], _backend.Dropout(dy, dropout)));
    }

    [Fact]
    public void Dropout_drops_its_share_and_keeps_the_mean() => InFrame(() =>
    {
        const int Rows = 200, Columns = 300;
        const float Rate = 0.1f;
        var dropout = new Dropout(Rate, 7, 1);
        double[] ones = [.. Enumerable.Repeat(1.0, Rows * Columns)];
        double[] y = _backend.ReadDoubles(_backend.Dropout(Put(new Table(Rows, Columns, ones)), dropout));
        int dropped = y.Count(static value => value == 0);

        // A binomial count: five standard deviations, which chance passes once in two million.
        Assert.InRange(dropped, (Rate * y.Length) - (5 * Math.Sqrt(y.Length * Rate * (1 - Rate))), (Rate * y.Length) + (5 * Math.Sqrt(y.Length * Rate * (1 - Rate))));
        Assert.All(y, value => Assert.True(value == 0 || value == dropout.Scale));
        Assert.Equal(1 / (1 - Rate), dropout.Scale, 1e-4);
        Assert.NotEqual(y, _backend.ReadDoubles(_backend.Dropout(Put(new Table(Rows, Columns, ones)), dropout with { Site = 2 })));
        Assert.NotEqual(y, _backend.ReadDoubles(_backend.Dropout(Put(new Table(Rows, Columns, ones)), dropout with { Key = 8 })));
        return true;
    });

    [Theory, InlineData(false), InlineData(true)]
    public void The_gradients_of_an_embedding(bool hasPositions)
    {
        const float Scale = 2.5f;
        int[] ids = [3, -1, 0, 3, 4, 3], places = [0, 1, 2, 0, 1, 0];
        Table table = Table(6, 5, seed: 6), positions = Table(3, 5, seed: 7);
        Check(
            $"positions {hasPositions}", hasPositions ? [table, positions] : [table],
            x => Embed(x[0], hasPositions ? x[1] : Tensor.None),
            (_, dy, into) => _backend.EmbedBackward(
                Put(ids), dy, Scale, into[0], hasPositions ? Put(places) : Tensor.None, hasPositions ? into[1] : Tensor.None));

        Tensor Embed(Tensor values, Tensor rows)
        {
            using Weight weight = _backend.AllocateWeight(values.Rows, values.Columns);
            _backend.Refresh(weight, values, transposed: false);
            return _backend.Embed(Put(ids), weight, Scale, rows, hasPositions ? Put(places) : Tensor.None);
        }
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(5, true)]
    [InlineData(5, false)]
    public void The_gradients_of_a_linear_layer(int rows, bool hasBias)
    {
        Table x = Table(rows, 4, seed: 8), weight = Table(3, 4, seed: 9), bias = Table(1, 3, seed: 10);
        Check(
            $"{rows} rows, bias {hasBias}", hasBias ? [x, weight, bias] : [x, weight],
            t => Linear(t[0], t[1], hasBias ? t[2] : Tensor.None, transposed: false),
            (t, dy, into) =>
            {
                _backend.LinearBackward(t[0], dy, into[1], hasBias ? into[2] : Tensor.None);
                Give(into[0], Linear(dy, t[1], Tensor.None, transposed: true));
            });
    }

    [Theory]
    [InlineData(false, true, false)]
    [InlineData(false, true, true)]
    [InlineData(false, false, false)]
    [InlineData(true, false, false)]
    [InlineData(true, false, true)]
    [InlineData(true, true, true)]
    public void The_gradients_of_a_norm(bool isRms, bool hasBias, bool hasPassed)
    {
        Table x = Table(4, 6, seed: 11), gain = Table(1, 6, seed: 12), bias = Table(1, 6, seed: 13), also = Table(4, 6, seed: 14);
        for (int i = 0; i < 6; i++) x.Values[6 + i] = 0.01 * x.Values[6 + i];   // a row where ε counts
        NormWeights Norm(Tensor[] t) => new(t[1], hasBias ? t[2] : Tensor.None, 1e-3f, isRms);
        Check(
            $"rms {isRms}, bias {hasBias}, passed {hasPassed}", hasBias ? [x, gain, bias] : [x, gain],
            t => _backend.Norm(t[0], Norm(t)),
            (t, dy, into) => Give(into[0], _backend.NormBackward(
                t[0], Norm(t), dy, hasPassed ? Put(also) : Tensor.None, into[1], hasBias ? into[2] : Tensor.None)),
            hasPassed ? also.Values : null);
    }

    [Theory, MemberData(nameof(Batches))]
    public void The_gradients_of_attention(int[] queries, int[] keys)
    {
        foreach (AttentionMask mask in Masks)
        {
            foreach ((int heads, int headDim, int valueDim) in new[] { (1, 3, 3), (2, 2, 3), (3, 2, 1) })
            {
                foreach (float rate in new[] { 0f, 0.3f })
                {
                    var spec = new AttentionSpec(heads, 1 / MathF.Sqrt(headDim), mask);
                    CheckAttention(queries, keys, headDim, valueDim, spec, new Dropout(rate, 5, 9), isAdditive: false);
                }
            }
        }
    }

    [Theory, MemberData(nameof(Batches))]
    public void The_gradients_of_additive_attention(int[] queries, int[] keys)
    {
        foreach (AttentionMask mask in Masks)
        {
            foreach ((int heads, int headDim, int valueDim) in new[] { (1, 3, 3), (2, 2, 3) })
            {
                foreach (float rate in new[] { 0f, 0.3f })
                {
                    var spec = new AttentionSpec(heads, 0.8f, mask);
                    CheckAttention(queries, keys, headDim, valueDim, spec, new Dropout(rate, 5, 9), isAdditive: true);
                }
            }
        }
    }

    [Theory, MemberData(nameof(AllTaps))]
    public void The_gradients_of_convolutions(int count, int before, int dilation)
    {
        var taps = new Taps(count, before, dilation);
        int[] lengths = [4, 0, 1, 3];
        Table x = Table(8, 3, seed: 25), filter = Table(count, 3, seed: 26), bias = Table(1, 3, seed: 27);
        Check(
            $"{taps}", [x], t => _backend.Unfold(t[0], Ragged.Create(_backend, lengths), taps),
            (_, dy, into) => Give(into[0], _backend.UnfoldBackward(dy, Ragged.Create(_backend, lengths), taps)));
        Check(
            $"{taps}, columns", [x, filter, bias],
            t => _backend.DepthwiseConvolution(t[0], t[1], t[2], Ragged.Create(_backend, lengths), taps),
            (t, dy, into) => Give(into[0], _backend.DepthwiseConvolutionBackward(
                t[0], t[1], dy, Ragged.Create(_backend, lengths), taps, into[1], into[2])));
    }

    public static TheoryData<int, int, int> AllTaps => new() { { 1, 0, 1 }, { 1, 1, 1 }, { 3, 1, 1 }, { 3, 2, 2 }, { 2, -1, 1 } };

    [Theory]
    [InlineData(CellKind.Tanh)]
    [InlineData(CellKind.Lstm)]
    [InlineData(CellKind.Gru)]
    public void The_gradients_of_a_cell(CellKind kind)
    {
        Table input = Table(3, 2 * kind.Gates(), seed: 28), hidden = Table(3, 2 * kind.Gates(), seed: 29);
        Check(
            $"{kind}", [input, hidden, Table(3, 2 * kind.States(), seed: 30)], t => _backend.RecurrentCell(t[0], t[1], t[2], kind),
            (t, dy, into) =>
            {
                Give(into[0], _backend.RecurrentCellBackward(t[0], t[1], t[2], dy, kind, out Tensor ofHidden, out Tensor ofState));
                Give(into[1], ofHidden);
                Give(into[2], ofState);
            });
    }

    [Theory, InlineData(-1), InlineData(0), InlineData(2), InlineData(9)]
    public void The_gradients_of_a_position(int position)
    {
        int[] lengths = [4, 0, 1, 3];
        Check(
            $"{position}", [Table(8, 3, seed: 31)], t => _backend.TakePosition(t[0], Ragged.Create(_backend, lengths), position),
            (_, dy, into) => _backend.TakePositionBackward(dy, Ragged.Create(_backend, lengths), position, into[0]));
    }

    [Fact]
    public void Attention_without_dropout_is_that_of_inference() => InFrame(() =>
    {
        Ragged sentences = Ragged.Create(_backend, [3, 2]);
        Tensor q = Put(Table(5, 4, seed: 15)), k = Put(Table(5, 4, seed: 16)), v = Put(Table(5, 6, seed: 17)), score = Put(Table(1, 4, seed: 18));
        var spec = new AttentionSpec(2, 0.5f, AttentionMask.Causal);
        Assert.Equal(
            _backend.ReadDoubles(_backend.Attention(q, k, v, sentences, sentences, spec)),
            _backend.ReadDoubles(_backend.Attention(q, k, v, sentences, sentences, spec, Dropout.None)));
        Assert.Equal(
            _backend.ReadDoubles(_backend.AdditiveAttention(q, k, v, score, sentences, sentences, spec)),
            _backend.ReadDoubles(_backend.AdditiveAttention(q, k, v, score, sentences, sentences, spec, Dropout.None)));
        return true;
    });

    // One query, keys whose scores are equal and values that are unit vectors: the result shows the factor of each weight.
    [Fact]
    public void Attention_drops_the_weight_of_a_row_of_heads_and_queries_and_a_column_of_its_sentence() => InFrame(() =>
    {
        const int Heads = 3, Keys = 20;
        int[] queries = [2, 3], keys = [4, Keys];
        var dropout = new Dropout(0.4f, 99, 4);
        var values = new double[(4 + Keys) * Heads * Keys];
        for (int j = 0; j < Keys; j++)
            for (int head = 0; head < Heads; head++) values[((4 + j) * Heads * Keys) + (head * Keys) + j] = 1;
        double[] y = _backend.ReadDoubles(_backend.Attention(
            Put(new Table(5, Heads, new double[5 * Heads])), Put(new Table(24, Heads, new double[24 * Heads])), Put(new Table(24, Heads * Keys, values)),
            Ragged.Create(_backend, queries), Ragged.Create(_backend, keys), new AttentionSpec(Heads, 1, AttentionMask.None), dropout));
        for (int query = 2; query < 5; query++)
        {
            for (int head = 0; head < Heads; head++)
            {
                for (int j = 0; j < Keys; j++)
                {
                    double factor = dropout.Keeps((head * 5) + query, j) ? dropout.Scale : 0;
                    Assert.Equal(factor / Keys, y[(query * Heads * Keys) + (head * Keys) + j], 1e-15);
                }
            }
        }

        return true;
    });

    [Theory, InlineData(0f), InlineData(0.1f), InlineData(1f)]
    public void The_gradient_of_the_cross_entropy(float smoothing)
    {
        const float Scale = 0.25f;
        int[] targets = [2, -1, 0, 4];
        Table logits = Table(4, 5, seed: 19);
        double[] differences = CentralDifferences.Of(logits.Values, () => Loss(out _));
        double magnitude = Loss(out double[] found);
        CentralDifferences.AssertAgree($"smoothing {smoothing}", [.. differences.Select(static d => d * Scale)], found, magnitude);
        Assert.All(found[5..10], static value => Assert.Equal(0, value));

        double Loss(out double[] gradient)
        {
            (double sum, gradient) = InFrame(() =>
            {
                Tensor rows = Put(logits);
                double[] losses = _backend.ReadDoubles(_backend.CrossEntropy(rows, Put(targets), smoothing, Scale));
                for (int row = 0; row < 4; row++)
                {
                    double[] logs = SoftmaxReference.LogSoftmax(logits.Values.AsSpan(5 * row, 5));
                    double surprise = targets[row] < 0 ? 0 : -logs[targets[row]];
                    double loss = targets[row] < 0 ? 0 : ((1 - (double)smoothing) * surprise) - (smoothing * logs.Average());
                    Assert.Equal(surprise, losses[(2 * row) + 1], 1e-14);
                    Assert.Equal(loss, losses[2 * row], 1e-14);
                }

                return (losses.Where(static (_, i) => i % 2 == 0).Sum(), _backend.ReadDoubles(rows));
            });
            return sum;
        }
    }

    [Fact]
    public void A_step_of_Adam_is_that_of_the_paper() => InFrame(() =>
    {
        // Two steps by hand: β₁ = 1/2, β₂ = 3/4, so that all numbers are exact.
        Tensor x = Put(new Table(1, 1, [1])), g = Put(new Table(1, 1, [8])), m = Put(new Table(1, 1, [0])), v = Put(new Table(1, 1, [0]));
        var rates = new AdamStep(0.5f, 0.5f, 0.75f, 0, 0.25f, 0.5f, 0.25f, 0.5f);
        _backend.AdamStep(x, g, m, v, rates);
        Assert.Equal([2.0], _backend.ReadDoubles(m));                         // 1/2 · 4
        Assert.Equal([4.0], _backend.ReadDoubles(v));                         // 1/4 · 16
        Assert.Equal([0.875 - 0.5], _backend.ReadDoubles(x));                 // 1 · (1 − 1/8) − 1/2 · (2 / ½) / √(4 / ¼)
        _backend.AdamStep(x, g, m, v, rates with { FirstCorrection = 0.75f, SecondCorrection = 0.4375f });
        Assert.Equal([3.0], _backend.ReadDoubles(m));
        Assert.Equal([7.0], _backend.ReadDoubles(v));
        Assert.Equal(0.328125 - 0.5, _backend.ReadDoubles(x)[0], 1e-15);      // (3 / ¾) / √(7 / (7/16)) = 1
        return true;
    });

    [Fact]
    public void Clear_and_SumOfSquares_are_what_their_names_say() => InFrame(() =>
    {
        Tensor x = Put(new Table(1, 3, [1, -2, 3]));
        Assert.Equal(14, _backend.SumOfSquares(x));
        _backend.Clear(x.ColumnRange(1, 1));
        Assert.Equal([1.0, 0, 3], _backend.ReadDoubles(x));
        return true;
    });

    public void Dispose() => _backend.Dispose();

    private void CheckAttention(
        int[] queries, int[] keys, int headDim, int valueDim, AttentionSpec spec, Dropout dropout, bool isAdditive)
    {
        Table query = Table(queries.Sum(), spec.Heads * headDim, seed: 20), key = Table(keys.Sum(), spec.Heads * headDim, seed: 21);
        Table value = Table(keys.Sum(), spec.Heads * valueDim, seed: 22), score = Table(1, spec.Heads * headDim, seed: 23);
        string what = $"{string.Join(' ', queries)} queries, {string.Join(' ', keys)} keys, {spec}, {headDim} and {valueDim}, {dropout}";
        Check(
            what, isAdditive ? [query, key, value, score] : [query, key, value],
            x =>
            {
                (Ragged rows, Ragged seen) = (Ragged.Create(_backend, queries), Ragged.Create(_backend, keys));
                return isAdditive
                    ? _backend.AdditiveAttention(x[0], x[1], x[2], x[3], rows, seen, spec, dropout)
                    : _backend.Attention(x[0], x[1], x[2], rows, seen, spec, dropout);
            },
            (x, dy, into) =>
            {
                (Ragged rows, Ragged seen) = (Ragged.Create(_backend, queries), Ragged.Create(_backend, keys));
                if (isAdditive)
                {
                    _backend.AdditiveAttentionBackward(
                        x[0], x[1], x[2], x[3], dy, rows, seen, spec, dropout, into[0], into[1], into[2], into[3]);
                }
                else _backend.AttentionBackward(x[0], x[1], x[2], dy, rows, seen, spec, dropout, into[0], into[1], into[2]);
            });
    }

    // The loss is Σ y ∘ w with random w, so dy is w. Gradients are added to what is there, and nothing around them changes.
    private void Check(
        string what, Table[] inputs, Func<Tensor[], Tensor> forward, Action<Tensor[], Tensor, Tensor[]> backward,
        double[]? passed = null)
    {
        double[] weights = [];
        double Loss() => InFrame(() =>
        {
            Tensor y = forward([.. inputs.Select(Put)]);
            if (weights.Length != y.Shape.Count) weights = Table(1, (int)y.Shape.Count, seed: 24).Values;
            return _backend.ReadDoubles(y).Zip(weights, static (value, weight) => value * weight).Sum();
        });

        double magnitude = Math.Max(1, Math.Abs(Loss()));
        double[][] found = InFrame(() =>
        {
            Tensor[] x = [.. inputs.Select(Put)];
            Tensor dy = Put(forward(x).Shape, weights);
            Table[] before = [.. inputs.Select(static (input, i) => Table(input.Rows, input.Columns, seed: 25 + i))];
            Tensor[] wholes = new Tensor[x.Length], into = new Tensor[x.Length];
            for (int i = 0; i < x.Length; i++) into[i] = Put(before[i], out wholes[i]);
            backward(x, dy, into);
            for (int i = 0; i < x.Length; i++)
            {
                Assert.Equal(wholes[i].Shape.Count - into[i].Shape.Count, _backend.ReadDoubles(wholes[i]).Count(double.IsNaN));
            }

            return into.Select((tensor, i) =>
                _backend.ReadDoubles(tensor).Zip(before[i].Values, static (after, first) => after - first).ToArray()).ToArray();
        });
        for (int i = 0; i < inputs.Length; i++)
        {
            double[] differences = CentralDifferences.Of(inputs[i].Values, Loss);
            if (i == 0 && passed is not null) for (int j = 0; j < passed.Length; j++) differences[j] += passed[j];
            CentralDifferences.AssertAgree($"{what}, input {i}", differences, found[i], magnitude);
        }
    }

    private T InFrame<T>(Func<T> script)
    {
        _backend.BeginFrame();
        try
        {
            return script();
        }
        finally
        {
            _backend.EndFrame();
        }
    }

    private Tensor Linear(Tensor x, Tensor values, Tensor bias, bool transposed)
    {
        using Weight weight = transposed
            ? _backend.AllocateWeight(values.Columns, values.Rows)
            : _backend.AllocateWeight(values.Rows, values.Columns);
        _backend.Refresh(weight, values, transposed);
        return _backend.Linear(x, new LinearWeights(weight, bias));
    }

    // Adds a gradient that an operator returned.
    private void Give(Tensor into, Tensor gradient) =>
        _backend.WriteDoubles(into, [.. _backend.ReadDoubles(into).Zip(_backend.ReadDoubles(gradient), static (x, y) => x + y)]);

    private Tensor Put(Table table) => Put(table, out _);

    // A view of a larger table of NaN.
    private Tensor Put(Table table, out Tensor whole)
    {
        whole = _backend.Rent(new Shape(table.Rows + 2, table.Columns + 5), DType.Float32);
        Tensor view = whole.RowRange(1, table.Rows).ColumnRange(2, table.Columns);
        _backend.WriteDoubles(view, table.Values);
        return view;
    }

    private Tensor Put(Shape shape, double[] values) => Put(new Table(shape.Rows, shape.Columns, values));

    private Tensor Put(int[] values)
    {
        Tensor tensor = _backend.Rent(new Shape(1, values.Length), DType.Int32);
        _backend.Write(tensor, values);
        return tensor;
    }

    private static Table Table(int rows, int columns, int seed)
    {
        var random = new Random(seed);
        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        return new Table(rows, columns, [.. Enumerable.Range(0, rows * columns).Select(_ => Normal())]);
    }

    // ReLU has no derivative at 0: no number is nearer to it than the step of the differences.
    private static Table AwayFromZero(Table table)
    {
        for (int i = 0; i < table.Values.Length; i++)
            if (Math.Abs(table.Values[i]) < 0.01) table.Values[i] += 0.1;
        return table;
    }
}

/// <summary>A table of numbers that are not rounded to float32.</summary>
internal sealed record Table(int Rows, int Columns, double[] Values);
