// Several translators behind one door: the same answers, shared out by work, one copy of the weights where the memory is one.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Xunit;

namespace Engine.Tests.Decoding;

public sealed class TranslatorPoolTests : IDisposable
{
    private const int Vocabulary = 50;

    private readonly ScarceBackend[] _backends = [.. Enumerable.Range(0, 3).Select(
        static _ => new ScarceBackend(new CpuBackend(new BackendOptions { Threads = 1 })))];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Shapes => [.. ModelShapes.Names];

    [Theory, MemberData(nameof(Shapes))]
    public void Every_translator_gives_the_answers_of_one(string shape)
    {
        using ModelData data = RandomModel.Create(ModelShapes.Config(shape));
        TranslationRequest[] requests = Requests(30);
        string[] expected;
        using (Translator one = Translator.Load(data, new TranslatorOptions(_backends[0]))) expected = Translate(one, requests);
        using TranslatorPool pool = Load(data);
        Assert.Equal(3, pool.Count);
        foreach (ScarceBackend backend in _backends) backend.Restart();
        Assert.Equal(expected, Translate(pool, requests));
        Assert.All(_backends, static backend => Assert.True(backend.Requests > 0));
    }

    [Fact]
    public async Task Text_scores_and_streams_are_those_of_one()
    {
        using ModelData data = RandomModel.Create(ModelShapes.Config("paper"));
        TranslationRequest[] requests = Requests(20);
        using Translator one = Translator.Load(data, new TranslatorOptions(_backends[0]));
        string[] expected = Translate(one, requests);
        string text = one.Translate("t3 t4 t5");
        ScoreResult score = await one.ScoreAsync(new ScoreRequest(["t3"], ["t4", "t5"]), Cancellation);
        one.Dispose();
        using TranslatorPool pool = Load(data);
        Assert.Equal(text, pool.Translate("t3 t4 t5"));
        Assert.Equal(score.TokenScores, (await pool.ScoreAsync(new ScoreRequest(["t3"], ["t4", "t5"]), Cancellation)).TokenScores);
        var found = new List<string>();
        await foreach ((long index, TranslationResult result) in pool.TranslateStreamAsync(requests.ToAsyncEnumerable(), cancellation: Cancellation))
        {
            Assert.Equal(found.Count, index);
            found.Add(Text(result));
        }

        Assert.Equal(expected, found);
    }

    [Theory, InlineData("paper"), InlineData("learned")]
    public void Weights_are_held_once_where_the_memory_is_one(string shape)
    {
        using ModelData data = RandomModel.Create(ModelShapes.Config(shape));
        using var first = new CpuBackend(new BackendOptions { Threads = 1 });
        using var second = new CpuBackend(new BackendOptions { Threads = 1 });
        using var owner = new Transformer(first, data);
        using (var sharer = new Transformer(second, owner))
        {
            Assert.True(owner.WeightBytes > 0);
            Assert.Equal(0, sharer.WeightBytes);
        }

        using Translator translator = Translator.Over(owner, data, new TranslatorOptions(first), Engine.Text.Tokenizer.Open("space", ""));
        Assert.NotEmpty(translator.Translate(Requests(1)[0]).Hypotheses);   // the sharer has freed nothing of it
    }

    [Fact]
    public void Weights_of_another_memory_are_refused()
    {
        using ModelData data = RandomModel.Create(ModelShapes.Config("paper"));
        using var reference = new ReferenceBackend();
        using var owner = new Transformer(_backends[0], data);
        var failure = Assert.Throws<ArgumentException>(() => new Transformer(reference, owner));
        Assert.StartsWith("reference, double precision is not on the device of cpu, ", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_device_that_is_lost_is_asked_no_more_while_there_are_others()
    {
        using ModelData data = RandomModel.Create(ModelShapes.Config("paper"));
        TranslationRequest[] requests = Requests(12);
        string[] expected;
        using (Translator one = Translator.Load(data, new TranslatorOptions(_backends[0]))) expected = Translate(one, requests);
        using TranslatorPool pool = Load(data);
        var fault = new InvalidOperationException("The device is lost.");
        _backends[0].Fault = fault;
        Assert.Same(fault, await Assert.ThrowsAsync<InvalidOperationException>(() => pool.TranslateAsync(requests[0], Cancellation)));
        for (int turn = 0; turn < 2; turn++) Assert.Equal(expected, Translate(pool, requests));
        foreach (ScarceBackend backend in _backends) backend.Fault = fault;
        await Assert.ThrowsAsync<InvalidOperationException>(() => pool.TranslateAsync(requests[0], Cancellation));
    }

    [Fact]
    public async Task A_wrong_request_is_not_the_fault_of_a_device()
    {
        using ModelData data = RandomModel.Create(ModelShapes.Config("paper"));
        using TranslatorPool pool = Load(data);
        await Assert.ThrowsAsync<ArgumentException>(
            () => pool.TranslateAsync(Requests(1)[0] with { Options = new DecodingOptions { BeamSize = 0 } }, Cancellation));
        _backends[0].Restart();
        await pool.TranslateAsync(Requests(1)[0], Cancellation);
        Assert.True(_backends[0].Requests > 0);
        pool.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => pool.TranslateAsync(Requests(1)[0], Cancellation));
    }

    [Fact]
    public void What_cannot_be_loaded_leaves_nothing()
    {
        using ModelData data = RandomModel.Create(ModelShapes.Config("paper"));
        var options = new TranslatorOptions(_backends[0]);
        Assert.Throws<ArgumentException>(() => TranslatorPool.Load(data, options, _backends[1], _backends[0]));
        Assert.Throws<ArgumentException>(() => TranslatorPool.Load(data, options with { BatchSize = 0 }, _backends[1]));
        _backends[2].RefusedRequest = 2;   // the second of its two tables of positions
        Assert.Throws<OutOfMemoryException>(() => TranslatorPool.Load(data, options, _backends[1], _backends[2]));
        Assert.All(_backends, static backend => Assert.Equal(0, backend.Held));
    }

    public void Dispose()
    {
        foreach (ScarceBackend backend in _backends) backend.Dispose();
    }

    private TranslatorPool Load(ModelData data) =>
        TranslatorPool.Load(data, new TranslatorOptions(_backends[0]) { BatchSize = 4 }, _backends[1], _backends[2]);

    private static TranslationRequest[] Requests(int count)
    {
        var random = new Random(5);
        return [.. Enumerable.Range(0, count).Select(i => new TranslationRequest(RandomModel.Sentence(random, random.Next(1, 20), Vocabulary))
        {
            Options = new DecodingOptions { BeamSize = 1 + (i % 3), MaxDecodingLength = 15 },
        })];
    }

    private static string[] Translate(ITranslator translator, TranslationRequest[] requests) =>
        [.. translator.TranslateBatch(requests, Cancellation).Select(Text)];

    private static string Text(TranslationResult result) =>
        string.Join(" | ", result.Hypotheses.Select(static h => $"{string.Join(' ', h.Tokens)} {h.Score:R}"));
}
