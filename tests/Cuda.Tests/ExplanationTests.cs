// An explanation by the device has the CPU's bits, as a translation has.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Engine.Decoding;
using Engine.Explaining;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Xunit;

namespace Cuda.Tests;

public sealed class ExplanationTests
{
    [Theory]
    [InlineData(AttentionKind.DotProduct)]
    [InlineData(AttentionKind.Additive)]
    public async Task Weights_and_scores_have_the_bits_of_the_CPU(AttentionKind kind)
    {
        TransformerConfig config = RandomModel.Config(
            32, 4, 64, layers: 2, vocabulary: 60, stack => stack with { Attention = stack.Attention with { Kind = kind } });
        using ModelData data = RandomModel.Create(config);
        using CudaBackend cuda = Device.Open(usesOwnProducts: true);
        using var cpu = new CpuBackend(new BackendOptions { Threads = 1 });
        (Explanation expected, Explanation found) = (await Explain(cpu, data), await Explain(cuda, data));
        Assert.Equal(expected.TargetTokens, found.TargetTokens);
        Assert.Equal(expected.TokenScores, found.TokenScores);
        AssertSame(expected.Encoder, found.Encoder);
        AssertSame(expected.Decoder, found.Decoder);
        AssertSame(expected.Cross, found.Cross);
        AssertSame(expected.Alignment, found.Alignment);
    }

    private static async Task<Explanation> Explain(IBackend backend, ModelData data)
    {
        using Translator translator = Translator.Load(data, new TranslatorOptions(backend));
        var request = new TranslationRequest(RandomModel.Sentence(new Random(1), 70, 60))
        {
            Options = new DecodingOptions { MaxDecodingLength = 9, MinDecodingLength = 9 },
        };
        return await translator.ExplainAsync(request, TestContext.Current.CancellationToken);
    }

    private static void AssertSame(AttentionMap expected, AttentionMap found)
    {
        Assert.Equal((expected.Layers, expected.Heads), (found.Layers, found.Heads));
        for (int layer = 0; layer < expected.Layers; layer++)
        {
            for (int i = 0; i < expected.Heads * expected.Queries; i++)
            {
                (int head, int query) = (i % expected.Heads, i / expected.Heads);
                Assert.Equal(expected.Row(layer, head, query).ToArray(), found.Row(layer, head, query).ToArray());
            }
        }
    }
}
