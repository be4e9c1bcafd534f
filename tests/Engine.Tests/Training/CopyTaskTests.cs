// The whole path on the smallest task that needs all of it: texts, batches, gradients, Adam, a model directory, translation.
// Strings of digits that were never seen are copied, or turned round, without a mistake.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Xunit;

namespace Engine.Tests.Training;

public sealed class CopyTaskTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Digits_are_learned_without_a_mistake(bool reversed)
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed, pairs: 20_000, validation: 200);
        string model = folder.Train(
            "model.modelDim=64", "model.heads=4", "model.hiddenDim=128", "model.norm=pre", "training.steps=1200",
            "training.batchTokens=512", "training.clip=1", "training.reportEvery=100",
            "training.dropout={\"residual\":0}", "training.learningRate={\"schedule\":\"cosine\",\"peak\":0.003,\"warmup\":100}",
            "validation.every=400", "checkpoints.every=100").Model;

        using var backend = new CpuBackend(new BackendOptions { Threads = 2 });
        using var translator = Translator.Load(model, new TranslatorOptions(backend));
        string[] sources = File.ReadAllLines(folder.File("valid.src")), targets = File.ReadAllLines(folder.File("valid.tgt"));

        // A search with a beam of 2 ends with its second hypothesis that ends, which so sure a model has only to fill the beam.
        var greedy = new DecodingOptions { BeamSize = 1 };
        Assert.Equal(targets, sources.Select(source => translator.Translate(source, greedy)));
    }
}
