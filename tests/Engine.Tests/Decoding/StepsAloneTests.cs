// Steps that a backend takes without the host: the same tokens and the same bits as with it, whatever the options and the batch.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Formats;
using Engine.Reference;
using Xunit;

namespace Engine.Tests.Decoding;

public sealed class StepsAloneTests
{
    private static readonly string[] Ends = ["</s>", "t7", "t11", "t23"];

    private static readonly DecodingOptions Plain = new() { MaxDecodingLength = 40, ReturnTokenScores = true, EndTokens = Ends };

    public static TheoryData<string> Shapes => [.. ModelShapes.Names];

    public static TheoryData<string> Options => [.. Variants.Keys];

    private static Dictionary<string, DecodingOptions> Variants { get; } = new()
    {
        ["greedy"] = Plain with { BeamSize = 1 },
        ["beam"] = Plain with { BeamSize = 4, NumHypotheses = 4 },
        ["patience"] = Plain with { BeamSize = 3, NumHypotheses = 6, Patience = 2 },
        ["impatience"] = Plain with { BeamSize = 5, NumHypotheses = 1, Patience = 0.2f },
        ["plain sum"] = Plain with { BeamSize = 3, NumHypotheses = 2, LengthPenalty = 0 },
        ["long"] = Plain with { BeamSize = 2, LengthPenalty = 0.6f, MaxDecodingLength = 90, MinDecodingLength = 70, ReturnEndToken = true },
        ["one token"] = Plain with { BeamSize = 4, NumHypotheses = 2, MaxDecodingLength = 1 },
        ["two tokens"] = Plain with { BeamSize = 1, MaxDecodingLength = 2, MinDecodingLength = 0 },
        ["at least"] = Plain with { BeamSize = 4, NumHypotheses = 3, MinDecodingLength = 6 },
        ["forbidden"] = Plain with { BeamSize = 3, DisableUnknown = true, SuppressSequences = [["t3"], ["t4"], ["t9"]] },
        ["one end"] = Plain with { BeamSize = 4, EndTokens = null, MaxDecodingLength = 34 },
        ["many"] = Plain with { BeamSize = 32, NumHypotheses = 32, MaxDecodingLength = 20 },
    };

    [Theory, MemberData(nameof(Shapes))]
    public void Every_graph_gives_the_same_bits(string shape)
    {
        TranslationRequest[] requests = Requests(shape, 24, static i => Variants.ElementAt(i % Variants.Count).Value);
        string[] expected = Run(shape, new CpuBackend(), requests, batchSize: 16);
        foreach ((int steps, bool fillsUp) in new[] { (2, false), (4, true), (16, false), (1000, true) })
        {
            var backend = new StepsBackend(new CpuBackend(), steps, fillsUp);
            Assert.Equal(expected, Run(shape, backend, requests, batchSize: 16));
            Assert.True(backend.TakenAlone > 20, $"{backend.TakenAlone} steps were taken alone");
        }
    }

    [Theory, MemberData(nameof(Options))]
    public void Every_option_gives_the_same_bits(string name)
    {
        TranslationRequest[] requests = Requests("prenorm", 20, _ => Variants[name]);
        string[] expected = Run("prenorm", new CpuBackend(), requests, batchSize: 8);
        foreach (int steps in new[] { 2, 3, 4, 7, 16 })
        {
            foreach (int batch in new[] { 1, 8 })
            {
                var backend = new StepsBackend(new CpuBackend(), steps, fillsUp: steps % 2 == 0);
                Assert.Equal(expected, Run("prenorm", backend, requests, batch));
                Assert.Equal(name != "one token", backend.TakenAlone > 0);
            }
        }
    }

