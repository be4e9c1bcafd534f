// Whole translations on a transformer-base (Vaswani et al. 2017, table 3) with random weights: 24 tokens in, 24 out.
using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Formats;
using Engine.Models;
using Engine.Reference;
using Engine.Tensors;

namespace Engine.Perf.Models;

/// <summary>Translations that are asked for at once.</summary>
public sealed record TranslationWork(int Sentences, int Beam, DType Weights) : IWork
{
    public const int Length = 24;
    public const int Layers = 6;
    public const int Width = 512;
    public const int Hidden = 2048;
    public const int Vocabulary = 32000;

    // Weights that each token meets. The memory's keys and values are the decoder's, but computed once a source token.
    private const double EncoderWeights = Layers * ((4.0 * Width * Width) + (2.0 * Width * Hidden));
    private const double MemoryWeights = Layers * 2.0 * Width * Width;
    private const double DecoderWeights =
        (Layers * ((6.0 * Width * Width) + (2.0 * Width * Hidden))) + ((double)Width * Vocabulary);

    public int Threads => Environment.ProcessorCount;

    public int Tokens => Sentences * Length;

    // Attention itself is left out: at this length it is less than a hundredth.
    public double Operations(string variant) =>
        2.0 * Sentences * Length * (EncoderWeights + MemoryWeights + (Beam * DecoderWeights));

    // Every step reads all weights of the decoder.
    public double Bytes(string variant) =>
        Weights.Bytes() * (EncoderWeights + MemoryWeights + (Length * DecoderWeights));

    public bool IsInteger(string variant) => !Weights.IsFloat();

    public override string ToString() => $"{Sentences} x {Length} tokens, beam {Beam}, {Weights.Word()}";
}

[SuppressMessage("Design", "CA1001", Justification = "BenchmarkDotNet calls Cleanup.")]
public class TransformerBaseBench
{
    private CpuBackend _backend = null!;
    private Translator _translator = null!;
    private TranslationRequest[] _requests = [];

    public static IEnumerable<TranslationWork> Shapes =>
        from weights in (DType[])[DType.Float32, DType.Int8]
        from sentences in (int[])[1, 32]
        from beam in (int[])[1, 4]
        select new TranslationWork(sentences, beam, weights);

    [ParamsSource(nameof(Shapes))]
    public TranslationWork Shape { get; set; } = null!;

    [GlobalSetup]
    public void Setup()
    {
        TransformerConfig config = RandomModel.Config(
            TranslationWork.Width, heads: 8, TranslationWork.Hidden, TranslationWork.Layers,
            TranslationWork.Vocabulary);
        using ModelData data = RandomModel.Create(config, tied: true);
        _backend = new CpuBackend(new BackendOptions { Threads = Shape.Threads });
        _translator = Translator.Load(data, new TranslatorOptions(_backend)
        {
            ComputeType = Shape.Weights.Word(),
            BatchSize = Shape.Sentences,
            Decoding = new DecodingOptions
            {
                BeamSize = Shape.Beam,
                MinDecodingLength = TranslationWork.Length,
                MaxDecodingLength = TranslationWork.Length,
            },
        });
        var random = new Random(1);
        _requests = [.. Enumerable.Range(0, Shape.Sentences).Select(_ => new TranslationRequest(
            RandomModel.Sentence(random, TranslationWork.Length, TranslationWork.Vocabulary)))];

        IReadOnlyList<string> alone = _translator.Translate(_requests[^1]).Hypotheses[0].Tokens;
        IReadOnlyList<string> together = _translator.TranslateBatch(_requests)[^1].Hypotheses[0].Tokens;
        if (alone.Count != TranslationWork.Length || !alone.SequenceEqual(together))
        {
            throw new InvalidOperationException(
                $"A sentence has {alone.Count} tokens alone and {together.Count} in a batch, "
                + $"expected {TranslationWork.Length} and the same: not timed.");
        }
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _translator.Dispose();
        _backend.Dispose();
    }

    [Benchmark]
    public IReadOnlyList<TranslationResult> Translate() => _translator.TranslateBatch(_requests);
}
