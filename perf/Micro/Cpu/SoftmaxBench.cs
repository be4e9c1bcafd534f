// Softmax over a vocabulary: all log-probabilities, and the best few of them.
using BenchmarkDotNet.Attributes;
using Engine.Tensors;

namespace Engine.Perf.Micro.Cpu;

public class SoftmaxBench : CpuBench
{
    private Tensor _logits;

    public static IEnumerable<RowWork> Shapes =>
        [new(1, 32000, 1), new(32, 32000, 1), new(32, 32000, Environment.ProcessorCount), new(128, 512, 1)];

    [ParamsSource(nameof(Shapes))]
    public RowWork Shape { get; set; } = null!;

    [GlobalSetup]
    public void Setup()
    {
        Open(Shape.Threads);
        var shape = new Shape(Shape.Rows, Shape.Columns);
        float[] logits = RandomTensors.Values((int)shape.Count, seed: 1);
        _logits = RandomTensors.Place(Backend, shape, logits);

        // Values are about −ln(columns) > −16: 8 ulps of that for the sum, its logarithm and two subtractions.
        Check.Agrees(
            $"LogSoftmax {Shape}", Backend,
            backend => backend.LogSoftmax(RandomTensors.Place(backend, shape, logits)), tolerance: 8 * 9.6e-7);
    }

    [Benchmark(Baseline = true)]
    public void LogSoftmax()
    {
        Backend.BeginFrame();
        Backend.LogSoftmax(_logits);
        Backend.EndFrame();
    }

    [Benchmark]
    public void TopFour()
    {
        Backend.BeginFrame();
        Backend.TopK(_logits, 4, out _);
        Backend.EndFrame();
    }
}