    /// <summary>Searches that the host must see take its steps, and those beside them too; prefixes are followed before.</summary>
    [Fact]
    public void Other_searches_beside_them_change_nothing()
    {
        DecodingOptions[] others =
        [
            Plain with { BeamSize = 1, SamplingTopK = 5, Seed = 3 }, Plain with { BeamSize = 2, RepetitionPenalty = 1.3f },
            Plain with { BeamSize = 3, NoRepeatNgramSize = 2 }, Plain with { BeamSize = 2, ReturnAttention = true },
            Plain with { BeamSize = 2, SuppressSequences = [["t3", "t4"]] }, Plain with { BeamSize = 2, ReturnAlternatives = true, NumHypotheses = 3 },
            Plain with { BeamSize = 2, CoveragePenalty = 0.2f }, Plain with { BeamSize = 40, MaxDecodingLength = 5 },
        ];
        TranslationRequest[] requests = Requests("paper", 48, i => i % 3 == 0 ? others[i / 3 % others.Length] : Variants.ElementAt(i % Variants.Count).Value);
        for (int i = 1; i < requests.Length; i += 5) requests[i] = requests[i] with { TargetPrefix = ["t5", "t6", "t12"] };
        string[] expected = Run("paper", new CpuBackend(), requests, batchSize: 4);
        var backend = new StepsBackend(new CpuBackend(), 4, fillsUp: true);
        Assert.Equal(expected, Run("paper", backend, requests, batchSize: 4));
        Assert.True(backend.TakenAlone > 0);
        Assert.Equal(expected, Run("paper", new StepsBackend(new CpuBackend(), 4, fillsUp: true), requests, batchSize: 1));
    }

    /// <summary>Eight steps and more are looked at once.</summary>
    [Fact]
    public void The_host_waits_once_for_several_steps()
    {
        TranslationRequest[] requests = Requests("paper", 1, static _ => Plain with { BeamSize = 4, MinDecodingLength = 32, MaxDecodingLength = 32 });
        var backend = new StepsBackend(new CpuBackend(), 8, fillsUp: false);
        Run("paper", backend, requests, batchSize: 1);
        Assert.Equal(32, backend.TakenAlone);
        Assert.Equal(4, backend.Reads);
    }

    [Fact]
    public async Task Who_gives_up_between_them_is_cancelled_and_the_others_go_on()
    {
        TranslationRequest[] requests = Requests("paper", 9, static _ => Plain with { BeamSize = 3, MinDecodingLength = 250, MaxDecodingLength = 250 });
        string[] expected = Run("paper", new CpuBackend(), requests, batchSize: 9);
        using ModelData data = RandomModel.Create(ModelShapes.Config("paper"));
        using var backend = new StepsBackend(new CpuBackend(), 4, fillsUp: true);
        using Translator translator = Translator.Load(data, new TranslatorOptions(backend) { BatchSize = 9 });
        using var source = new CancellationTokenSource();
        Task<TranslationResult>[] tasks = [.. requests.Select((request, i) => translator.TranslateAsync(
            request, i % 3 == 1 ? source.Token : TestContext.Current.CancellationToken))];
        while (backend.TakenAlone < 20) await Task.Delay(1, TestContext.Current.CancellationToken);
        await source.CancelAsync();
        for (int i = 0; i < tasks.Length; i++)
        {
            if (i % 3 == 1) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => tasks[i]);
            else Assert.Equal(expected[i], Text(await tasks[i]));
        }
    }

    private static TranslationRequest[] Requests(string shape, int count, Func<int, DecodingOptions> options)
    {
        var random = new Random(5);
        int vocabulary = ModelShapes.Config(shape).SourceVocabulary;
        return [.. Enumerable.Range(0, count).Select(i =>
            new TranslationRequest(RandomModel.Sentence(random, random.Next(1, 40), vocabulary)) { Options = options(i) })];
    }

    private static string[] Run(string shape, IBackend backend, TranslationRequest[] requests, int batchSize)
    {
        using (backend)
        {
            using ModelData data = RandomModel.Create(ModelShapes.Config(shape));
            using Translator translator = Translator.Load(data, new TranslatorOptions(backend) { BatchSize = batchSize });
            return [.. translator.TranslateBatch(requests, TestContext.Current.CancellationToken).Select(Text)];
        }
    }

    private static string Text(TranslationResult result) => string.Join('\n', result.Hypotheses.Select(static h =>
        $"{string.Join(' ', h.Tokens)}: {string.Join(' ', h.TokenScores!.Append(h.Score).Select(static n => BitConverter.SingleToInt32Bits(n).ToString("x8")))}"));
}

/// <summary>The cases of CTranslate2, some steps at once; one after the other, since those that the host must see would take all with them.</summary>
public sealed class StepsAloneParityTests : TransliterationParity
{
    protected override int BatchSize => 1;

    protected override IBackend Open() => new StepsBackend(new CpuBackend(), 4, fillsUp: false);

    private protected override IReadOnlyList<Case> Asked(IReadOnlyList<Case> cases) => [.. cases.Where(static (_, i) => i % 3 == 0)];
}
