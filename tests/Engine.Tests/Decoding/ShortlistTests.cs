// With a vocabulary map a sentence chooses from its own list, as if the others were not in the vocabulary, whoever is in the batch.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Memory;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Tensors;
using Engine.Text;
using Xunit;

namespace Engine.Tests.Decoding;

[Collection("Native memory")]
public sealed class ShortlistTests
{
    private const int Vocabulary = 211;

    private static readonly (string Name, DecodingOptions Options)[] Searches =
    [
        ("greedy", new() { UseVmap = true, MaxDecodingLength = 12 }),
        ("beam", new() { UseVmap = true, BeamSize = 4, NumHypotheses = 3, MaxDecodingLength = 12 }),
        ("wide beam", new() { UseVmap = true, BeamSize = 20, NumHypotheses = 20, MaxDecodingLength = 6 }),
        ("sample", new() { UseVmap = true, SamplingTopK = 0, Seed = 5, NumHypotheses = 2, MaxDecodingLength = 12 }),
        ("draws", new() { UseVmap = true, BeamSize = 1, SamplingTopK = 0, Seed = 8, NumHypotheses = 3, MaxDecodingLength = 12 }),
        ("top-k", new() { UseVmap = true, SamplingTopK = 5, Seed = 6, MaxDecodingLength = 12 }),
        ("alternatives", new() { UseVmap = true, BeamSize = 2, ReturnAlternatives = true, NumHypotheses = 4, MaxDecodingLength = 9 }),
        ("biased", new() { UseVmap = true, BeamSize = 3, PrefixBiasBeta = 0.4f, MaxDecodingLength = 9 }),
        ("rules", new()
        {
            UseVmap = true, BeamSize = 3, RepetitionPenalty = 1.3f, NoRepeatNgramSize = 2, DisableUnknown = true,
            MinDecodingLength = 4, SuppressSequences = [["t100"], ["t7", "t8"]], MaxDecodingLength = 12,
        }),
    ];

    public static TheoryData<string> Names => [.. Searches.Select(search => search.Name)];

    [Theory, MemberData(nameof(Names))]
    public void A_sentence_chooses_from_its_own_list_whoever_is_in_the_batch(string name)
    {
        DecodingOptions options = Searches.Single(search => search.Name == name).Options;
        foreach (DType? type in (DType?[])[null, DType.Int8])
        {
            using var backend = new CpuBackend();
            using ModelData data = Model();
            TranslationRequest[] requests = [.. Requests(options, withPrefix: name is "biased" or "alternatives")];
            TranslationResult[] alone = [.. requests.Select(request => Single(backend, data, type, request))];
            for (int i = 0; i < requests.Length; i++)
            {
                int[] list = data.VocabularyMap!.Candidates(
                    requests[i].Source, [1, .. (requests[i].TargetPrefix ?? []).Select(data.TargetVocabulary.Id)]);
                foreach (Hypothesis hypothesis in alone[i].Hypotheses)
                    Assert.All(hypothesis.Tokens, token => Assert.Contains(data.TargetVocabulary.Id(token), list));
            }

            // All with lists; then some without, and a batch so small that sentences enter as others leave.
            foreach ((int batchSize, bool mixed) in ((int, bool)[])[(16, false), (16, true), (2, false), (3, true)])
            {
                using Translator translator = Load(backend, data, type, batchSize);
                TranslationRequest[] all = [.. requests.Select((request, i) => mixed && i % 3 == 1
                    ? new TranslationRequest(request.Source) { Options = options with { UseVmap = false } }
                    : request)];
                IReadOnlyList<TranslationResult> together = translator.TranslateBatch(all, TestContext.Current.CancellationToken);
                for (int i = 0; i < all.Length; i++)
                {
                    if (!all[i].Options!.UseVmap) continue;
                    Assert.Equal(Texts(alone[i]), Texts(together[i]));
                    Assert.Equal(Bits(alone[i]), Bits(together[i]));
                }
            }
        }
    }

