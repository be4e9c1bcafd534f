// An explanation is of the run that it tells of: its numbers are those that translating and scoring give, and the weights of every head
// and layer make the output that the graph goes on with.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Explaining;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Xunit;

namespace Engine.Tests.Decoding;

public sealed class ExplanationTests : IDisposable
{
    private readonly CpuBackend _backend = new(new BackendOptions { Threads = 2 });

    public static TheoryData<string> Shapes => [.. ModelShapes.Attending];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _backend.Dispose();

    [Theory, MemberData(nameof(Shapes))]
    public async Task Its_tokens_and_scores_are_those_of_the_translation(string shape)
    {
        ModelData data = RandomModel.Create(ModelShapes.Config(shape));
        using Translator translator = Load(data);
        foreach (int beam in new[] { 1, 3 })
        {
            TranslationRequest request = Request(data, 9, beam);
            TranslationResult found = await translator.TranslateAsync(request, Cancellation);
            Explanation explanation = await translator.ExplainAsync(request, Cancellation);
            Assert.Equal(beam, explanation.Hypotheses.Count);
            for (int i = 0; i < beam; i++) Assert.Equal(found.Hypotheses[i].Tokens, explanation.Hypotheses[i].Tokens);
            Assert.Equal(found.Hypotheses[0].Tokens.Append("</s>"), explanation.TargetTokens);
            Assert.Equal(found.Hypotheses[0].Tokens.Prepend("<s>"), explanation.InputTokens);
            Assert.Equal(request.Source, explanation.SourceTokens);
            ScoreResult scored = await translator.ScoreAsync(
                new ScoreRequest(request.Source, found.Hypotheses[0].Tokens), Cancellation);
            Assert.Equal(scored.TokenScores, explanation.TokenScores);
            Assert.Equal(found.Hypotheses[0].TokenScores!, explanation.TokenScores.SkipLast(1));
        }
    }

    [Theory, MemberData(nameof(Shapes))]
    public async Task Its_alignment_is_that_of_the_search(string shape)
    {
        TransformerConfig config = ModelShapes.Config(shape);
        foreach ((int layer, int heads) in new[] { (-1, 1), (0, 0) })
        {
            ModelData data = RandomModel.Create(config with { AlignmentLayer = layer, AlignmentHeads = heads });
            using Translator translator = Load(data);
            TranslationRequest request = Request(data, 12, beam: 1);
            Hypothesis found = (await translator.TranslateAsync(request, Cancellation)).Hypotheses[0];
            Explanation explanation = await translator.ExplainAsync(request, Cancellation);
            Assert.Equal((1, 1), (explanation.Alignment.Layers, explanation.Alignment.Heads));
            for (int i = 0; i < found.Tokens.Count; i++) Assert.Equal(found.Attention![i], explanation.Alignment.Row(0, 0, i).ToArray());
        }
    }

    [Theory, MemberData(nameof(Shapes))]
    public async Task Weights_are_of_the_right_kind_and_sum_to_one(string shape)
    {
        TransformerConfig config = ModelShapes.Config(shape);
        ModelData data = RandomModel.Create(config);
        using Translator translator = Load(data);
        Explanation explanation = await translator.ExplainAsync(Request(data, 7, beam: 2), Cancellation);
        int places = explanation.TargetTokens.Count;
        foreach ((AttentionMap map, StackConfig stack, int queries, int keys, bool isMasked) in new[]
        {
            (explanation.Encoder, config.Encoder, 7, 7, false), (explanation.Decoder, config.Decoder, places, places, true),
            (explanation.Cross, config.Decoder, places, 7, false),
        })
        {
            Assert.Equal((stack.Layers, stack.Attention.Heads, queries, keys), (map.Layers, map.Heads, map.Queries, map.Keys));
            for (int i = 0; i < map.Layers * map.Heads * queries; i++)
            {
                int query = i % queries;
                float[] row = map.Row(i / queries / map.Heads, i / queries % map.Heads, query).ToArray();
                Assert.Equal(1, row.Sum(), 1e-5);
                if (isMasked) Assert.All(row[(query + 1)..], static weight => Assert.Equal(0f, weight));
            }
        }
    }

    [Fact]
    public async Task Rollout_is_the_product_of_half_the_mean_and_half_the_identity()
    {
        ModelData data = RandomModel.Create(ModelShapes.Config("paper"));
        using Translator translator = Load(data);
        Explanation explanation = await translator.ExplainAsync(Request(data, 5, beam: 1), Cancellation);
        int places = explanation.TargetTokens.Count;
        double[,] memory = Identity(5), own = Identity(places), source = new double[places, 5];
        for (int layer = 0; layer < 2; layer++)
        {
            memory = Add(memory, Multiply(Mean(explanation.Encoder, layer), memory));
            AssertClose(memory, explanation.EncoderRollout, layer);
        }

        for (int layer = 0; layer < 2; layer++)
        {
            double[,] self = Mean(explanation.Decoder, layer), cross = Mean(explanation.Cross, layer);
            (own, source) = (Add(own, Multiply(self, own)), Add(source, Multiply(self, source)));
            (own, source) = (Add(own, new double[places, places]), Add(source, Multiply(cross, memory)));
            AssertClose(own, explanation.TargetRollout, layer);
            AssertClose(source, explanation.SourceRollout, layer);
            for (int i = 0; i < places; i++)
            {
                double all = explanation.TargetRollout.Row(layer, 0, i).ToArray().Sum()
                    + explanation.SourceRollout.Row(layer, 0, i).ToArray().Sum();
                Assert.Equal(1, all, 1e-5);
            }
        }
    }

