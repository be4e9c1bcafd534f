// A decoding step in steady state takes no memory, managed or native.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Memory;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Xunit;

namespace Engine.Tests.Decoding;

[Collection("Native memory")]
public sealed class SteadyStateTests
{
    private static readonly DecodingOptions Long = new() { MinDecodingLength = 250, MaxDecodingLength = 250 };

    [Theory]
    [InlineData("prenorm", 1, "float32")]
    [InlineData("prenorm", 4, "float32")]
    [InlineData("prenorm", 4, "int8")]
    [InlineData("additive", 4, "bfloat16")]
    [InlineData("window", 2, "int16")]
    [InlineData("gated-rms", 1, "float16")]
    public void A_hundred_steps_take_no_memory(string shape, int beamSize, string type) =>
        AssertTakesNoMemory(shape, type, Long with { BeamSize = beamSize, RepetitionPenalty = 1.1f, NoRepeatNgramSize = 3 });

    [Theory]
    [InlineData(1, 10, 1f, 1)]
    [InlineData(1, 0, 0.9f, 1)]
    [InlineData(1, 0, 1f, 1)]
    [InlineData(1, 0, 1f, 3)]
    [InlineData(1, 10, 1f, 3)]
    [InlineData(3, 10, 0.9f, 1)]
    public void Nor_do_a_hundred_steps_that_sample(int beamSize, int topK, float topP, int hypotheses) =>
        AssertTakesNoMemory("paper", "float32", Long with
        {
            BeamSize = beamSize, SamplingTopK = topK, SamplingTopP = topP, NumHypotheses = hypotheses,
        });

    [Theory, InlineData(1), InlineData(4)]
    public void Nor_do_steps_that_the_backend_takes_alone(int beamSize)
    {
        var backend = new StepsBackend(new CpuBackend(), 2, fillsUp: true);
        AssertTakesNoMemory("paper", "float32", Long with { BeamSize = beamSize }, backend, steps: 50);
        Assert.True(backend.TakenAlone > 250, $"{backend.TakenAlone}");
    }

    private static void AssertTakesNoMemory(string shape, string type, DecodingOptions options) =>
        AssertTakesNoMemory(shape, type, options, new CpuBackend(), 100);

    private static void AssertTakesNoMemory(string shape, string type, DecodingOptions options, IBackend opened, int steps)
    {
        using IBackend backend = opened;
        using ModelData data = RandomModel.Create(ModelShapes.Config(shape));
        using var model = new Transformer(backend, data, ComputeType.Parse(type));
        using var batch = new ContinuousBatch(model);
        var reader = new RequestReader(data, model.Encoder.Limit, model.Decoder.Limit);
        var finished = new List<Sentence>();
        Admit(batch, reader, options);
        while (finished.Count < 5) batch.Step(finished);                     // every buffer has grown as far as it will
        finished.Clear();
        Admit(batch, reader, options);
        for (int step = 0; step < steps; step++) batch.Step(finished);
        long native = NativeBuffer.Allocations;
        long managed = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < steps; step++) batch.Step(finished);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - managed);
        Assert.Equal(0, NativeBuffer.Allocations - native);
        Assert.Empty(finished);
    }

    private static void Admit(ContinuousBatch batch, RequestReader reader, DecodingOptions options)
    {
        var random = new Random(1);
        var sentences = new Sentence[5];
        for (int i = 0; i < sentences.Length; i++)
        {
            var request = new TranslationRequest(RandomModel.Sentence(random, 10 + i, 50)) { Options = options };
            sentences[i] = reader.Read(request, options, TestContext.Current.CancellationToken, out _)!;
        }

        batch.Admit(sentences);
    }
}

/// <summary>The counters are the process': nothing else may run beside these tests.</summary>
[CollectionDefinition("Native memory", DisableParallelization = true)]
public sealed class NativeMemoryTests;
