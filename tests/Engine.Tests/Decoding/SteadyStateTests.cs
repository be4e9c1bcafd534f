// A decoding step in steady state takes no memory, managed or native.
using Engine.Cpu;
using Engine.Cpu.Memory;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Xunit;

namespace Engine.Tests.Decoding;

[Collection("counts native memory")]
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
        var random = new Random(1);
        var sentences = new Sentence[5];
        for (int i = 0; i < sentences.Length; i++)
        {
            var request = new TranslationRequest(RandomModel.Sentence(random, 10 + i, 67)) { Options = options };
            sentences[i] = reader.Read(request, options, TestContext.Current.CancellationToken, out _)!;
        }

        var finished = new List<Sentence>();
        batch.Admit(sentences);
        for (int step = 0; step < 130; step++) batch.Step(finished);        // past the last growth of every buffer: 128 positions
        long native = NativeBuffer.Allocations;
        long managed = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < 100; step++) batch.Step(finished);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - managed);
        Assert.Equal(0, NativeBuffer.Allocations - native);
        Assert.Empty(finished);
    }
}
