// Linear layers of a transformer-base, for few rows (a decoding step) and many (a batch, an encoder).
using BenchmarkDotNet.Attributes;
using Engine.Backends;
using Engine.Reference;
using Engine.Tensors;

namespace Engine.Perf.Micro.Cpu;

public sealed record GemmWork(int Rows, int Inputs, int Outputs, int Threads) : IWork
{
    public double Operations(string variant) => 2.0 * Rows * Inputs * Outputs;

    public double Bytes(string variant) =>
        ((double)Inputs * Outputs * GemmBench.Type(variant).Bytes()) +
        (sizeof(float) * (double)Rows * (Inputs + Outputs));

    public bool IsInteger(string variant) => !GemmBench.Type(variant).IsFloat();

    public override string ToString() => $"[{Rows}, {Inputs}] x {Outputs}, {Threads} threads";
}

public class GemmBench : CpuBench
{
    // Rows that are compared with the reference, which takes a millisecond for a million products.
    private const int CheckedRows = 2;

    private LinearWeights _weights;
    private Tensor _x;

    public static IEnumerable<GemmWork> Shapes =>
        from threads in new[] { 1, Environment.ProcessorCount }.Distinct()
        from shape in new (int Rows, int Inputs, int Outputs)[]
        {
            (1, 512, 2048), (1, 512, 32000), (4, 512, 2048), (32, 512, 512), (32, 512, 32000), (512, 512, 2048),
            (512, 2048, 512),
        }
        select new GemmWork(shape.Rows, shape.Inputs, shape.Outputs, threads);

    [ParamsSource(nameof(Shapes))]
    public GemmWork Shape { get; set; } = null!;

    internal static DType Type(string variant) => variant switch
    {
        nameof(F16) => DType.Float16,
        nameof(BF16) => DType.BFloat16,
        nameof(I8) => DType.Int8,
        _ => DType.Float32,
    };

    [GlobalSetup(Target = nameof(F32))]
    public void SetupF32() => Setup(DType.Float32);

    [GlobalSetup(Target = nameof(F16))]
    public void SetupF16() => Setup(DType.Float16);

    [GlobalSetup(Target = nameof(BF16))]
    public void SetupBF16() => Setup(DType.BFloat16);

    [GlobalSetup(Target = nameof(I8))]
    public void SetupI8() => Setup(DType.Int8);

    public override void Cleanup()
    {
        _weights.Weight.Dispose();
        base.Cleanup();
    }

    [Benchmark(Baseline = true)]
    public void F32() => Run();

    [Benchmark]
    public void F16() => Run();

    [Benchmark]
    public void BF16() => Run();

    [Benchmark]
    public void I8() => Run();

    private void Setup(DType type)
    {
        Open(Shape.Threads);
        float[] x = RandomTensors.Values(Shape.Rows * Shape.Inputs, seed: 1);
        _x = RandomTensors.Place(Backend, new Shape(Shape.Rows, Shape.Inputs), x);
        HostTensor weight = RandomTensors.Weight(type, new Shape(Shape.Outputs, Shape.Inputs), seed: 2);
        _weights = new LinearWeights(Backend.Pack([weight]), Tensor.None);

        // |x| and |w| are at most 1, so the magnitudes sum to at most the number of inputs; 4 more roundings scale.
        int rows = Math.Min(Shape.Rows, CheckedRows);
        double tolerance = ErrorBound.Gamma(Shape.Inputs + 4) * Shape.Inputs;
        Check.Agrees($"Linear {type} {Shape}", Backend, backend =>
        {
            Tensor few = backend.Rent(new Shape(rows, Shape.Inputs), DType.Float32);
            backend.Write(few, x.AsSpan(0, rows * Shape.Inputs));
            using Weight packed = backend.Pack([weight]);
            return backend.Linear(few, new LinearWeights(packed, Tensor.None));
        }, tolerance);
    }

    private void Run()
    {
        Backend.BeginFrame();
        Backend.Linear(_x, _weights);
        Backend.EndFrame();
    }
}
