// The tape: gradients of whole Transformers of every kind against central differences, and what it lets through.
using Engine.Backends;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Tensors;
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class TapeTests
{
    private const int Vocabulary = 9;

    // Repeated tokens, a source of no tokens, a target that is not counted at one place, an id without an embedding.
    private static readonly Batch Pairs = new(
        [[3, 4, 3, 8], [], [5], [6, 7]],
        [[1, 5, 5], [-1, 4], [1], [1, 2, 7, 8]],
        [[5, 5, 2], [4, 2], [-1], [2, 7, 8, 2]]);

    private static readonly Dictionary<string, Func<StackConfig, StackConfig>> Changes = new()
    {
        ["post-norm"] = static stack => stack,
        ["pre-norm"] = static stack => stack with { PreNorm = true, FinalNorm = true },
        ["pre-norm without a final norm"] = static stack => stack with { PreNorm = true, Activation = Activation.Silu },
        ["gated"] = static stack => stack with { Gated = true, Activation = Activation.Silu },
        ["gated ReLU"] = static stack => stack with { Gated = true, PreNorm = true },
        ["gelu"] = static stack => stack with { Activation = Activation.Gelu, EmbeddingScale = 1.5f },
        ["rms"] = static stack => stack with { RmsNorm = true, PreNorm = true, FinalNorm = true, Activation = Activation.GeluTanh },
        ["additive"] = static stack => stack with { Attention = stack.Attention with { Kind = AttentionKind.Additive } },
        ["learned positions"] = static stack => stack with { Positions = new PositionConfig { Kind = PositionKind.Learned } },
        ["embedding norm"] = static stack => stack with { EmbeddingNorm = true, Positions = new PositionConfig { Kind = PositionKind.None } },
        ["window"] = static stack => stack with { Attention = stack.Attention with { WindowLeft = 1, WindowRight = 1 } },
        ["groups"] = static stack => stack with { Attention = stack.Attention with { Group = 3 } },
        ["recurrent"] = static stack => stack with { Mixing = new MixingConfig { Kind = MixingKind.Recurrent } },
        ["lstm"] = static stack => stack with { Mixing = new MixingConfig { Kind = MixingKind.Lstm } },
        ["gru"] = static stack => stack with { PreNorm = true, Mixing = new MixingConfig { Kind = MixingKind.Gru } },
        ["convolution"] = static stack => stack with { Mixing = new MixingConfig { Kind = MixingKind.Convolution, Dilation = 2 } },
        ["separable"] = static stack => stack with { Mixing = new MixingConfig { Kind = MixingKind.SeparableConvolution, Kernel = 4 } },
        ["without feed-forward"] = static stack => stack with { HiddenDim = 0, PreNorm = true },
    };

    public static TheoryData<string, bool> Kinds
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (string kind in Changes.Keys)
            {
                data.Add(kind, false);
                data.Add(kind, true);
            }

            return data;
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public void Gradients_of_all_parameters_are_the_differences_of_the_loss(string kind, bool hasDropout)
    {
        using ModelData model = Model(Changes[kind]);
        using var graph = new TrainingGraph(model) { Rates = hasDropout ? new DropoutRates(0.2f, 0.3f, 0.25f) : default };
        Assert.Equal(model.Tensors.Values.Sum(static tensor => tensor.Shape.Count), graph.Parameters.Count);
        graph.AssertGradients(Pairs);
    }

    [Theory, MemberData(nameof(Kinds))]
    public void What_is_computed_again_changes_no_gradient(string kind, bool hasDropout)
    {
        using ModelData model = Model(Changes[kind]);
        DropoutRates rates = hasDropout ? new DropoutRates(0.2f, 0.3f, 0.25f) : default;
        using var graph = new TrainingGraph(model) { Rates = rates };
        using var again = new TrainingGraph(model, recomputes: true) { Rates = rates };
        Assert.Equal(graph.AddGradients(Pairs), again.AddGradients(Pairs));
        Assert.Equal(graph.Gradients(), again.Gradients());
        Assert.True(again.MostTables < graph.MostTables, $"{again.MostTables} tables, expected fewer than {graph.MostTables}");
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_table_under_three_names_has_the_gradients_of_all_its_uses(bool hasDropout)
    {
        using ModelData model = RandomModel.Create(Config(static stack => stack), seed: 4, tied: true);
        using var graph = new TrainingGraph(model) { Rates = hasDropout ? new DropoutRates(0.2f, 0.3f, 0.25f) : default };
        Assert.Single(graph.Parameters.Places, static place => place.Name.Contains("embedding") || place.Name == "output.weight");
        graph.AssertGradients(Pairs);
        using ModelData trained = graph.Parameters.ToModel();
        Assert.Same(trained.Tensors["encoder.embedding.weight"], trained.Tensors["output.weight"]);
        Assert.Same(trained.Tensors["encoder.embedding.weight"], trained.Tensors["decoder.embedding.weight"]);
    }

    // The three are stacked, so a bias that is absent beside others is there as zeros, and trained.
    [Fact]
    public void A_bias_that_is_absent_beside_others_is_trained()
    {
        const string Absent = "encoder.layers.0.self_attention.value.bias", Alone = "decoder.layers.1.feed_forward.up.bias";
        using ModelData whole = Model(static stack => stack);
        using ModelData model = With(whole, whole.Tensors.Where(static tensor => tensor.Key is not (Absent or Alone)));
        using var graph = new TrainingGraph(model);
        Assert.Contains(graph.Parameters.Places, static place => place.Name == Absent);
        Assert.DoesNotContain(graph.Parameters.Places, static place => place.Name == Alone);
        graph.AssertGradients(Pairs);
    }

    [Fact]
    public void Gradients_of_parts_of_a_batch_add_up_to_those_of_the_whole()
    {
        using ModelData model = Model(static stack => stack with { PreNorm = true, Gated = true });
        using var graph = new TrainingGraph(model);
        double loss = graph.AddGradients(Pairs, 0.5f);
        double[] together = graph.Gradients();
        graph.Backend.Clear(graph.Parameters.Gradients);
        double parts = graph.AddGradients(Pairs.Part(..1), 0.5f) + graph.AddGradients(Pairs.Part(1..3), 0.5f) + graph.AddGradients(Pairs.Part(3..), 0.5f);
        double[] sum = graph.Gradients();
        Assert.Equal(loss, parts, 1e-12 * loss);

        // Only the order of sums differs: some hundred roundings of 2⁻⁵³ each.
        double norm = CentralDifferences.Norm(together);
        for (int i = 0; i < sum.Length; i++) Assert.InRange(sum[i] - together[i], -1e-13 * norm, 1e-13 * norm);
    }

    [Fact]
    public void A_factor_on_the_gradients_leaves_the_losses_alone()
    {
        using ModelData model = Model(static stack => stack);
        using var graph = new TrainingGraph(model);
        double loss = graph.AddGradients(Pairs);
        double[] once = graph.Gradients();
        graph.Backend.Clear(graph.Parameters.Gradients);
        Assert.Equal(loss, graph.AddGradients(Pairs, 4));
        double[] fourfold = graph.Gradients();
        for (int i = 0; i < once.Length; i++) Assert.Equal(4 * once[i], fourfold[i]);   // a power of two: exact
    }

    [Fact]
    public void The_same_key_drops_the_same_numbers_and_another_key_others()
    {
        using ModelData model = Model(static stack => stack);
        double LossOf(DropoutRates rates, ulong key)
        {
            using var graph = new TrainingGraph(model) { Rates = rates, Key = key };
            return graph.Loss(Pairs);
        }

        double[] losses =
        [
            LossOf(default, 1), LossOf(new DropoutRates(0.2f, 0, 0), 1), LossOf(new DropoutRates(0, 0.2f, 0), 1), LossOf(new DropoutRates(0, 0, 0.2f), 1),
            LossOf(new DropoutRates(0.2f, 0, 0), 2), LossOf(new DropoutRates(0, 0.2f, 0), 2), LossOf(new DropoutRates(0, 0, 0.2f), 2),
        ];
        Assert.Equal(losses.Length, losses.Distinct().Count());
        Assert.Equal(losses[1], LossOf(new DropoutRates(0.2f, 0, 0), 1));
        Assert.Equal(losses[0], LossOf(default, 2));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_tape_that_does_not_record_gives_the_numbers_of_its_backend(bool isAdditive)
    {
        using ModelData model = Model(stack => stack with
        {
            Gated = true, Activation = Activation.Gelu,
            Attention = stack.Attention with { Kind = isAdditive ? AttentionKind.Additive : AttentionKind.DotProduct },
        });
        using var graph = new TrainingGraph(model) { Rates = new DropoutRates(0.5f, 0.5f, 0.5f) };
        using var backend = new ReferenceBackend();
        using var plain = new Transformer(backend, model);
        backend.BeginFrame();
        double[] expected = backend.ReadDoubles(TrainingGraph.Forward(plain, backend, Pairs));
        backend.EndFrame();
        double[] Run() => graph.InFrame(() => graph.Backend.ReadDoubles(graph.Forward(graph.Tape, Pairs)));
        Assert.Equal(expected, Run());
        graph.AddGradients(Pairs);
        Assert.Equal(expected, Run());                        // nor after it has recorded
        Assert.Throws<InvalidOperationException>(() => graph.InFrame(() =>
        {
            graph.Tape.Backward(
                graph.Forward(graph.Tape, Pairs), graph.Put(Pairs.NextIds), 0, 1, new float[2 * Pairs.NextIds.Length]);
            return true;
        }));
    }

    [Fact]
    public void Recording_without_dropout_gives_the_numbers_of_inference()
    {
        foreach (Func<StackConfig, StackConfig> change in Changes.Values)
        {
            using ModelData model = Model(change);
            using var graph = new TrainingGraph(model);
            double[] expected = graph.InFrame(() => graph.Backend.ReadDoubles(graph.Forward(graph.Tape, Pairs)));
            double[] found = graph.InFrame(() =>
            {
                return graph.Backend.ReadDoubles(graph.Tape.Real(graph.Record(Pairs)));
            });
            Assert.Equal(expected, found);
        }
    }

    [Fact]
    public void Operators_of_decoding_pass_through_but_not_while_it_records()
    {
        using ModelData model = Model(static stack => stack);
        using var graph = new TrainingGraph(model);
        (Tape tape, ReferenceBackend backend) = (graph.Tape, graph.Backend);
        KeyValueCache cache = tape.GrowCache(tape.AllocateCache(1, 4, 4, 2), 2);
        graph.InFrame(() =>
        {
            Tensor Floats(int rows, int columns, int seed)
            {
                Tensor tensor = tape.Rent(new Shape(rows, columns), DType.Float32);
                var random = new Random(seed);
                tape.Write(tensor, Enumerable.Range(0, rows * columns).Select(_ => random.NextSingle()).ToArray());
                return tensor;
            }

            Tensor row = Floats(1, 4, 1), score = Floats(1, 4, 2), logits = Floats(1, 6, 3);
            Tensor slot = graph.Put([0]), place = graph.Put([0, 1]), token = graph.Put([2]), penalty = Floats(1, 1, 4);
            Tensor draw = tape.Rent(new Shape(1, TokenDraw.Columns), DType.Int32);
            var spec = new AttentionSpec(2, 1, AttentionMask.None);
            var view = new CacheView(graph.Put([0]), graph.Put([1]), 1);
            Ragged sentence = Ragged.Create(tape, [1]);
            Dictionary<string, Func<IBackend, Tensor>> operators = new()
            {
                ["Append"] = b => Done(() => b.Append(cache, row, row, slot), cache.Keys.RowRange(0, 1)),
                ["CopyBlocks"] = b => Done(() => b.CopyBlocks(cache, place), cache.Keys.RowRange(16, 1)),
                ["CachedAttention"] = b => b.CachedAttention(row, cache, view, spec),
                ["CachedAdditiveAttention"] = b => b.CachedAdditiveAttention(row, score, cache, view, spec),
                ["AttentionWeights"] = b => b.AttentionWeights(row, row, Tensor.None, sentence, sentence, spec),
                ["CachedAttentionWeights"] = b => b.CachedAttentionWeights(row, Tensor.None, cache, view, spec, 1),
                ["Suppress"] = b => Done(() => b.Suppress(logits, place), logits),
                ["Penalize"] = b => Done(() => b.Penalize(logits, place, penalty), logits),
                ["SelectColumns"] = b => b.SelectColumns(logits, token),
                ["LogSoftmax"] = b => b.LogSoftmax(logits),
                ["TopK"] = b => b.TopK(logits, 2, out _),
                ["LogProbability"] = b => b.LogProbability(logits, token),
                ["Sample"] = b => b.Sample(logits, draw, 1, out _),
            };
            foreach ((string name, Func<IBackend, Tensor> call) in operators)
            {
                float[] before = Read(logits);
                float[] expected = Read(call(backend));
                backend.Write(logits, before);
                Assert.Equal(expected, Read(call(tape)));
                backend.Write(logits, before);
                tape.Record(default, 0);
                Assert.Contains(name, Assert.Throws<NotSupportedException>(() => call(tape)).Message, StringComparison.Ordinal);
                tape.Forget();
            }

            return true;
        });
        tape.FreeCache(cache);

        static Tensor Done(Action action, Tensor result)
        {
            action();
            return result;
        }

        float[] Read(Tensor tensor)
        {
            var values = new float[tensor.Shape.Count];
            tape.Read(tensor, values);
            return values;
        }
    }

    // x is used whole, and by its columns as query, key and value, in either order. Where its gradient begins as a whole, that of a sum
    // without dropout, it is also the gradient of the other summand: views must not be added to it in place.
    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    public void All_uses_of_a_result_add_to_its_gradient(bool viewsFirst, bool isAdditive)
    {
        using ModelData model = Model(static stack => stack);
        using var graph = new TrainingGraph(model);
        (Tape tape, ReferenceBackend backend) = (graph.Tape, graph.Backend);
        var random = new Random(5);
        double[] values = [.. Enumerable.Range(0, 5 * 6).Select(_ => random.NextDouble() - 0.5)];
        double[] weights = [.. Enumerable.Range(0, 5 * 2).Select(_ => random.NextDouble() - 0.5)];
        double[] found = [];
        double Loss(bool wantsGradient) => graph.InFrame(() =>
        {
            tape.Record(new DropoutRates(viewsFirst ? 0.3f : 0, 0.3f, 0), 3);
            Tensor leaf = Rent(5, 6, values), x = tape.Add(leaf, leaf), y;
            if (viewsFirst) y = tape.Add(Attend(tape.Multiply(x, x)), Attend(x));
            else
            {
                Tensor other = tape.Multiply(leaf, leaf), ofViews = Attend(x);
                y = tape.Add(Attend(tape.Add(x, other)), ofViews);
            }

            if (wantsGradient)
            {
                tape.Backward(y, Rent(5, 2, weights));
                found = backend.ReadDoubles(tape.GradientOf(leaf));
            }

            return backend.ReadDoubles(tape.Real(y)).Zip(weights, static (value, weight) => value * weight).Sum();
        });
        Loss(wantsGradient: true);
        CentralDifferences.AssertAgree("x", CentralDifferences.Of(values, () => Loss(wantsGradient: false)), found, magnitude: 1);

        Tensor Attend(Tensor table)
        {
            Ragged sentences = Ragged.Create(tape, [2, 3]);
            (Tensor q, Tensor k, Tensor v) = (table.ColumnRange(0, 2), table.ColumnRange(2, 2), table.ColumnRange(4, 2));
            var spec = new AttentionSpec(1, 1, AttentionMask.Causal);
            return isAdditive
                ? tape.AdditiveAttention(q, k, v, graph.Parameters.Values.ColumnRange(0, 2), sentences, sentences, spec)
                : tape.Attention(q, k, v, sentences, sentences, spec);
        }

        Tensor Rent(int rows, int columns, double[] numbers)
        {
            Tensor tensor = tape.Rent(new Shape(rows, columns), DType.Float32);
            backend.WriteDoubles(tensor, numbers);
            return tensor;
        }
    }

    // What is dropped of an embedding is another tensor than what was looked up.
    [Theory, InlineData(0f), InlineData(0.3f)]
    public void Columns_of_an_embedding_may_be_attended_to(float rate)
    {
        using ModelData model = Model(static stack => stack);
        using var graph = new TrainingGraph(model);
        (Tape tape, ReferenceBackend backend, Parameters parameters) = (graph.Tape, graph.Backend, graph.Parameters);
        (_, int start, Shape shape) = parameters.Places.Single(static place => place.Name == "encoder.embedding.weight");
        Tensor view = parameters.Values.ColumnRange(start, (int)shape.Count);
        double[] values = backend.ReadDoubles(view), weights = [.. Enumerable.Range(0, 5 * 2).Select(static i => Math.Cos(i))];
        double Loss(bool wantsGradient) => graph.InFrame(() =>
        {
            backend.WriteDoubles(view, values);
            using var table = new TrainingWeight(
                backend, "table", view with { Shape = shape, Stride = shape.Columns },
                parameters.GradientOf(view) with { Shape = shape, Stride = shape.Columns });
            tape.Record(new DropoutRates(rate, 0, 0), 3);
            Tensor x = tape.Embed(graph.Put([3, 4, 8, 3, 5]), table, 2, Tensor.None, Tensor.None);
            Ragged sentences = Ragged.Create(tape, [2, 3]);
            Tensor y = tape.Attention(
                x.ColumnRange(0, 2), x.ColumnRange(2, 2), x.ColumnRange(4, 2), sentences, sentences, new AttentionSpec(1, 1, AttentionMask.None));
            if (wantsGradient)
            {
                Tensor dy = tape.Rent(y.Shape, DType.Float32);
                backend.WriteDoubles(dy, weights);
                tape.Backward(y, dy);
            }

            return backend.ReadDoubles(tape.Real(y)).Zip(weights, static (value, weight) => value * weight).Sum();
        });
        Loss(wantsGradient: true);
        double[] found = graph.Gradients()[start..(start + values.Length)];
        CentralDifferences.AssertAgree("table", CentralDifferences.Of(values, () => Loss(wantsGradient: false)), found, magnitude: 1);
    }

    [Fact]
    public void A_part_of_a_result_gives_its_gradient_to_these_columns()
    {
        using ModelData model = Model(static stack => stack);
        using var graph = new TrainingGraph(model);
        graph.InFrame(() =>
        {
            Tensor outside = graph.Backend.Rent(new Shape(2, 6), DType.Float32), dy = graph.Backend.Rent(new Shape(2, 2), DType.Float32);
            graph.Backend.Clear(outside);
            graph.Backend.Write(dy, [1f, 2, 3, 4]);
            graph.Tape.Record(default, 0);
            Tensor x = graph.Tape.Add(outside, outside), part = x.ColumnRange(2, 2), y = graph.Tape.Add(part, part);
            graph.Tape.Backward(y, dy);
            Assert.Equal([0.0, 0, 4, 8, 0, 0, 0, 0, 12, 16, 0, 0], graph.Backend.ReadDoubles(graph.Tape.GradientOf(outside)));
            graph.Tape.Record(default, 0);
            Tensor columns = outside.ColumnRange(2, 2);
            y = graph.Tape.Add(columns, columns);
            graph.Tape.Backward(y, dy);
            Assert.Equal([2.0, 4, 6, 8], graph.Backend.ReadDoubles(graph.Tape.GradientOf(columns)));
            graph.Tape.Record(default, 0);
            Ragged sentence = Ragged.Create(graph.Tape, [2]);
            y = graph.Tape.Attention(columns, columns, columns, sentence, sentence, new AttentionSpec(1, 1, AttentionMask.None));
            Assert.Throws<InvalidOperationException>(() => graph.Tape.Backward(y, y));
            return true;
        });
    }

    [Fact]
    public void Watch_sees_every_result_with_the_names_of_its_parameters()
    {
        using ModelData model = Model(static stack => stack with { Gated = true });
        using var graph = new TrainingGraph(model) { Rates = new DropoutRates(0.1f, 0.1f, 0.1f) };
        var seen = new List<string>();
        graph.Tape.Watch = (what, tensor) =>
        {
            seen.Add(what);
            Assert.All(graph.Backend.ReadDoubles(tensor), static value => Assert.True(double.IsFinite(value)));
        };
        graph.Loss(Pairs);
        Assert.Contains("embedding encoder.embedding.weight", seen);
        Assert.Contains("linear encoder.layers.1.self_attention.query.weight", seen);
        Assert.Contains("norm decoder.layers.1.cross_attention_norm.weight", seen);
        Assert.Contains("activation decoder.layers.0.feed_forward.up.weight", seen);
        Assert.Contains("product", seen);
        Assert.Contains("attention", seen);
        Assert.Equal("linear output.weight", seen[^1]);
    }

    [Fact]
    public void A_model_of_the_parameters_has_their_values()
    {
        using ModelData model = Model(static stack => stack with { Positions = new PositionConfig { Kind = PositionKind.Learned } });
        using var graph = new TrainingGraph(model);
        using ModelData same = graph.Parameters.ToModel();
        Assert.Equal(model.Tensors.Keys.Order(), same.Tensors.Keys.Order());
        foreach ((string name, HostTensor tensor) in model.Tensors)
        {
            Assert.Equal(tensor.Shape, same.Tensors[name].Shape);
            Assert.Equal(tensor.ReadFloats(), same.Tensors[name].ReadFloats());
        }

        float[] others = [.. Enumerable.Range(0, graph.Parameters.Values.Columns).Select(static i => (float)i)];
        using ModelData given = graph.Parameters.ToModel(others);
        foreach ((string name, int start, Shape shape) in graph.Parameters.Places)
            Assert.Equal(others[start..(start + (int)shape.Count)], given.Tensors[name].ReadFloats());
    }

    private static TransformerConfig Config(Func<StackConfig, StackConfig> change) => RandomModel.Config(6, 2, 7, 2, Vocabulary, change);

    private static ModelData Model(Func<StackConfig, StackConfig> change) => RandomModel.Create(Config(change), seed: 3);

    private static ModelData With(ModelData model, IEnumerable<KeyValuePair<string, HostTensor>> tensors) => new()
    {
        Path = model.Path,
        Format = model.Format,
        Config = model.Config,
        Tensors = new Dictionary<string, HostTensor>(tensors),
        SourceVocabulary = model.SourceVocabulary,
        TargetVocabulary = model.TargetVocabulary,
        Tokens = model.Tokens,
        Tokenizer = model.Tokenizer,
    };
}
