// A decoding step in steady state takes no memory, managed or native.
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
    [Theory]
    [InlineData(1, "float32")]
    [InlineData(4, "float32")]
    [InlineData(4, "int8")]
    public void A_hundred_steps_take_no_memory(int beamSize, string type)
    {
        using var backend = new CpuBackend();
        using ModelData data = RandomModel.Create(ModelShapes.Config("prenorm"));
        using var model = new Transformer(backend, data, type == "int8" ? Tensors.DType.Int8 : null);
        using var batch = new ContinuousBatch(model);
        var options = new DecodingOptions { BeamSize = beamSize, MinDecodingLength = 250, MaxDecodingLength = 250, RepetitionPenalty = 1.1f };
        var reader = new RequestReader(data, model.Encoder.Limit, model.Decoder.Limit);
        var finished = new List<Sentence>();
        Admit(batch, reader, options);
        while (finished.Count < 5) batch.Step(finished);                     // every buffer has grown as far as it will
        finished.Clear();
        Admit(batch, reader, options);
        for (int step = 0; step < 100; step++) batch.Step(finished);
        long native = NativeBuffer.Allocations;
        long managed = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < 100; step++) batch.Step(finished);
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
            var request = new TranslationRequest(RandomModel.Sentence(random, 10 + i, 67)) { Options = options };
            sentences[i] = reader.Read(request, options, TestContext.Current.CancellationToken, out _)!;
        }

        batch.Admit(sentences);
    }
}

/// <summary>The counters are the process': nothing else may run beside these tests.</summary>
[CollectionDefinition("Native memory", DisableParallelization = true)]
public sealed class NativeMemoryTests;
