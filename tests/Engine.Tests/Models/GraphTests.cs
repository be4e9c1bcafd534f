// The graph, for configurations drawn at random from all that a model file can say: against plain double precision, written to
// a file and read again, as a pass and step by step, with the two stacks as different as they may be.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Engine.Tests.Models;

public sealed class GraphTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("graph-");

    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 60)];

    [Theory, MemberData(nameof(Seeds))]
    public void Any_configuration_gives_the_logits_of_plain_double_precision(int seed)
    {
        using ModelData data = Draw(seed);
        var random = new Random(seed);
        int[] sourceLengths = [random.Next(1, 30), 0, 1, random.Next(1, 12)];
        int[] targetLengths = [random.Next(1, 12), 2, 1, random.Next(1, 20)];
        int[][] sources = [.. sourceLengths.Select(n => Ids(random, n, data.Config.SourceVocabulary))];
        int[][] targets = [.. targetLengths.Select(n => Ids(random, n, data.Config.TargetVocabulary))];

        using var backend = new CpuBackend();
        using var model = new Transformer(backend, data);
        backend.BeginFrame();
        Ragged sourceBatch = Ragged.Create(backend, sourceLengths), targetBatch = Ragged.Create(backend, targetLengths);
        Tensor memory = model.Encoder.Forward(backend, Put(backend, sources), Places(backend, sources), sourceBatch);
        Tensor logits = model.Decoder.Forward(
            backend, Put(backend, targets), Places(backend, targets), targetBatch, memory, sourceBatch);
        var found = new float[logits.Shape.Count];
        backend.Read(logits, found);
        backend.EndFrame();

        // Some thirty operators in a row, each of numbers near 1 and within γ(100) = 6e-6 of them; a norm and a softmax may
        // make of it a few times as much. A graph that is wired wrong is wrong by tenths.
        var plain = new PlainTransformer(data);
        double[] expected = [.. sources.Zip(targets).SelectMany(pair => plain.Logits(pair.First, pair.Second)).SelectMany(static row => row)];
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < found.Length; i++) Assert.InRange(found[i], expected[i] - 5e-4, expected[i] + 5e-4);
    }

    [Theory, MemberData(nameof(Seeds))]
    public async Task Any_configuration_gives_the_same_bits_from_a_file_in_a_batch_and_step_by_step(int seed)
    {
        using ModelData made = Draw(seed);
        ModelWriter.Write(made, _directory.FullName, cancellation: TestContext.Current.CancellationToken);
        using var backend = new CpuBackend(new BackendOptions { Threads = 1 + (seed % 3) });
        using Translator translator = Translator.Load(_directory.FullName, new TranslatorOptions(backend));
        Assert.Equal(made.Config, translator.Config);

        var random = new Random(seed);
        var options = new DecodingOptions
        {
            BeamSize = 1, MinDecodingLength = 0, MaxDecodingLength = 45, ReturnTokenScores = true, ReturnEndToken = true,
        };
        TranslationRequest[] requests =
        [
            .. Enumerable.Range(0, 5).Select(_ => new TranslationRequest(
                RandomModel.Sentence(random, random.Next(1, 40), made.Config.SourceVocabulary)) { Options = options }),
        ];
        IReadOnlyList<TranslationResult> together = translator.TranslateBatch(requests, TestContext.Current.CancellationToken);
        for (int i = 0; i < requests.Length; i++)
        {
            Hypothesis one = together[i].Hypotheses[0];
            ScoreResult pass = await translator.ScoreAsync(
                new ScoreRequest(requests[i].Source, [.. one.Tokens.Where(static token => token != "</s>")]), TestContext.Current.CancellationToken);
            Assert.Equal(Bits(one.TokenScores!), Bits(pass.TokenScores.Take(one.Tokens.Count)));
            Assert.Equal(Bits(one.TokenScores!), Bits(translator.Translate(requests[i]).Hypotheses[0].TokenScores!));
        }
    }

    public void Dispose() => _directory.Delete(recursive: true);

    private static ModelData Draw(int seed)
    {
        var random = new Random(1000 + seed);
        int modelDim = 2 * random.Next(2, 20);
        TransformerConfig config = RandomModel.Config(modelDim, 1, 8, 1, random.Next(10, 60)) with
        {
            Encoder = Stack(random, isEncoder: true), Decoder = Stack(random, isEncoder: false), AlignmentHeads = 0,
        };
        bool sharesSource = random.Next(2) == 0;
        if (!sharesSource) config = config with { TargetVocabulary = random.Next(10, 60) };
        using ModelData all = RandomModel.Create(config, seed);
        var tensors = new Dictionary<string, HostTensor>(all.Tensors);
        if (sharesSource && random.Next(2) == 0) tensors["decoder.embedding.weight"] = tensors["encoder.embedding.weight"];
        if (sharesSource && random.Next(3) == 0) tensors["output.weight"] = tensors["encoder.embedding.weight"];
        else if (random.Next(2) == 0) tensors["output.weight"] = tensors["decoder.embedding.weight"];
        foreach (string name in all.Tensors.Keys.Where(static name => name.EndsWith(".bias", StringComparison.Ordinal)))
        {
            if (random.Next(4) == 0) tensors.Remove(name);                 // also of one of query, key and value only
        }

        return all.With(tensors);
    }

    private static StackConfig Stack(Random random, bool isEncoder)
    {
        bool Flip() => random.Next(2) == 0;
        int hidden = random.Next(6) == 0 ? 0 : random.Next(1, 40);
        int? Window() => Flip() ? random.Next(0, 8) : null;
        return new StackConfig
        {
            Layers = random.Next(1, 3),
            HiddenDim = hidden,
            Mixing = new MixingConfig
            {
                Kind = Flip() ? MixingKind.Attention : random.GetItems(Enum.GetValues<MixingKind>(), 1)[0],
                Kernel = random.Next(1, 6),
                Dilation = random.Next(1, 4),
            },
            Attention = new AttentionConfig
            {
                Kind = random.Next(3) == 0 ? AttentionKind.Additive : AttentionKind.DotProduct,
                Heads = random.Next(1, 4),
                HeadDim = random.GetItems([1, 3, 5, 8, 16, 17, 33], 1)[0],
                Scale = random.Next(3) == 0 ? 1 : null,
                WindowLeft = Window(),
                WindowRight = Window(),
                Group = isEncoder && random.Next(4) == 0 ? random.Next(1, 9) : null,
            },
            Activation = random.GetItems(Enum.GetValues<Activation>(), 1)[0],
            Gated = hidden > 0 && Flip(),
            PreNorm = Flip(),
            FinalNorm = Flip(),
            EmbeddingNorm = Flip(),
            RmsNorm = Flip(),
            NormEpsilon = Flip() ? 1e-5f : 1e-3f,
            EmbeddingScale = Flip() ? null : 1.5f,
            Positions = new PositionConfig
            {
                Kind = random.GetItems(Enum.GetValues<PositionKind>(), 1)[0],
                Interleaved = Flip(),
                Start = random.Next(3),
                ReachesLongest = Flip(),
            },
        };
    }

    private static int[] Ids(Random random, int count, int vocabulary) =>
        [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabulary))];

    private static Tensor Put(CpuBackend backend, int[][] ids) => Put(backend, [.. ids.SelectMany(static row => row)]);

    private static Tensor Places(CpuBackend backend, int[][] ids) =>
        Put(backend, [.. ids.SelectMany(static row => Enumerable.Range(0, row.Length))]);

    private static Tensor Put(CpuBackend backend, int[] values)
    {
        Tensor tensor = backend.Rent(new Shape(1, values.Length), DType.Int32);
        backend.Write(tensor, values);
        return tensor;
    }

    private static IEnumerable<int> Bits(IEnumerable<float> values) => values.Select(BitConverter.SingleToInt32Bits);
}
