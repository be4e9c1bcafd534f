// One step of training by itself: what is named when a number is none.
using Engine.Cpu;
using Engine.Tensors;
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class LearnerTests : IDisposable
{
    private const string Up = "encoder.layers.0.feed_forward.up.weight", Down = "encoder.layers.0.feed_forward.down.weight";

    private readonly TrainingFolder _folder = TrainingFolder.OfDigits(reversed: false, pairs: 20);
    private readonly CpuBackend _backend = new();
    private readonly TrainingBatch _batch = new();
    private readonly Learner _learner;

    public LearnerTests()
    {
        TrainingConfig config = _folder.Load("training.dropout={\"residual\":0}");
        TextCoding coding = TextCoding.Create(config, _folder.File("tokenizer"), false, _ => { }, default);
        SentencePairs pairs = coding.Encode(config.Data.Train, 100, new BadLines(), null, default);
        _learner = new Learner(_backend, InitialModel.Create(config, coding), config);
        BatchPlan plan = BatchPlan.Shuffled(pairs, 1, 0, 64, 0);
        _batch.Fill(pairs, plan[0], start: 1, epoch: 0, number: 0);
    }

    public void Dispose()
    {
        _learner.Dispose();
        _backend.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_weight_that_is_no_number_is_named_though_the_activation_hides_it(float weight)
    {
        SetWeights(Up, weight);
        TrainingDivergedException diverged = Assert.Throws<TrainingDivergedException>(() => Step());
        Assert.Equal(Up, diverged.Layer);
        Assert.StartsWith(
            $"training diverged at step 7: the weight {Up} has {weight}; batch 1 of epoch 1", diverged.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void An_operator_that_gives_no_number_is_named()
    {
        SetWeights(Up, 3e38f);
        TrainingDivergedException diverged = Assert.Throws<TrainingDivergedException>(() => Step());
        Assert.StartsWith($"linear {Up} gave", diverged.Layer, StringComparison.Ordinal);
        Assert.StartsWith(
            $"training diverged at step 7: linear {Up} gave", diverged.Message, StringComparison.Ordinal);
        Assert.Contains("batch 1 of epoch 1", diverged.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_gradient_that_is_too_long_is_named()
    {
        // Hidden numbers near 1e30, times weights of 0: the loss is a number, the square of those weights' gradient is none.
        SetWeights(Up, 1e30f);
        SetWeights(Down, 0);
        TrainingDivergedException diverged = Assert.Throws<TrainingDivergedException>(() => Step());
        Assert.Equal(Down, diverged.Layer);
    }

    [Fact]
    public void A_loss_is_that_of_a_uniform_guess_where_all_logits_are_equal()
    {
        SetWeights("output.weight", 0);
        LossSums sums = _learner.Evaluate(_batch);
        Assert.Equal(_batch.Targets.Count, sums.Tokens);
        Assert.Equal(Math.Log(_learner.Model.TargetVocabulary.Count), sums.PerToken, 1e-6);
    }

    [Fact]
    public void The_steepest_parameter_is_found()
    {
        Step();
        float[] gradients = _learner.Parameters.Read(_learner.Parameters.Gradients);
        var (name, norm) = _learner.SteepestParameter();
        foreach (var (other, start, shape) in _learner.Parameters.Places)
        {
            double length = Math.Sqrt(gradients.AsSpan(start, (int)shape.Count).ToArray().Sum(x => (double)x * x));
            Assert.True(length <= norm * 1.000001, other);
            if (other == name) Assert.Equal(norm, length, norm * 1e-6);
        }
    }

    [Fact]
    public void A_stop_within_a_step_leaves_the_weights_as_they_were()
    {
        float[] before = _learner.Parameters.Read(_learner.Parameters.Values);
        var stopped = new CancellationToken(canceled: true);
        Assert.ThrowsAny<OperationCanceledException>(() => _learner.Step(7, 0.001, [_batch, _batch], out _, stopped));
        Assert.Equal(before, _learner.Parameters.Read(_learner.Parameters.Values));
    }

    private void Step() => _learner.Step(7, 0.001, [_batch], out _);

    private void SetWeights(string name, float value)
    {
        float[] values = _learner.Parameters.Read(_learner.Parameters.Values);
        HostTensor shared = _learner.Model.Tensors[name];
        var (_, start, shape) = _learner.Parameters.Places.First(
            place => ReferenceEquals(_learner.Model.Tensors[place.Name], shared));
        values.AsSpan(start, (int)shape.Count).Fill(value);
        _learner.SetValues(values);
    }
}
