// Training on CUDA as the command trains: the same texts, seed and batches, and dropout, whose draws are the CPU's. What differs is
// the order in which gradients are summed, so losses stay together.
using Engine.Cpu;
using Engine.Cuda;
using Engine.ModelCases;
using Xunit;

namespace Cuda.Tests;

public sealed class TrainingParityTests
{
    private const int Steps = 100;

    [Theory]
    [InlineData(false, "model.norm=post")]
    [InlineData(false, "model.norm=pre")]
    [InlineData(true, "model.norm=post")]
    [InlineData(false, "model.encoderMixing=gru", "model.decoderMixing=separable_convolution")]
    [InlineData(true, "model.encoderMixing=convolution", "model.decoderMixing=lstm")]
    public void A_hundred_steps_have_the_losses_of_the_CPU(bool usesOwnProducts, params string[] model)
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: true, validation: 5);
        string[] changes = [$"training.steps={Steps}", .. model, "validation.every=50"];
        TrainingFolder.Record expected = new(), found = new();
        using (var cpu = new CpuBackend()) folder.Train(cpu, expected, resume: false, [.. changes, "output=cpu"]);
        using (CudaBackend cuda = Device.Open(usesOwnProducts)) folder.Train(cuda, found, resume: false, [.. changes, "output=cuda"]);

        Assert.Equal(Steps, found.Losses.Count);
        Assert.True(expected.Losses[^1] < 0.9 * expected.Losses[0], "The losses would be alike if nothing were learned.");
        for (int i = 0; i < Steps; i++)
        {
            double difference = Math.Abs(expected.Losses[i] - found.Losses[i]);
            Assert.True(difference <= 1e-4, $"Step {i + 1}: the loss is {found.Losses[i]:R}, and the CPU's {expected.Losses[i]:R}.");
        }

        Assert.Equal(2, found.Validations.Count);
        foreach ((var one, var other) in expected.Validations.Zip(found.Validations)) Assert.Equal(one.Loss, other.Loss, 1e-4);
    }

    // Gradients have one order of sums too, so a training that is begun again is the same to the bit.
    [Fact]
    public void The_same_training_twice_gives_the_same_weights()
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: true, pairs: 100, validation: 5);
        foreach (string output in (string[])["one", "two"])
        {
            using CudaBackend cuda = Device.Open(usesOwnProducts: false);
            folder.Train(cuda, new TrainingFolder.Record(), resume: false, "training.steps=10", "validation.every=0", $"output={output}");
        }

        Assert.Equal(folder.Weights("one"), folder.Weights("two"));
    }
}