    [Fact]
    public void Answers_are_those_of_CTranslate2()
    {
        using var directory = new TemporaryDirectory();
        foreach (string file in Directory.GetFiles(TestData.Find("ct2/aren-v6-float32")))
            File.Copy(file, directory[Path.GetFileName(file)]);
        File.Copy(TestData.Find("ct2/aren-v6.vmap.txt"), directory["vmap.txt"]);
        using var backend = new CpuBackend();
        using Translator translator = Translator.Load(directory.Path, new TranslatorOptions(backend));
        IReadOnlyList<Case> cases = CaseFile.Read(TestData.Find("ct2/aren-v6.vmap.expected.json"));
        Assert.Equal(120, cases.Count);

        // One by one there and all together here: a list does not depend on the batch.
        IReadOnlyList<TranslationResult> results = translator.TranslateBatch(
            [.. cases.Select(item => item.Request)], TestContext.Current.CancellationToken);
        for (int i = 0; i < cases.Count; i++)
        {
            Assert.True(cases[i].Request.Options!.UseVmap);
            Assert.Equal(cases[i].Hypotheses.Select(tokens => string.Join(' ', tokens)), Texts(results[i]));
            for (int h = 0; h < results[i].Hypotheses.Count; h++)
                Assert.Equal(cases[i].Scores[h], results[i].Hypotheses[h].Score, 1e-4f);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_list_is_as_a_model_whose_other_tokens_cannot_be(bool withRules)
    {
        using ModelData data = Model();
        var request = new TranslationRequest(RandomModel.Sentence(new Random(3), 7, Vocabulary))
        {
            Options = new DecodingOptions
            {
                UseVmap = true, BeamSize = 4, NumHypotheses = 4, MaxDecodingLength = 12,
                DisableUnknown = withRules, RepetitionPenalty = withRules ? 1.2f : 1, NoRepeatNgramSize = withRules ? 3 : 0,
                MinDecodingLength = withRules ? 5 : 1,
            },
        };
        var list = new HashSet<int>(data.VocabularyMap!.Candidates(request.Source, [1]));
        using ModelData impossible = Model(bias => { for (int i = 0; i < bias.Length; i++) if (!list.Contains(i)) bias[i] = -1e9f; });
        using var backend = new CpuBackend();
        TranslationResult found = Single(backend, data, null, request);
        TranslationResult expected = Single(
            backend, impossible, null, new TranslationRequest(request.Source) { Options = request.Options with { UseVmap = false } });
        Assert.Equal(Texts(expected), Texts(found));
        for (int i = 0; i < 4; i++) Assert.Equal(expected.Hypotheses[i].Score, found.Hypotheses[i].Score, 1e-5f);
    }

    [Fact]
    public void Without_a_map_the_option_changes_nothing()
    {
        using ModelData data = RandomModel.Create(Config());
        using var backend = new CpuBackend();
        var request = new TranslationRequest(RandomModel.Sentence(new Random(3), 7, Vocabulary));
        Assert.Equal(
            Bits(Single(backend, data, null, request)),
            Bits(Single(backend, data, null, new TranslationRequest(request.Source) { Options = new() { UseVmap = true } })));
    }

    [Fact]
    public void Steps_with_shortlists_take_no_memory_and_leave_none()
    {
        using var backend = new CpuBackend();
        using ModelData data = Model();
        using var model = new Transformer(backend, data);
        long before = NativeBuffer.LiveBytes;
        var options = new DecodingOptions { UseVmap = true, BeamSize = 3, MinDecodingLength = 250, MaxDecodingLength = 250 };
        var reader = new RequestReader(data, model.Encoder.Limit, model.Decoder.Limit);
        var finished = new List<Sentence>();
        using (var batch = new ContinuousBatch(model))
        {
            for (int round = 0; round < 2; round++)
            {
                finished.Clear();
                batch.Admit([.. Requests(options, withPrefix: false).Select(
                    request => reader.Read(request, options, TestContext.Current.CancellationToken, out _)!)]);
                if (round == 0) while (batch.Count > 0) batch.Step(finished);
            }

            for (int step = 0; step < 50; step++) batch.Step(finished);
            long native = NativeBuffer.Allocations, managed = GC.GetAllocatedBytesForCurrentThread();
            for (int step = 0; step < 100; step++) batch.Step(finished);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - managed);
            Assert.Equal(0, NativeBuffer.Allocations - native);
        }

        backend.BeginFrame();
        backend.EndFrame();
        Assert.InRange(NativeBuffer.LiveBytes - before, 0, 8 << 20);   // the arena stays
    }

    private static TransformerConfig Config() => RandomModel.Config(
        32, 4, 64, 2, Vocabulary, static stack => stack with { PreNorm = true, FinalNorm = true });

    // Every source token brings five target tokens, some pairs two more; three are always there.
    private static ModelData Model(Action<float[]>? changeBias = null)
    {
        ModelData data = RandomModel.Create(Config());
        var tensors = new Dictionary<string, HostTensor>(data.Tensors);
        float[] bias = tensors["output.bias"].ReadFloats();
        changeBias?.Invoke(bias);
        tensors["output.bias"] = HostTensor.FromValues("output.bias", new Shape(1, bias.Length), bias);
        var random = new Random(7);
        var rules = new List<KeyValuePair<string, int[]>> { new("", [3, 50, 200]) };
        for (int token = 3; token < Vocabulary; token++)
        {
            rules.Add(new($"t{token}", [.. Enumerable.Range(0, 5).Select(_ => random.Next(Vocabulary))]));
            rules.Add(new($"t{token} t{random.Next(3, Vocabulary)}", [random.Next(Vocabulary), random.Next(Vocabulary)]));
        }

        return data.With(tensors, vocabularyMap: new VocabularyMap(rules, [0, 1, 2]));
    }

    private static IEnumerable<TranslationRequest> Requests(DecodingOptions options, bool withPrefix)
    {
        var random = new Random(11);
        for (int i = 0; i < 7; i++)
        {
            yield return new TranslationRequest(RandomModel.Sentence(random, 2 + i, Vocabulary))
            {
                Options = options,
                TargetPrefix = withPrefix ? [$"t{20 + i}", $"t{120 + i}"] : null,
            };
        }
    }

    private static Translator Load(IBackend backend, ModelData data, DType? type, int batchSize) => Translator.Load(
        data, new TranslatorOptions(backend) { BatchSize = batchSize, ComputeType = type == DType.Int8 ? "int8" : "default" });

    private static TranslationResult Single(IBackend backend, ModelData data, DType? type, TranslationRequest request)
    {
        using Translator translator = Load(backend, data, type, 1);
        return translator.Translate(request);
    }

    private static string[] Texts(TranslationResult result) =>
        [.. result.Hypotheses.Select(hypothesis => string.Join(' ', hypothesis.Tokens))];

    private static int[] Bits(TranslationResult result) =>
        [.. result.Hypotheses.Select(hypothesis => BitConverter.SingleToInt32Bits(hypothesis.Score))];
}
