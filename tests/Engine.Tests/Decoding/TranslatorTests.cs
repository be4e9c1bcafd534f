// What a host relies on: many callers, streams, cancellation, clear errors, and options that do what they say.
using System.Runtime.CompilerServices;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Formats;
using Engine.Layers;
using Engine.Models;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Tests.Decoding;

public sealed class TranslatorTests : IDisposable
{
    private readonly CpuBackend _backend = new();
    private readonly ModelData _data = RandomModel.Create(ModelShapes.Config("paper"));
    private readonly Translator _translator;

    public TranslatorTests() => _translator = Translator.Load(_data, new TranslatorOptions(_backend) { BatchSize = 8 });

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Callers_on_many_threads_get_what_a_single_caller_gets()
    {
        TranslationRequest[] requests = Requests(60);
        string[] alone = [.. requests.Select(request => Text(_translator.Translate(request)))];
        string[] together = await Task.WhenAll(requests.Select(request =>
            Task.Run(() => Text(_translator.Translate(request)), Cancellation)));
        Assert.Equal(alone, together);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_stream_gives_every_result_once(bool ordered)
    {
        TranslationRequest[] requests = Requests(100);
        string[] expected = [.. _translator.TranslateBatch(requests, Cancellation).Select(Text)];
        var found = new List<(long Index, string Text)>();
        await foreach ((long index, TranslationResult result) in _translator.TranslateStreamAsync(Stream(requests), ordered, Cancellation))
            found.Add((index, Text(result)));
        if (ordered) Assert.Equal(Enumerable.Range(0, 100).Select(static i => (long)i), found.Select(static f => f.Index));
        Assert.Equal(expected, found.OrderBy(static f => f.Index).Select(static f => f.Text));
    }

    [Fact]
    public async Task A_stream_answers_before_its_next_request_comes()
    {
        var answered = new TaskCompletionSource();
        async IAsyncEnumerable<TranslationRequest> Ask([EnumeratorCancellation] CancellationToken cancellation = default)
        {
            yield return Requests(1)[0];
            await answered.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellation);
            yield return Requests(1)[0];
        }

        int count = 0;
        await foreach (var _ in _translator.TranslateStreamAsync(Ask(Cancellation), cancellation: Cancellation))
        {
            count++;
            answered.TrySetResult();
        }

        Assert.Equal(2, count);
    }

    [Fact]
    public async Task A_cancelled_sentence_leaves_and_the_others_stay()
    {
        var forever = new DecodingOptions { BeamSize = 2, MinDecodingLength = 20_000, MaxDecodingLength = 20_000 };
        using var stop = new CancellationTokenSource();
        Task<TranslationResult> endless = _translator.TranslateAsync(Requests(1)[0] with { Options = forever }, stop.Token);
        string other = Text(await _translator.TranslateAsync(Requests(2)[1], Cancellation));
        Assert.False(endless.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => endless.WaitAsync(TimeSpan.FromSeconds(30), Cancellation));
        Assert.Equal(other, Text(_translator.Translate(Requests(2)[1])));
    }

