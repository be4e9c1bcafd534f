// Steps of the decoder that come again are replayed as graphs: with the same results, one copy in, one copy out and one wait each.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cuda;
using Engine.Decoding;
using Engine.Formats;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

[Collection(StandIn.Alone)]
public sealed class StepGraphTests
{
    private const int Length = 20;

    private static readonly DecodingOptions Greedy = new() { MinDecodingLength = Length, MaxDecodingLength = Length };

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 1)]
    [InlineData(1, 3)]
    [InlineData(4, 4)]
    public void Sentences_have_the_results_of_the_CPU(int sentences, int beamSize)
    {
        DecodingOptions options = Greedy with { BeamSize = beamSize, NumHypotheses = beamSize };
        using ModelData data = RandomModel.Create(RandomModel.Config(32, 4, 64, layers: 2, vocabulary: 60));
        using CudaBackend cuda = Device.Open(usesOwnProducts: true);
        using var cpu = new CpuBackend(new BackendOptions { Threads = 1 });
        IReadOnlyList<TranslationResult> expected = Translate(cpu, data, sentences, options);
        for (int turn = 0; turn < 3; turn++)
        {
            IReadOnlyList<TranslationResult> found = Translate(cuda, data, sentences, options);
            for (int s = 0; s < sentences; s++)
            {
                Assert.Equal(
                    expected[s].Hypotheses.Select(static h => (string.Join(' ', h.Tokens), h.Score)),
                    found[s].Hypotheses.Select(static h => (string.Join(' ', h.Tokens), h.Score)));
            }
        }

        Assert.InRange(cuda.Context.Stream.Graphs, 1, 8);
    }

    /// <summary>A step where the host is needed; where it is not, four steps.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(4, false)]
    [InlineData(1, true)]
    [InlineData(4, true)]
    public void A_step_is_one_copy_in_one_copy_out_and_one_wait(int beamSize, bool isAlone)
    {
        StandIn.IsNeeded();
        using ModelData data = RandomModel.Create(RandomModel.Config(32, 4, 64, layers: 2, vocabulary: 60));
        using CudaBackend backend = Device.Open(usesOwnProducts: false);
        using Translator translator = Translator.Load(data, new TranslatorOptions(backend));
        string[] source = RandomModel.Sentence(new Random(1), 10, 60);
        (long Copies, long Waits) Cost(int length)
        {
            (long copies, long waits) = (StandIn.Count("copies"), StandIn.Count("waits"));
            TranslationResult result = translator.Translate(new TranslationRequest(source)
            {
                Options = new DecodingOptions
                {
                    BeamSize = beamSize, MaxDecodingLength = length, MinDecodingLength = 0,
                    SuppressSequences = isAlone ? null : [["t57", "t58", "t59"]],     // the host looks back for what it may follow
                },
            });
            Assert.Equal(length, result.Hypotheses[0].Tokens.Count);    // this model does not end by itself, so nothing is forbidden to it
            return (StandIn.Count("copies") - copies, StandIn.Count("waits") - waits);
        }

        Cost(30);
        Cost(30);
        (long copiesOfShort, long waitsOfShort) = Cost(20);
        (long copiesOfLong, long waitsOfLong) = Cost(40);
        Assert.Equal(isAlone ? 5 : 20, waitsOfLong - waitsOfShort);
        Assert.Equal(2 * (isAlone ? 5 : 20), copiesOfLong - copiesOfShort);
    }

    [Theory]
    [InlineData("default", 1)]
    [InlineData("default", 4)]
    [InlineData("bfloat16", 4)]
    [InlineData("int8", 1)]
    public void A_decoder_layer_is_eight_launches_for_a_few_rows(string type, int beamSize)
    {
        StandIn.IsNeeded();
        long LaunchesOfTenSteps(int layers)
        {
            using ModelData data = RandomModel.Create(RandomModel.Config(32, 4, 64, layers, vocabulary: 60));
            using CudaBackend backend = Device.Open(usesOwnProducts: false);
            using Translator translator = Translator.Load(data, new TranslatorOptions(backend) { ComputeType = type });
            string[] source = RandomModel.Sentence(new Random(1), 10, 60);
            long Cost(int length)
            {
                long launches = StandIn.Count("launches") + StandIn.Count("products");
                DecodingOptions options = Greedy with { BeamSize = beamSize, MinDecodingLength = length, MaxDecodingLength = length };
                translator.Translate(new TranslationRequest(source) { Options = options });
                return StandIn.Count("launches") + StandIn.Count("products") - launches;
            }

            Cost(25);
            Cost(25);
            Cost(15);
            long costOfShort = Cost(15);
            return Cost(25) - costOfShort;
        }

        Assert.Equal(8 * 10, LaunchesOfTenSteps(3) - LaunchesOfTenSteps(2));
    }

    [Fact]
    public void Work_that_comes_again_is_a_graph_and_other_work_is_not()
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: true);
        float[] first = Square(backend, 3, 7);
        Assert.Equal(0, backend.Context.Stream.Graphs);
        Assert.Equal(first, Square(backend, 3, 7));
        Assert.Equal(1, backend.Context.Stream.Graphs);
        Assert.Equal(first, Square(backend, 3, 7));
        float[] others = Square(backend, 3, 8);
        Assert.Equal([.. Numbers(24).Select(static number => number * number)], others);
        Assert.Equal(1, backend.Context.Stream.Graphs);
    }

    [Fact]
    public void The_graphs_that_were_not_used_for_longest_are_given_up()
    {
        using CudaBackend backend = Device.Open(usesOwnProducts: true);
        for (int columns = 1; columns <= 70; columns++)
        {
            Square(backend, 1, columns);
            Square(backend, 1, columns);
        }

        Assert.Equal(64, backend.Context.Stream.Graphs);
        Assert.Equal([.. Numbers(1).Select(static number => number * number)], Square(backend, 1, 1));
        Assert.Equal(63, backend.Context.Stream.Graphs);
    }

    private static float[] Square(CudaBackend backend, int rows, int columns)
    {
        backend.BeginFrame(repeats: true);
        Tensor x = backend.Rent(new Shape(rows, columns), DType.Float32);
        backend.Write(x, Numbers(rows * columns));
        var found = new float[rows * columns];
        backend.Read(backend.Multiply(x, x), found);
        backend.EndFrame();
        return found;
    }

    private static float[] Numbers(int count) => [.. Enumerable.Range(1, count).Select(static number => (float)number)];

    private static IReadOnlyList<TranslationResult> Translate(
        IBackend backend, ModelData data, int sentences, DecodingOptions options)
    {
        using Translator translator = Translator.Load(data, new TranslatorOptions(backend) { Decoding = options });
        var random = new Random(1);
        return translator.TranslateBatch(
            [.. Enumerable.Range(0, sentences).Select(s => new TranslationRequest(RandomModel.Sentence(random, 5 + (3 * s), 60)))]);
    }
}
