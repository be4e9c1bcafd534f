// Drawing from the whole vocabulary: what is drawn is a function of seed, hypothesis and step, whoever is in the batch.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Formats;
using Engine.Numerics;
using Engine.Reference;
using Xunit;

namespace Engine.Tests.Decoding;

public sealed class SamplingTests : IDisposable
{
    private const int Vocabulary = 50, Length = 12;

    private readonly CpuBackend _backend = new();
    private readonly ModelData _data = RandomModel.Create(ModelShapes.Config("paper"));
    private readonly Translator _translator;

    public SamplingTests() => _translator = Translator.Load(_data, new TranslatorOptions(_backend) { BatchSize = 16 });

    public void Dispose()
    {
        _translator.Dispose();
        _data.Dispose();
        _backend.Dispose();
    }

    /// <summary>Philox4x32-10's known answers, as its authors publish them.</summary>
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0ul, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(
        0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFu, 0xFFFFFFFFFFFFFFFFul, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(
        0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0x299f31d0a4093822ul, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Philox_gives_its_known_answers(uint c0, uint c1, uint c2, uint c3, ulong key, uint w0, uint w1, uint w2, uint w3) =>
        Assert.Equal((w0, w1, w2, w3), Philox.Block(key, c0, c1, c2, c3));

    [Fact]
    public void A_draw_is_written_and_read()
    {
        foreach (long seed in new[] { 0, 1, -1, long.MinValue, 0x123456789ABCDEF0 })
        {
            var draw = new TokenDraw(seed, -3, int.MaxValue);
            var numbers = new int[TokenDraw.Columns];
            draw.CopyTo(numbers);
            Assert.Equal(draw, TokenDraw.From(numbers));
        }
    }

    /// <summary>Above 0 and below 1, each another number, and on average ½.</summary>
    [Fact]
    public void Uniform_numbers_are_inside_their_bounds()
    {
        const int Tokens = 100_000;
        var draw = new TokenDraw(3, 1, 2);
        float[] all = [.. Enumerable.Range(0, Tokens).Select(draw.Uniform)];
        Assert.All(all, static u => Assert.InRange(u, 1f / (1 << 24), 1 - (1f / (1 << 24))));
        Assert.InRange(all.Average(), 0.5 - (5 / Math.Sqrt(12 * Tokens)), 0.5 + (5 / Math.Sqrt(12 * Tokens)));
        Assert.InRange(all.Distinct().Count(), 98_900, 99_700);     // of 2²³ values 595 pairs fall together
        foreach (TokenDraw other in new[] { draw with { Seed = 4 }, draw with { Hypothesis = 2 }, draw with { Step = 3 } })
            Assert.NotEqual(draw.Uniform(17), other.Uniform(17));
    }

    /// <summary>The alternatives of one token are all tokens with their log-probabilities; from these the definition draws.</summary>
    [Theory]
    [InlineData(1f)]
    [InlineData(0.4f)]
    [InlineData(5f)]
    public void The_first_tokens_are_what_the_definition_draws(float temperature)
    {
        TranslationRequest request = Requests()[0];
        DecodingOptions all = new() { ReturnAlternatives = true, NumHypotheses = Vocabulary, MaxDecodingLength = 1 };
        var scores = new double[Vocabulary];
        Array.Fill(scores, double.NegativeInfinity);                // the end may not be drawn
        foreach (Hypothesis hypothesis in _translator.Translate(request with { Options = all }).Hypotheses.Where(static h => h.Tokens.Count > 0))
            scores[_data.TargetVocabulary.Id(hypothesis.Tokens[0])] = hypothesis.Score;
        DecodingOptions drawn = Drawing with { SamplingTemperature = temperature, NumHypotheses = 20, MaxDecodingLength = 1, MinDecodingLength = 1 };
        foreach (long seed in new[] { 1, 2, 1L << 40 })
        {
            IEnumerable<string> expected = Enumerable.Range(0, 20).Select(hypothesis =>
            {
                double[] keys = SampleReference.Scores(scores, new TokenDraw(seed, hypothesis, 0), temperature);
                return _data.TargetVocabulary[Array.IndexOf(keys, keys.Max())];
            });
            TranslationResult result = _translator.Translate(request with { Options = drawn with { Seed = seed } });
            Assert.Equal(expected.Order(StringComparer.Ordinal), result.Hypotheses.Select(static h => h.Tokens[0]).Order(StringComparer.Ordinal));
        }
    }

    /// <summary>Other temperatures, seeds and numbers of samples beside it, prefixes, and searches that do not draw.</summary>
    [Fact]
    public void A_sample_does_not_depend_on_who_is_in_the_batch()
    {
        DecodingOptions[] options =
        [
            Drawing, Drawing with { Seed = 9 }, Drawing with { NumHypotheses = 3 }, Drawing with { SamplingTemperature = 0.5f },
            Drawing with { SamplingTemperature = 0.5f, Seed = 2 }, new() { BeamSize = 3, MaxDecodingLength = Length },
            Drawing with { SamplingTopP = 0.9f }, Drawing with { SamplingTopK = 7 }, Drawing with { BeamSize = 3 },
            Drawing with { ReturnAlternatives = true, NumHypotheses = 4 }, Drawing with { NumHypotheses = 5, RepetitionPenalty = 1.4f },
        ];
        TranslationRequest[] requests = [.. Requests().SelectMany((request, i) => options.Select((option, j) => request with
        {
            Options = option,
            TargetPrefix = (i + j) % 4 == 0 ? ["t9", "t17"] : null,
        }))];
        string[] alone = [.. requests.Select(request => Text(_translator.Translate(request)))];
        Assert.Equal(alone, _translator.TranslateBatch(requests, TestContext.Current.CancellationToken).Select(Text));
        TranslationRequest[] drawing = [.. requests.Where(static request => request.Options!.SamplingTopK == 0 && request.Options.NumHypotheses == 1)];
        Assert.Equal(
            drawing.Select(request => Text(_translator.Translate(request))),
            _translator.TranslateBatch(drawing, TestContext.Current.CancellationToken).Select(Text));
    }

    private static DecodingOptions Drawing { get; } = new() { BeamSize = 1, SamplingTopK = 0, MaxDecodingLength = Length, MinDecodingLength = 3 };

    private static TranslationRequest[] Requests()
    {
        var random = new Random(8);
        return [.. Enumerable.Range(0, 6).Select(_ => new TranslationRequest(RandomModel.Sentence(random, random.Next(1, 30), Vocabulary)))];
    }

    private static string Text(TranslationResult result) =>
        string.Join(" | ", result.Hypotheses.Select(static h => $"{string.Join(' ', h.Tokens)} {h.Score:R}"));
}