    [Fact]
    public async Task A_sentence_that_is_cancelled_mid_way_changes_no_other()
    {
        DecodingOptions Of(int length) => new() { BeamSize = 2, MinDecodingLength = length, MaxDecodingLength = length };
        TranslationRequest[] longs = [.. Requests(6).Skip(2).Select(request => request with { Options = Of(400) })];
        string[] alone = [.. longs.Select(request => Text(_translator.Translate(request)))];
        using CancellationTokenSource first = new(), second = new();
        Task[] endless =
        [
            _translator.TranslateAsync(Requests(1)[0] with { Options = Of(100_000) }, first.Token),
            _translator.TranslateAsync(Requests(1)[0] with { Options = Of(100_000) }, second.Token),
        ];
        Task<TranslationResult>[] others = [.. longs.Select(request => _translator.TranslateAsync(request, Cancellation))];
        await _translator.TranslateAsync(Requests(1)[0] with { Options = Of(5) }, Cancellation);   // the others are under way
        await first.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => endless[0]);
        await second.CancelAsync();
        Assert.Equal(alone, (await Task.WhenAll(others)).Select(Text));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => endless[1]);
    }

    [Fact]
    public async Task A_cancelled_sentence_that_waits_for_a_place_need_not_wait_for_the_others()
    {
        var forever = new DecodingOptions { BeamSize = 1, MinDecodingLength = 100_000, MaxDecodingLength = 100_000 };
        using CancellationTokenSource stop = new(), stopWaiting = new();
        Task<TranslationResult>[] endless =
        [
            .. Requests(8).Select(request => _translator.TranslateAsync(request with { Options = forever }, stop.Token)),
        ];
        Task<TranslationResult> waiting = _translator.TranslateAsync(Requests(1)[0], stopWaiting.Token);
        await stopWaiting.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(10), Cancellation));
        Assert.All(endless, static task => Assert.False(task.IsCompleted));
        await stop.CancelAsync();
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_stream_may_be_left_while_its_source_waits(bool ordered)
    {
        var forever = new DecodingOptions { MinDecodingLength = 100_000, MaxDecodingLength = 100_000 };
        var disposed = new TaskCompletionSource();
        async IAsyncEnumerable<TranslationRequest> Ask([EnumeratorCancellation] CancellationToken cancellation = default)
        {
            try
            {
                yield return Requests(1)[0];
                for (int i = 0; i < 10; i++) yield return Requests(1)[0] with { Options = forever };
                await Task.Delay(Timeout.Infinite, cancellation);
            }
            finally
            {
                disposed.SetResult();
            }
        }

        await foreach (var _ in _translator.TranslateStreamAsync(Ask(Cancellation), ordered, Cancellation)) break;
        await disposed.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancellation);

        // Nor do the sentences that were under way keep the places of others.
        await _translator.TranslateAsync(Requests(1)[0], Cancellation).WaitAsync(TimeSpan.FromSeconds(30), Cancellation);
    }

    [Fact]
    public async Task A_wrong_request_ends_a_stream_with_its_own_error_while_the_source_waits()
    {
        var never = new TaskCompletionSource();
        async IAsyncEnumerable<TranslationRequest> Ask()
        {
            yield return Requests(1)[0] with { Options = new DecodingOptions { BeamSize = 0 } };
            await never.Task;
        }

        var error = await Assert.ThrowsAsync<ArgumentException>(async () =>
        {
            await foreach (var _ in _translator.TranslateStreamAsync(Ask(), cancellation: Cancellation)) { }
        });
        Assert.Contains("beam_size", error.Message, StringComparison.Ordinal);
        never.SetResult();
    }

    [Fact]
    public async Task A_stream_is_cancelled_by_its_caller_while_the_source_waits()
    {
        var never = new TaskCompletionSource();
        using var stop = new CancellationTokenSource();
        async IAsyncEnumerable<TranslationRequest> Ask()
        {
            yield return Requests(1)[0] with { Options = new DecodingOptions { MinDecodingLength = 100_000, MaxDecodingLength = 100_000 } };
            await never.Task;
        }

        stop.CancelAfter(50);
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in _translator.TranslateStreamAsync(Ask(), cancellation: stop.Token)) { }
        });
        Assert.Equal(stop.Token, error.CancellationToken);
        never.SetResult();
    }

    [Fact]
    public void A_backend_that_is_disposed_first_takes_the_memory_of_its_translator_with_it()
    {
        using var backend = new CpuBackend();
        Translator translator = Translator.Load(_data, new TranslatorOptions(backend));
        translator.Translate(Requests(1)[0]);                                // its caches are allocated
        backend.Dispose();
        Assert.Throws<ObjectDisposedException>(() => translator.Translate(Requests(1)[0]));
        translator.Dispose();
    }

    [Fact]
    public void A_wrong_option_names_itself_and_hurts_nobody_else()
    {
        (DecodingOptions Options, string Name)[] wrong =
        [
            (new() { BeamSize = 0 }, "beam_size"), (new() { Patience = 0 }, "patience"),
            (new() { NumHypotheses = 3 }, "num_hypotheses"), (new() { RepetitionPenalty = 0 }, "repetition_penalty"),
            (new() { PrefixBiasBeta = 1 }, "prefix_bias_beta"), (new() { MaxDecodingLength = 0 }, "max_decoding_length"),
            (new() { MinDecodingLength = 300 }, "min_decoding_length"), (new() { SamplingTopP = 0 }, "sampling_topp"),
            (new() { SamplingTopK = 51 }, "sampling_topk"), (new() { SamplingTemperature = -1 }, "sampling_temperature"),
            (new() { EndTokens = ["nowhere"] }, "end_token"), (new() { SuppressSequences = [["t3", "nowhere"]] }, "suppress_sequences"),
            (new() { Patience = 0.2f, NumHypotheses = 3, ReturnAlternatives = true }, "patience"),
            (new() { MaxInputLength = -1 }, "max_input_length"), (new() { NoRepeatNgramSize = -1 }, "no_repeat_ngram_size"),
        ];
        foreach ((DecodingOptions options, string name) in wrong)
        {
            var error = Assert.Throws<ArgumentException>(() => _translator.Translate(Requests(1)[0] with { Options = options }));
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
        }

        Assert.NotEmpty(_translator.Translate(Requests(1)[0]).Hypotheses);
    }

    [Fact]
    public void A_learned_table_has_a_hard_limit()
    {
        using ModelData data = RandomModel.Create(ModelShapes.Config("learned"));          // 64 positions
        using Translator translator = Translator.Load(data, new TranslatorOptions(_backend));
        TranslationRequest Long(int length) => new([.. Enumerable.Repeat("t3", length)])
        {
            Options = new DecodingOptions { MinDecodingLength = 100, MaxDecodingLength = 100 },
        };
        Assert.Equal(64, translator.Translate(Long(64)).Hypotheses[0].Tokens.Count);       // ends where the table ends
        var error = Assert.Throws<SequenceTooLongException>(() => translator.Translate(Long(65)));
        Assert.Equal((65, 64), (error.Length, error.Limit));
        using var table = new PositionTable(_backend, _backend.Allocate(new Shape(4, 8), DType.Float32));
        Assert.Equal(4, table.Rows(4).Rows);
        Assert.Throws<SequenceTooLongException>(() => table.Rows(5));
    }

    [Fact]
    public void A_sinusoid_has_no_limit()
    {
        TranslationRequest request = new([.. Enumerable.Repeat("t3", 1500)])
        {
            Options = new DecodingOptions { BeamSize = 1, MaxInputLength = 0, MinDecodingLength = 700, MaxDecodingLength = 700 },
        };
        Assert.Equal(700, _translator.Translate(request).Hypotheses[0].Tokens.Count);
    }

    [Fact]
    public void Unknown_tokens_and_empty_sources_are_no_errors()
    {
        Assert.NotEmpty(_translator.Translate(new TranslationRequest(["nowhere", "\0", "\ud800"])).Hypotheses);
        Hypothesis empty = _translator.Translate(new TranslationRequest([])).Hypotheses[0];
        Assert.Empty(empty.Tokens);
        Assert.Equal(0, empty.Score);
        TranslationResult prefixed = _translator.Translate(new TranslationRequest([])
        {
            TargetPrefix = ["t4", "nowhere"], Options = new DecodingOptions { NumHypotheses = 2 },
        });
        Assert.Equal(2, prefixed.Hypotheses.Count);
        Assert.Equal(["t4", "<unk>"], prefixed.Hypotheses[1].Tokens);
    }

    [Fact]
    public void An_empty_end_token_is_that_of_the_model()
    {
        TranslationRequest request = Requests(1)[0];
        TranslationResult own = _translator.Translate(request);
        Assert.Equal(Text(own), Text(_translator.Translate(request with { Options = request.Options! with { EndTokens = [""] } })));
    }

    [Fact]
    public void The_same_seed_samples_the_same_and_another_does_not()
    {
        TranslationRequest Sample(long seed, int topK, float topP = 1) => Requests(1)[0] with
        {
            Options = new DecodingOptions
            {
                BeamSize = 1, SamplingTopK = topK, SamplingTopP = topP, Seed = seed, NumHypotheses = 4, MinDecodingLength = 10,
                MaxDecodingLength = 10,
            },
        };
        foreach ((int topK, float topP) in new[] { (10, 1f), (0, 1f), (0, 0.9f), (20, 0.8f) })
        {
            string first = Text(_translator.Translate(Sample(1, topK, topP)));
            Assert.Equal(first, Text(_translator.Translate(Sample(1, topK, topP))));
            Assert.NotEqual(first, Text(_translator.Translate(Sample(2, topK, topP))));
        }

        // The nucleus of a tiny probability holds the best token only, and so do a cold temperature and a top-k of 1.
        DecodingOptions greedy = new() { BeamSize = 1, MaxDecodingLength = 10 };
        string best = Text(_translator.Translate(Requests(1)[0] with { Options = greedy }));
        Assert.Equal(best, Text(_translator.Translate(Requests(1)[0] with { Options = greedy with { SamplingTopK = 0, SamplingTopP = 1e-6f } })));
        Assert.Equal(best, Text(_translator.Translate(Requests(1)[0] with { Options = greedy with { SamplingTopK = 0, SamplingTemperature = 0 } })));
    }

    // A search that has ended has no rows: what its rules forbid must not fall on the rows of those that go on.
    [Theory, InlineData(4, false), InlineData(1, false), InlineData(1, true)]
    public void Alternatives_and_samples_that_end_early_leave_the_others_alone(int beams, bool samples)
    {
        using var backend = new CpuBackend();
        using Translator translator = Translator.Load(TestData.Find("ct2/aren-transliteration"), new TranslatorOptions(backend));
        DecodingOptions several = new()
        {
            BeamSize = beams, NumHypotheses = 8, ReturnAlternatives = !samples, SamplingTopK = samples ? 0 : 1,
            RepetitionPenalty = 1.5f, NoRepeatNgramSize = 2, DisableUnknown = true,
        };
        string[] words = ["محمد", "حأنوفةن", "غهزش", "نوح", "ابراهيم", "ك"];
        TranslationRequest[] requests = [.. words.SelectMany(word => new[]
        {
            new TranslationRequest(Letters(word)) { Options = several },
            new TranslationRequest(Letters(word)) { Options = new DecodingOptions { BeamSize = 3, NumHypotheses = 3 } },
        })];
        string[] alone = [.. requests.Select(request => Text(translator.Translate(request)))];
        Assert.Equal(alone, translator.TranslateBatch(requests, Cancellation).Select(Text));
    }

    // Hot enough, every token is as likely as another: of 600, most of those drawn are not among the 256 best.
    [Fact]
    public void Beams_that_sample_the_whole_vocabulary_draw_its_least_likely_tokens_too()
    {
        using ModelData data = RandomModel.Create(RandomModel.Config(32, 4, 64, 1, 600));
        using var backend = new CpuBackend();
        using Translator translator = Translator.Load(data, new TranslatorOptions(backend));
        var request = new TranslationRequest(["t5", "t6"]);
        DecodingOptions one = new() { MaxDecodingLength = 1, NumHypotheses = 256, ReturnAlternatives = true };
        HashSet<string> likely = [.. translator.Translate(request with { Options = one }).Hypotheses.Select(static h => h.Tokens[0])];
        Assert.Equal(256, likely.Count);
        DecodingOptions hot = new() { MaxDecodingLength = 1, NumHypotheses = 2, SamplingTopK = 0, SamplingTemperature = 1e4f };
        int others = Enumerable.Range(1, 20)
            .SelectMany(seed => translator.Translate(request with { Options = hot with { Seed = seed } }).Hypotheses)
            .Count(hypothesis => !likely.Contains(hypothesis.Tokens[0]));
        Assert.InRange(others, 10, 40);
    }

    [Fact]
    public void A_beam_as_wide_as_the_vocabulary_finds_at_least_what_greedy_finds()
    {
        foreach (TranslationRequest request in Requests(10))
        {
            DecodingOptions options = new() { BeamSize = 1, MaxDecodingLength = 4, LengthPenalty = 0 };
            float greedy = _translator.Translate(request with { Options = options }).Hypotheses[0].Score;
            float beam = _translator.Translate(request with { Options = options with { BeamSize = 50, Patience = 20 } }).Hypotheses[0].Score;
            Assert.True(beam >= greedy - 1e-4, $"beam {beam}, greedy {greedy}");
        }
    }

    [Fact]
    public async Task Disposing_ends_what_waits()
    {
        Translator translator = Translator.Load(_data, new TranslatorOptions(_backend));
        _translator.Dispose();                                               // one translator at a time uses a backend
        var forever = new DecodingOptions { MinDecodingLength = 100_000, MaxDecodingLength = 100_000 };
        Task<TranslationResult> endless = translator.TranslateAsync(Requests(1)[0] with { Options = forever }, Cancellation);
        translator.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => endless);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => translator.TranslateAsync(Requests(1)[0], Cancellation));
    }

    [Fact]
    public void A_wrong_compute_type_or_batch_size_is_refused()
    {
        Assert.Contains("int4", Assert.Throws<ArgumentException>(() =>
            Translator.Load(_data, new TranslatorOptions(_backend) { ComputeType = "int4" })).Message, StringComparison.Ordinal);
        Assert.Contains("batch size", Assert.Throws<ArgumentException>(() =>
            Translator.Load(_data, new TranslatorOptions(_backend) { BatchSize = 0 })).Message, StringComparison.Ordinal);
        Assert.Contains("tokenizer", Assert.Throws<ArgumentException>(() =>
            Translator.Load(_data, new TranslatorOptions(_backend) { Tokenizer = "syllable" })).Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _translator.Dispose();
        _data.Dispose();
        _backend.Dispose();
    }

    private static TranslationRequest[] Requests(int count)
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, count).Select(_ => new TranslationRequest(RandomModel.Sentence(random, random.Next(1, 30), 50))
        {
            Options = new DecodingOptions { BeamSize = 3, MaxDecodingLength = 30 },
        })];
    }

    private static async IAsyncEnumerable<TranslationRequest> Stream(TranslationRequest[] requests)
    {
        foreach (TranslationRequest request in requests)
        {
            await Task.Yield();
            yield return request;
        }
    }

    private static string[] Letters(string word) => [.. word.Select(static letter => letter.ToString())];

    private static string Text(TranslationResult result) =>
        string.Join(" | ", result.Hypotheses.Select(static h => $"{string.Join(' ', h.Tokens)} {h.Score:R}"));
}
