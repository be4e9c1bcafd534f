// Where the device has no room for a batch, smaller ones do the work, with the same bits; only a sentence for which there is no room
// although it is alone fails, and nothing of a failure stays behind.
using Engine.Cpu;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Xunit;

namespace Engine.Tests.Decoding;

public sealed class ScarceMemoryTests : IDisposable
{
    private const int Vocabulary = 50;

    private static readonly DecodingOptions[] Searches =
    [
        new() { BeamSize = 1, MaxDecodingLength = 40, MinDecodingLength = 40 },
        new() { BeamSize = 4, NumHypotheses = 2, MaxDecodingLength = 25, ReturnAttention = true },
        new() { BeamSize = 1, SamplingTopK = 0, Seed = 7, NumHypotheses = 3, MaxDecodingLength = 20 },
        new() { BeamSize = 2, ReturnAlternatives = true, NumHypotheses = 4, MaxDecodingLength = 12 },
        new() { BeamSize = 3, PrefixBiasBeta = 0.4f, MaxDecodingLength = 18 },
    ];

    private readonly ModelData _data = RandomModel.Create(ModelShapes.Config("paper"));
    private readonly ScarceBackend _backend = new(new CpuBackend(new Backends.BackendOptions { Threads = 1 }));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory, InlineData(0.0), InlineData(0.05), InlineData(0.3), InlineData(0.7), InlineData(0.99)]
    public void Less_memory_than_the_batch_wants_gives_the_same_results(double share)
    {
        TranslationRequest[] requests = Requests(30);
        long alone = requests.Max(request => PeakOf([request]));
        long together = PeakOf(requests);
        string[] expected = Translate(requests);
        _backend.Restart();
        _backend.Capacity = alone + (long)(share * (together - alone));
        Assert.Equal(expected, Translate(requests));
        Assert.True(_backend.Refused > 0);
    }

    // Each early request in turn, then every 97th, a prime, so that all kinds are met: in admissions, in the middle of steps, at the
    // growth of caches.
    [Theory, InlineData(false, 1), InlineData(true, 1), InlineData(true, 4)]
    public void Whatever_is_refused_once_changes_no_result_and_leaves_nothing(bool prefersEqualSteps, int stepsAtOnce)
    {
        using var backend = new ScarceBackend(new CpuBackend(new Backends.BackendOptions { Threads = 1 }))
        {
            PrefersEqualSteps = prefersEqualSteps,
            StepsAtOnce = stepsAtOnce,
        };
        TranslationRequest[] requests = Requests(10);
        for (int i = 0; stepsAtOnce > 1 && i < requests.Length; i++)
        {
            var plain = new DecodingOptions { BeamSize = 1 + (i % 4), MaxDecodingLength = 40, MinDecodingLength = 20 };
            requests[i] = requests[i] with { Options = plain, TargetPrefix = null };
        }

        string[] expected = Translate(requests, backend);
        using var model = new Transformer(backend, _data);
        long held = backend.Held;
        for (int refused = 1; ; refused += refused < 50 ? 1 : 97)
        {
            backend.Restart();
            backend.RefusedRequest = refused;
            using (Translator translator = Over(model, 10))
                Assert.Equal(expected, translator.TranslateBatch(requests, Cancellation).Select(Text));
            Assert.Equal(held, backend.Held);
            if (backend.Refused > 0) continue;
            Assert.True(refused > 1000);   // the run is over before
            return;
        }
    }

    /// <summary>Steps without the host take more blocks; where there is no room for them, a step at a time does.</summary>
    [Fact]
    public void A_sentence_alone_needs_no_more_room_where_steps_are_taken_at_once()
    {
        TranslationRequest[] requests = Requests(1);
        requests[0] = requests[0] with { Options = new DecodingOptions { BeamSize = 30, MinDecodingLength = 60, MaxDecodingLength = 60 } };
        long room = PeakOf(requests);
        string[] expected = Translate(requests);
        using var backend = new ScarceBackend(new CpuBackend(new Backends.BackendOptions { Threads = 1 })) { StepsAtOnce = 16 };
        backend.Restart();
        backend.Capacity = room + (room / 20);      // a block that nobody writes to
        Assert.Equal(expected, Translate(requests, backend));
        Assert.True(backend.Refused > 0);
    }

    [Fact]
    public async Task A_sentence_for_which_there_is_no_room_fails_and_the_others_go_on()
    {
        TranslationRequest[] requests = Requests(12);
        var large = new TranslationRequest(RandomModel.Sentence(new Random(1), 200, Vocabulary))
        {
            Options = new DecodingOptions { BeamSize = 8, MinDecodingLength = 150, MaxDecodingLength = 150 },
        };
        string[] expected = Translate(requests);
        long room = requests.Max(request => PeakOf([request]));
        Assert.True(PeakOf([large]) > room);
        using Translator translator = Load(_backend, 8);
        _backend.Capacity = room;
        Task<TranslationResult>[] tasks =
            [.. requests.Take(5).Append(large).Concat(requests.Skip(5)).Select(request => translator.TranslateAsync(request, Cancellation))];
        var failure = await Assert.ThrowsAsync<OutOfMemoryException>(() => tasks[5]);
        Assert.Matches("^[0-9,]+ bytes were asked for; [0-9,]+ are free\\.$", failure.Message);
        Assert.Equal(expected, (await Task.WhenAll(tasks.Where(task => task != tasks[5]))).Select(Text));
        _backend.Capacity = long.MaxValue;
        Assert.NotEmpty((await translator.TranslateAsync(large, Cancellation)).Hypotheses);
    }

    [Fact]
    public async Task Translations_are_scored_in_as_many_passes_as_there_is_room_for()
    {
        ScoreRequest[] requests = [.. Requests(9).Select(static request => new ScoreRequest(request.Source, request.Source))];
        var large = new ScoreRequest(
            RandomModel.Sentence(new Random(1), 250, Vocabulary), RandomModel.Sentence(new Random(2), 250, Vocabulary));
        using Translator translator = Load(_backend, 16);
        async Task<long> Peak(params ScoreRequest[] of)
        {
            _backend.Restart();
            await Task.WhenAll(of.Select(request => translator.ScoreAsync(request, Cancellation)));
            return _backend.Peak;
        }

        ScoreResult[] expected = await Task.WhenAll(requests.Select(request => translator.ScoreAsync(request, Cancellation)));
        long room = 0;
        foreach (ScoreRequest request in requests) room = Math.Max(room, await Peak(request));
        Assert.True(await Peak(large) > room);
        _backend.Restart();
        _backend.Capacity = room;
        Task<ScoreResult>[] tasks = [.. requests.Append(large).Select(request => translator.ScoreAsync(request, Cancellation))];
        await Assert.ThrowsAsync<OutOfMemoryException>(() => tasks[^1]);
        ScoreResult[] found = await Task.WhenAll(tasks[..^1]);
        for (int i = 0; i < found.Length; i++) Assert.Equal(expected[i].TokenScores, found[i].TokenScores);
        Assert.True(_backend.Refused > 0);
    }

    [Fact]
    public async Task A_backend_that_refuses_everything_fails_all_that_wait()
    {
        using Translator translator = Load(_backend, 4);
        string expected = Text(translator.Translate(Requests(1)[0]));
        _backend.Fault = new InvalidOperationException("The device is lost.");
        Task[] tasks =
        [
            .. Requests(40).Select(request => translator.TranslateAsync(request, Cancellation)),
            translator.ScoreAsync(new ScoreRequest(["t3"], ["t4"]), Cancellation),
        ];
        foreach (Task task in tasks)
            Assert.Same(_backend.Fault, await Assert.ThrowsAsync<InvalidOperationException>(() => task.WaitAsync(TimeSpan.FromSeconds(60), Cancellation)));
        _backend.Fault = null;
        Assert.Equal(expected, Text(translator.Translate(Requests(1)[0])));
    }

    [Fact]
    public void The_limit_falls_at_once_and_grows_with_what_ends_well()
    {
        var limit = new BatchLimit(32);
        limit.Finished(1000);
        Assert.Equal(32, limit.Sentences);
        limit.Lower(4);
        limit.Lower(8);
        Assert.Equal(4, limit.Sentences);
        limit.Finished(7);
        Assert.Equal(4, limit.Sentences);
        limit.Finished(1);
        Assert.Equal(6, limit.Sentences);
        limit.Lower(0);
        Assert.Equal(1, limit.Sentences);
        int sentences = 0;
        for (; limit.Sentences < 32; sentences++) limit.Finished(1);
        Assert.InRange(sentences, 100, 300);
    }

    [Fact]
    public void Blocks_that_a_cache_does_not_have_are_forgotten()
    {
        var pool = new BlockPool();
        for (int i = 0; i < 10; i++) Assert.Equal(i, pool.Take());
        foreach (int block in (int[])[9, 2, 7, 8]) pool.Release(block);
        pool.Forget(7);
        Assert.Equal((7, 6), (pool.Needed, pool.InUse));
        Assert.Equal([2, 7, 8], (int[])[pool.Take(), pool.Take(), pool.Take()]);
        pool.Forget(20);
        Assert.Equal(9, pool.Needed);
    }

    public void Dispose()
    {
        _backend.Dispose();
        _data.Dispose();
    }

    // From 1 to 40 tokens, so that sources have one to three blocks.
    private static TranslationRequest[] Requests(int count)
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            DecodingOptions options = Searches[i % Searches.Length];
            return new TranslationRequest(RandomModel.Sentence(random, random.Next(1, 41), Vocabulary))
            {
                Options = options,
                TargetPrefix = options.PrefixBiasBeta > 0 ? RandomModel.Sentence(random, 3, Vocabulary) : null,
            };
        })];
    }

    private long PeakOf(TranslationRequest[] requests)
    {
        _backend.Restart();
        Translate(requests);
        return _backend.Peak;
    }

    private string[] Translate(TranslationRequest[] requests) => Translate(requests, _backend);

    private string[] Translate(TranslationRequest[] requests, ScarceBackend backend)
    {
        using Translator translator = Load(backend, 10);
        return [.. translator.TranslateBatch(requests, Cancellation).Select(Text)];
    }

    private Translator Load(ScarceBackend backend, int batchSize) =>
        Translator.Load(_data, new TranslatorOptions(backend) { BatchSize = batchSize });

    private Translator Over(Transformer model, int batchSize) => Translator.Over(
        model, _data, new TranslatorOptions(model.Backend) { BatchSize = batchSize }, Engine.Text.Tokenizer.Open("space", ""));

    private static string Text(TranslationResult result) =>
        string.Join(" | ", result.Hypotheses.Select(static h => $"{string.Join(' ', h.Tokens)} {h.Score:R}"));
}
