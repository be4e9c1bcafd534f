// LayerNorm alone, and fused with the residual before it.
using BenchmarkDotNet.Attributes;
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Perf.Micro.Cpu;

public class LayerNormBench : CpuBench
{
    private Tensor _x, _residual;
    private NormWeights _weights;

    public static IEnumerable<RowWork> Shapes =>
        [new(1, 512, 1), new(32, 512, 1), new(512, 512, 1), new(512, 512, Environment.ProcessorCount)];

    [ParamsSource(nameof(Shapes))]
    public RowWork Shape { get; set; } = null!;

    [GlobalSetup]
    public void Setup()
    {
        Open(Shape.Threads);
        var shape = new Shape(Shape.Rows, Shape.Columns);
        float[] x = RandomTensors.Values((int)shape.Count, seed: 1);
        float[] residual = RandomTensors.Values((int)shape.Count, seed: 2);
        float[] gain = RandomTensors.Values(Shape.Columns, seed: 3);
        float[] bias = RandomTensors.Values(Shape.Columns, seed: 4);
        _x = RandomTensors.Place(Backend, shape, x);
        _residual = RandomTensors.Place(Backend, shape, residual);
        _weights = Weights(Backend);

        // |y| < 8 here: 32 ulps of that, for mean and variance (chains of columns / 64), root and scaling.
        Check.Agrees($"AddNorm {Shape}", Backend, backend => backend.AddNorm(
            RandomTensors.Place(backend, shape, x), RandomTensors.Place(backend, shape, residual), Weights(backend)),
            tolerance: 32 * 4.8e-7);

        NormWeights Weights(IBackend backend) => new(
            RandomTensors.Place(backend, new Shape(1, Shape.Columns), gain),
            RandomTensors.Place(backend, new Shape(1, Shape.Columns), bias), 1e-5f);
    }

    [Benchmark(Baseline = true)]
    public void Norm()
    {
        Backend.BeginFrame();
        Backend.Norm(_x, _weights);
        Backend.EndFrame();
    }

    [Benchmark]
    public void AddNorm()
    {
        Backend.BeginFrame();
        Backend.AddNorm(_x, _residual, _weights);
        Backend.EndFrame();
    }
}
