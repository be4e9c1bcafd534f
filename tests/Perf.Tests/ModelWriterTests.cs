// The harness's own models load and translate.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Perf.WholeModels;
using Engine.Tensors;
using Xunit;

namespace Engine.Perf.Tests;

public class ModelWriterTests
{
    private static readonly ModelShape Tiny =
        new("tiny", Width: 32, Hidden: 64, EncoderLayers: 2, DecoderLayers: 1, Heads: 4, Vocabulary: 60);

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.Int8)]
    public void A_written_model_loads_and_translates(DType type)
    {
        DirectoryInfo cache = Directory.CreateTempSubdirectory("perf-tests-");
        try
        {
            string directory = ModelWriter.Cached(cache.FullName, Tiny, type);
            byte[] bytes = File.ReadAllBytes(Path.Combine(directory, "model.bin"));
            Assert.Equal(directory, ModelWriter.Cached(cache.FullName, Tiny, type));
            ModelWriter.Write(Path.Combine(cache.FullName, "again"), Tiny, type);
            Assert.Equal(bytes, File.ReadAllBytes(Path.Combine(cache.FullName, "again", "model.bin")));

            using var backend = new CpuBackend(new BackendOptions { Threads = 1 });
            using Translator translator = Translator.Load(directory, new TranslatorOptions(backend)
            {
                Decoding = new DecodingOptions { MinDecodingLength = 7, MaxDecodingLength = 7 },
            });
            Assert.Equal(Tiny.Vocabulary, translator.Config.SourceVocabulary);
            TranslationRequest[] requests = ModelRun.Requests(translator, 2, 5);

            // The first words of the peer's generator: state = 1664525 · 1 + 1013904223, then 10 + (state >> 8) mod 40.
            Assert.Equal($"w{10 + ((1664525u + 1013904223u) >> 8) % 40}", requests[0].Source[0]);
            Assert.All(
                translator.TranslateBatch(requests, TestContext.Current.CancellationToken),
                static result => Assert.Equal(7, result.Hypotheses[0].Tokens.Count));
        }
        finally
        {
            cache.Delete(recursive: true);
        }
    }
}
