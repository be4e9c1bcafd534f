// Learning rates against the formulas of their sources.
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class LearningRateTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4000)]
    [InlineData(4001)]
    [InlineData(100_000)]
    public void The_schedule_of_the_paper_is_the_standard(int step)
    {
        // Vaswani et al. 2017, equation 3.
        double expected = Math.Pow(512, -0.5) * Math.Min(Math.Pow(step, -0.5), step * Math.Pow(4000, -1.5));
        Assert.Equal(expected, Rates("{}", 100_000).At(step), expected * 1e-6);   // the peak is a float32
    }

    [Theory]
    [InlineData(50, 0.5)]
    [InlineData(100, 1)]
    [InlineData(101, 0.995037)]   // √(100 / 101)
    [InlineData(400, 0.5)]
    [InlineData(40_000, 0.1)]     // the final rate, from 10,000 on
    public void Inverse_square_root_falls_to_the_final_rate(int step, double expected) => Assert.Equal(
        expected, Rates("{\"peak\":1,\"warmup\":100,\"final\":0.1}", 100_000).At(step), 1e-5);

    [Theory]
    [InlineData("cosine", 100, 1)]
    [InlineData("cosine", 600, 0.6)]     // half way
    [InlineData("cosine", 350, 0.88284)]   // a quarter: 0.2 + 0.8 · (1 + cos(π / 4)) / 2
    [InlineData("cosine", 1100, 0.2)]
    [InlineData("cosine", 2000, 0.2)]
    [InlineData("linear", 10, 0.1)]
    [InlineData("linear", 600, 0.6)]
    [InlineData("linear", 350, 0.8)]
    [InlineData("linear", 1100, 0.2)]
    [InlineData("constant", 1100, 1)]
    public void The_others_end_with_the_training(string schedule, int step, double expected) => Assert.Equal(
        expected, Rates($"{{\"schedule\":\"{schedule}\",\"peak\":1,\"warmup\":100,\"final\":0.2}}", 1100).At(step), 1e-5);

    [Fact]
    public void An_end_of_its_own_counts_more_than_that_of_the_training() => Assert.Equal(
        0.5, Rates("{\"schedule\":\"linear\",\"peak\":1,\"warmup\":0,\"decaySteps\":100}", 1100).At(50), 1e-6);

    private static LearningRate Rates(string json, int steps)
    {
        using var folder = TrainingFolder.OfDigits(reversed: false, pairs: 1);
        TrainingConfig config = folder.Load("model={}", $"training.learningRate={json}");
        return new LearningRate(config.Training, steps);
    }
}
