// The numerics contract, end to end: the same sentence gives the same bits whatever is around it and whatever computes it.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Simd;
using Engine.Decoding;
using Engine.Formats;
using Engine.Reference;
using Xunit;

namespace Engine.Tests.Decoding;

public sealed class BitEqualityTests
{
    private static readonly DecodingOptions Beam = new()
    {
        BeamSize = 4, NumHypotheses = 4, MaxDecodingLength = 40, ReturnTokenScores = true, ReturnAttention = true,
    };

    public static TheoryData<string> Shapes => [.. ModelShapes.Names];

    public static TheoryData<string, string> ShapesAndTypes
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string shape in ModelShapes.Names) data.Add(shape, "float32");
            foreach (string type in new[] { "int8", "int16", "bfloat16", "float16" }) data.Add("prenorm", type);
            return data;
        }
    }

    [Theory, MemberData(nameof(ShapesAndTypes))]
    public void A_sentence_gives_the_same_bits_alone_and_among_63_others(string shape, string type)
    {
        string[][] sentences = Sentences(shape, 64);
        string[] together = Run(shape, type, new CpuBackend(), sentences, batchSize: 64);
        string[] alone = Run(shape, type, new CpuBackend(), sentences, batchSize: 1);
        string[] some = Run(shape, type, new CpuBackend(), sentences, batchSize: 7);
        Assert.Equal(alone, together);
        Assert.Equal(alone, some);
    }

    [Theory, MemberData(nameof(ShapesAndTypes))]
    public void Threads_do_not_show_in_the_bits(string shape, string type)
    {
        string[][] sentences = Sentences(shape, 24);
        string[] one = Run(shape, type, new CpuBackend(new BackendOptions { Threads = 1 }), sentences, batchSize: 24);
        foreach (int threads in new[] { 2, 8 })
            Assert.Equal(one, Run(shape, type, new CpuBackend(new BackendOptions { Threads = threads }), sentences, batchSize: 24));
    }

    [Theory, MemberData(nameof(ShapesAndTypes))]
    public void Instruction_sets_do_not_show_in_the_bits(string shape, string type)
    {
        string[][] sentences = Sentences(shape, 12);
        string[] best = Run(shape, type, new CpuBackend(), sentences, batchSize: 12);
        foreach (Rung rung in Enum.GetValues<Rung>())                 // what the processor lacks, the runtime does in software
            Assert.Equal(best, Run(shape, type, new CpuBackend(rung, threads: 2), sentences, batchSize: 12));
    }

    [Theory, MemberData(nameof(Shapes))]
    public async Task Step_by_step_gives_the_same_bits_as_one_pass(string shape)
    {
        using var backend = new CpuBackend();
        using ModelData data = RandomModel.Create(ModelShapes.Config(shape));
        using Translator translator = Translator.Load(data, new TranslatorOptions(backend));
        var greedy = new DecodingOptions { BeamSize = 1, MaxDecodingLength = 40, MinDecodingLength = 0, ReturnTokenScores = true, ReturnEndToken = true };
        foreach (string[] sentence in Sentences(shape, 16))
        {
            Hypothesis found = translator.Translate(new TranslationRequest(sentence) { Options = greedy }).Hypotheses[0];
            bool ended = found.Tokens[^1] == "</s>";
            string[] target = [.. found.Tokens.Take(found.Tokens.Count - (ended ? 1 : 0))];
            ScoreResult scored = await translator.ScoreAsync(
                new ScoreRequest(sentence, target), TestContext.Current.CancellationToken);
            Assert.Equal(
                found.TokenScores!.Select(BitConverter.SingleToInt32Bits),
                scored.TokenScores.Take(found.Tokens.Count).Select(BitConverter.SingleToInt32Bits));
        }
    }

    private static string[][] Sentences(string shape, int count)
    {
        var random = new Random(7);
        int vocabulary = ModelShapes.Config(shape).SourceVocabulary;
        return [.. Enumerable.Range(0, count).Select(_ => RandomModel.Sentence(random, random.Next(1, 50), vocabulary))];
    }

    // Tokens, and every float as its bits.
    private static string[] Run(string shape, string type, IBackend backend, string[][] sentences, int batchSize)
    {
        using (backend)
        {
            using ModelData data = RandomModel.Create(ModelShapes.Config(shape));
            using Translator translator = Translator.Load(
                data, new TranslatorOptions(backend) { BatchSize = batchSize, ComputeType = type, Decoding = Beam });
            IReadOnlyList<TranslationResult> results = translator.TranslateBatch(
                [.. sentences.Select(static s => new TranslationRequest(s))], TestContext.Current.CancellationToken);
            return [.. results.Select(static result => string.Join('\n', result.Hypotheses.Select(Bits)))];
        }
    }

    private static string Bits(Hypothesis hypothesis)
    {
        IEnumerable<float> numbers = [hypothesis.Score, .. hypothesis.TokenScores!, .. hypothesis.Attention!.SelectMany(static row => row)];
        return $"{string.Join(' ', hypothesis.Tokens)}: {string.Join(' ', numbers.Select(static n => BitConverter.SingleToInt32Bits(n).ToString("x8")))}";
    }
}
