// Attention over whole sentences: operations a second by sentence length, head width and mask. Positions that the mask hides whole are
// not counted.
using Engine.Backends;
using Engine.Cuda;
using Engine.Tensors;

namespace Engine.GpuCheck.Speed;

internal static class AttentionSpeed
{
    private const int Width = 512;   // heads · head width

    private static readonly (int Sentences, int Length)[] Full = [(64, 24), (64, 128), (8, 512), (4, 2048), (1, 8192)];

    public static void Run(CudaInfo info, Settings settings, Report report)
    {
        (int Sentences, int Length)[] shapes = settings.IsSmall ? [(2, 24)] : Full;
        foreach (Configuration configuration in Configuration.All.Where(static one => one.HasOwnAttention))
        {
            using CudaBackend backend = configuration.Open(info);
            var bench = new Bench(backend, settings);
            foreach ((int sentences, int length) in shapes)
            {
                foreach (int headDim in new[] { 64, 128 })
                {
                    foreach (bool isCausal in new[] { false, true })
                    {
                        string name = $"{configuration.Name} {sentences} × {length}, {Width / headDim} heads of {headDim}{(isCausal ? ", causal" : "")}";
                        if (!report.Wants(name)) continue;
                        if (report.IsTooLateFor(name)) return;
                        double speed = Operations(sentences, length, isCausal) / Seconds(bench, sentences, length, headDim, isCausal);
                        report.Add(new Measure("attention", name, 1e-12 * speed, "TFLOP/s"));
                    }
                }
            }
        }
    }

    private static double Operations(int sentences, int length, bool isCausal) =>
        4.0 * sentences * Width * (isCausal ? length * (length + 1.0) / 2 : (double)length * length);

    private static double Seconds(Bench bench, int sentences, int length, int headDim, bool isCausal) => bench.Seconds(backend =>
    {
        Tensor x = Bench.Put(backend, sentences * length, Width);
        Ragged batch = Ragged.Create(backend, [.. Enumerable.Repeat(length, sentences)]);
        var spec = new AttentionSpec(Width / headDim, 1 / MathF.Sqrt(headDim), isCausal ? AttentionMask.Causal : AttentionMask.None);
        return () => backend.Attention(x, x, x, batch, batch, spec);
    });
}