    [Fact]
    public async Task Candidates_are_the_most_probable_tokens_of_each_place()
    {
        ModelData data = RandomModel.Create(ModelShapes.Config("paper"));
        using Translator translator = Load(data);
        Explanation explanation = await translator.ExplainAsync(Request(data, 6, beam: 1), Cancellation);
        for (int i = 0; i < explanation.TargetTokens.Count; i++)
        {
            IReadOnlyList<Candidate> best = explanation.Candidates[i];
            Assert.Equal(5, best.Count);
            Assert.Equal(best.OrderByDescending(static one => one.Score), best);
            if (i == explanation.TargetTokens.Count - 1) continue;      // the search was cut off there: the end is not its choice

            // Greedy search takes the best.
            Assert.Equal(explanation.TargetTokens[i], best[0].Token);
            Assert.Equal(explanation.TokenScores[i], best[0].Score);
        }
    }

    [Fact]
    public async Task Several_callers_get_what_one_gets_and_translations_go_on()
    {
        ModelData data = RandomModel.Create(ModelShapes.Config("paper"));
        using Translator translator = Load(data);
        Explanation alone = await translator.ExplainAsync(Request(data, 8, beam: 2), Cancellation);
        Task<TranslationResult> translation = translator.TranslateAsync(Request(data, 20, beam: 2), Cancellation);
        Explanation[] together = await Task.WhenAll(
            Enumerable.Range(0, 5).Select(_ => translator.ExplainAsync(Request(data, 8, beam: 2), Cancellation)));
        Assert.NotEmpty((await translation).Hypotheses);
        foreach (Explanation one in together)
        {
            Assert.Equal(alone.TokenScores, one.TokenScores);
            Assert.Equal(alone.Cross.Row(1, 3, 2).ToArray(), one.Cross.Row(1, 3, 2).ToArray());
        }
    }

    [Fact]
    public async Task What_cannot_be_explained_is_refused()
    {
        ModelData data = RandomModel.Create(ModelShapes.Config("paper"));
        using Translator translator = Load(data);
        ArgumentException empty = await Assert.ThrowsAsync<ArgumentException>(
            () => translator.ExplainAsync(new TranslationRequest([]), Cancellation));
        Assert.Contains("The source is empty", empty.Message, StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => translator.ExplainAsync(Request(data, 3, beam: 1), new CancellationToken(canceled: true)));
        Explanation explanation = await translator.ExplainAsync(Request(data, 3, beam: 1), Cancellation);
        Assert.Throws<ArgumentOutOfRangeException>(() => explanation.Cross.Row(2, 0, 0).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => explanation.Cross.Row(0, 4, 0).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => explanation.Cross.Row(0, 0, -1).Length);
    }

    private Translator Load(ModelData data) => Translator.Load(data, new TranslatorOptions(_backend) { BatchSize = 4 });

    private static TranslationRequest Request(ModelData data, int length, int beam) =>
        new(RandomModel.Sentence(new Random(length), length, data.Config.SourceVocabulary))
        {
            Options = new DecodingOptions
            {
                BeamSize = beam, NumHypotheses = beam, MaxDecodingLength = 11, ReturnTokenScores = true, ReturnAttention = beam == 1,
                MinDecodingLength = 0,              // else the end is made impossible at first, and the others more probable
            },
        };

    private static double[,] Identity(int count)
    {
        var identity = new double[count, count];
        for (int i = 0; i < count; i++) identity[i, i] = 1;
        return identity;
    }

    private static double[,] Mean(AttentionMap map, int layer)
    {
        var mean = new double[map.Queries, map.Keys];
        for (int i = 0; i < map.Queries; i++)
        {
            for (int head = 0; head < map.Heads; head++)
                for (int j = 0; j < map.Keys; j++) mean[i, j] += map.Row(layer, head, i)[j] / (double)map.Heads;
        }

        return mean;
    }

    private static double[,] Multiply(double[,] a, double[,] b)
    {
        var product = new double[a.GetLength(0), b.GetLength(1)];
        for (int i = 0; i < product.GetLength(0); i++)
        {
            for (int j = 0; j < product.GetLength(1); j++)
                for (int k = 0; k < a.GetLength(1); k++) product[i, j] += a[i, k] * b[k, j];
        }

        return product;
    }

    // Half of each.
    private static double[,] Add(double[,] a, double[,] b)
    {
        var half = new double[a.GetLength(0), a.GetLength(1)];
        for (int i = 0; i < a.GetLength(0); i++)
            for (int j = 0; j < a.GetLength(1); j++) half[i, j] = (a[i, j] + b[i, j]) / 2;
        return half;
    }

    private static void AssertClose(double[,] expected, AttentionMap found, int layer)
    {
        for (int i = 0; i < expected.GetLength(0); i++)
            for (int j = 0; j < expected.GetLength(1); j++) Assert.Equal(expected[i, j], found.Row(layer, 0, i)[j], 1e-6);
    }
}
