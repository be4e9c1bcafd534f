// Models whose positions learn of each other without attention, and in groups: with products of our own their translations have the CPU's
// bits, over more than a block of the cache, with beams that part and rows that are filled up.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Xunit;

namespace Cuda.Tests.Models;

public sealed class MixingBitsTests
{
    private const int Words = 50;

    private static readonly int[] Lengths = [3, 20, 1, 7, 11];

    public static TheoryData<MixingKind> Kinds => [.. Enum.GetValues<MixingKind>()];

    [Theory, MemberData(nameof(Kinds))]
    public void Every_translation_has_the_bits_of_the_CPU(MixingKind kind)
    {
        TransformerConfig config = RandomModel.Config(24, 2, 48, 2, Words, stack => stack with
        {
            Mixing = new MixingConfig { Kind = kind, Kernel = 4, Dilation = 3 },
        });
        if (kind == MixingKind.Attention)
            config = config with { Encoder = config.Encoder with { Attention = config.Encoder.Attention with { Group = 5 } } };
        using ModelData data = RandomModel.Create(config);
        using IBackend cpu = new CpuBackend(), cuda = Device.Open(usesOwnProducts: true);
        string[] expected = Translate(cpu, data), found = Translate(cuda, data);
        Assert.Equal(expected, found);
        Assert.Contains(expected, static line => line.Split(' ').Length > 2 * KeyValueCache.BlockPositions);
        Assert.True(expected.Distinct().Count() > expected.Length / 2, $"Few translations differ: {string.Join('\n', expected)}");
    }

    private static string[] Translate(IBackend backend, ModelData data)
    {
        using Translator translator = Translator.Load(data, new TranslatorOptions(backend) { Decoding = Searched });
        var random = new Random(1);
        TranslationRequest[] requests =
            [.. Lengths.Select(length => new TranslationRequest(RandomModel.Sentence(random, length, Words)))];
        return [.. translator.TranslateBatch(requests, TestContext.Current.CancellationToken).SelectMany(static result =>
            result.Hypotheses.Select(static h => $"{string.Join(' ', h.Tokens)} {BitConverter.SingleToInt32Bits(h.Score)}"))];
    }

    private static DecodingOptions Searched => new() { BeamSize = 3, NumHypotheses = 3, MaxDecodingLength = 40, MinDecodingLength = 35 };
}
