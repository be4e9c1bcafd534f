// Weights before the first step: their distributions, and that they depend on the seed and on nothing else.
using Engine.Formats;
using Engine.Tensors;
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class InitialModelTests
{
    [Fact]
    public void Linear_layers_are_uniform_and_embeddings_normal()
    {
        using ModelData model = Create("tie=none", 1);
        float[] up = Values(model, "encoder.layers.0.feed_forward.up.weight");   // [256, 128]
        double bound = Math.Sqrt(6.0 / (256 + 128));
        Assert.All(up, value => Assert.InRange(value, -bound, bound));
        Assert.Equal(0, up.Average(), 0.01 * bound);                              // 2 of 32,768 numbers' deviations
        Assert.Equal(bound / Math.Sqrt(3), Deviation(up), 0.01 * bound);
        float[] embedding = Values(model, "decoder.embedding.weight");
        Assert.Equal(Math.Pow(128, -0.5), Deviation(embedding), 0.1 * Math.Pow(128, -0.5));   // 13 rows of 128
        Assert.All(Values(model, "encoder.layers.1.self_attention_norm.weight"), value => Assert.Equal(1, value));
        string[] zeros =
            ["encoder.layers.1.self_attention_norm.bias", "output.bias", "decoder.layers.0.cross_attention.key.bias"];
        foreach (string zero in zeros)
            Assert.All(Values(model, zero), value => Assert.Equal(0, value));
        Assert.NotEqual(
            Values(model, "encoder.layers.0.self_attention.query.weight"),
            Values(model, "encoder.layers.0.self_attention.key.weight"));
    }

    [Fact]
    public void The_same_seed_gives_the_same_weights()
    {
        using ModelData one = Create("tie=all", 1), same = Create("tie=all", 1), other = Create("tie=all", 2);
        foreach (string name in one.Tensors.Keys) Assert.Equal(Values(one, name), Values(same, name));
        Assert.NotEqual(Values(one, "output.weight"), Values(other, "output.weight"));
    }

    [Theory]
    [InlineData("tie=all", 1)]
    [InlineData("tie=decoder", 2)]
    [InlineData("tie=none", 3)]
    public void Tied_embeddings_are_one_tensor(string tie, int different)
    {
        using ModelData model = Create(tie, 1);
        string[] names = ["encoder.embedding.weight", "decoder.embedding.weight", "output.weight"];
        var tensors = new HashSet<HostTensor>(names.Select(name => model.Tensors[name]), ReferenceEqualityComparer.Instance);
        Assert.Equal(different, tensors.Count);
    }

    private static double Deviation(float[] values) => Math.Sqrt(values.Average(value => (double)value * value));

    private static float[] Values(ModelData model, string name) => model.Tensors[name].ReadFloats();

    private static ModelData Create(string tie, int seed)
    {
        using TrainingFolder folder = TrainingFolder.OfDigits(reversed: false);
        TrainingConfig config = folder.Load(
            $"model.{tie}", $"seed={seed}", "model.modelDim=128", "model.hiddenDim=256", "model.encoderLayers=2");
        return InitialModel.Create(config, TextCoding.Create(config, folder.File("tokenizer"), false, _ => { }, default));
    }
}
