// Attention of whole sentences: full, causal, and restricted to 64 neighbours on either side. The ratio column shows
// what the restriction saves.
using BenchmarkDotNet.Attributes;
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;

namespace Engine.Perf.Micro.Cpu;

public sealed record AttentionWork(int Sentences, int Length, int Threads) : IWork
{
    public const int Heads = 8;
    public const int HeadDim = 64;
    public const int Width = Heads * HeadDim;

    public int Rows => Sentences * Length;

    // Two products, q · k and p · v, of each query with the keys that it sees.
    public double Operations(string variant)
    {
        AttentionMask mask = AttentionBench.Mask(variant);
        double pairs = 0;
        for (int i = 0; i < Length; i++) pairs += 1 + Math.Min(i, mask.Left) + Math.Min(Length - 1 - i, mask.Right);
        return 4.0 * pairs * Sentences * Width;
    }

    public double Bytes(string variant) => 4.0 * sizeof(float) * Rows * Width;

    public override string ToString() => $"{Sentences} x {Length}, {Threads} threads";
}

public class AttentionBench : CpuBench
{
    private const int Radius = 64;

    private Tensor _query, _key, _value;
    private int[] _lengths = [];

    public static IEnumerable<AttentionWork> Shapes
    {
        get
        {
            int all = Environment.ProcessorCount;
            return [new(32, 24, all), new(1, 512, all), new(1, 2048, all), new(1, 8192, all)];
        }
    }

    [ParamsSource(nameof(Shapes))]
    public AttentionWork Shape { get; set; } = null!;

    internal static AttentionMask Mask(string variant) => variant switch
    {
        nameof(Full) => AttentionMask.None,
        nameof(Causal) => AttentionMask.Causal,
        _ => AttentionMask.Window(Radius, Radius),
    };

    [GlobalSetup]
    public void Setup()
    {
        Open(Shape.Threads);
        var shape = new Shape(Shape.Rows, AttentionWork.Width);
        float[][] inputs = [.. Enumerable.Range(1, 3).Select(seed => RandomTensors.Values((int)shape.Count, seed))];
        _query = RandomTensors.Place(Backend, shape, inputs[0]);
        _key = RandomTensors.Place(Backend, shape, inputs[1]);
        _value = RandomTensors.Place(Backend, shape, inputs[2]);
        _lengths = [.. Enumerable.Repeat(Shape.Length, Shape.Sentences)];

        // The reference takes all pairs one by one, so only the first rows are compared. |v| is at most 1, scores are
        // off by at most γ(64) · 64 / 8, a weight by twice that, and the sums by γ(length).
        int rows = Math.Min(Shape.Length, 200);
        var few = new Shape(rows, AttentionWork.Width);
        foreach (string variant in new[] { nameof(Full), nameof(Causal), nameof(Window) })
        {
            Check.Agrees($"Attention {variant} {Shape}", Backend, backend =>
            {
                Ragged batch = Ragged.Create(backend, [rows]);
                return backend.Attention(
                    RandomTensors.Place(backend, few, inputs[0]), RandomTensors.Place(backend, few, inputs[1]),
                    RandomTensors.Place(backend, few, inputs[2]), batch, batch, Spec(variant));
            }, tolerance: ErrorBound.Gamma((2 * 64 / 8 * AttentionWork.HeadDim) + rows + 64));
        }
    }

    [Benchmark(Baseline = true)]
    public void Full() => Run(nameof(Full));

    [Benchmark]
    public void Causal() => Run(nameof(Causal));

    [Benchmark]
    public void Window() => Run(nameof(Window));

    private static AttentionSpec Spec(string variant) =>
        new(AttentionWork.Heads, 1 / MathF.Sqrt(AttentionWork.HeadDim), Mask(variant));

    private void Run(string variant)
    {
        Backend.BeginFrame();
        Ragged batch = Ragged.Create(Backend, _lengths);
        Backend.Attention(_query, _key, _value, batch, batch, Spec(variant));
        Backend.EndFrame();
    }
}
