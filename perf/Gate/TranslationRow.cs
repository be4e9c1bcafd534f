// A whole translation for the gate: a tiny model, one sentence, four beams. One sentence, because how many steps several
// take together depends on how fast they are handed in.
using Engine.Backends;
using Engine.Cpu;
using Engine.Decoding;
using Engine.Perf.Kernels;
using Engine.Perf.Measuring;
using Engine.Perf.Table;
using Engine.Perf.WholeModels;
using Engine.Tensors;

namespace Engine.Perf.Gate;

/// <summary>The row.</summary>
internal static class TranslationRow
{
    private static readonly Translation Work = new(ModelShape.Tiny, DType.Float32, Batch: 1, Beam: 4, Length: 24);

    public static KernelRow Tiny { get; } = new()
    {
        What = $"{Work.Shape.Name} model, {Work.Length} tokens, beam {Work.Beam}, 1 thread",
        Threads = 1,
        IsElsewhere = true,   // the translator's own thread works
        Limit = Limit.Float32,
        Operations = Work.Operations,
        Bytes = Work.Bytes,
        Goal = Goal.None,
        Open = static _ => Open(),
    };

    private static KernelCase Open()
    {
        string directory = ModelWriter.Cached(Path.Combine("artifacts", "perf", "models"), Work.Shape, Work.Type);
        var backend = new CpuBackend(new BackendOptions { Threads = 1 });
        var translator = Translator.Load(directory, new TranslatorOptions(backend)
        {
            BatchSize = Work.Batch,
            Decoding = new DecodingOptions
            {
                BeamSize = Work.Beam,
                MinDecodingLength = Work.Length,
                MaxDecodingLength = Work.Length,
            },
        });
        TranslationRequest[] requests = ModelRun.Requests(translator, Work.Batch, Work.Length);
        return new KernelCase(() => translator.TranslateBatch(requests), [], translator, backend);
    }
}
