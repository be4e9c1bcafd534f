// Matrix products x Wᵀ of the shapes of a transformer-base and of the textbook, rows × outputs × inputs, for each type of
// weights. One row is a stream over the weights, so its limit is the bandwidth of the level where they lie.
using Engine.Backends;
using Engine.Cpu;
using Engine.Perf.Measuring;
using Engine.Perf.Peers;
using Engine.Perf.Table;
using Engine.Reference;
using Engine.Tensors;

namespace Engine.Perf.Kernels;

/// <summary>Rows of GEMM.</summary>
internal static class GemmRows
{
    // Rows that are compared with the reference, which takes a millisecond for a million products.
    private const int CheckedRows = 2;

    // Goals in percent of the limit: float32; the others are promised for the large shapes.
    private static readonly (int Rows, int Outputs, int Inputs, double Float, double Other)[] Shapes =
    [
        (1024, 2048, 512, 93, 75), (2048, 2048, 2048, 93, 75), (1024, 1024, 1024, 93, 75), (128, 512, 512, 85, 0),
        (32, 512, 512, 80, 0), (8, 512, 512, 60, 0), (128, 32000, 512, 88, 75), (1, 512, 512, 90, 0), (1, 32000, 512, 90, 0),
    ];

    public static IEnumerable<KernelRow> All =>
        from type in (DType[])[DType.Float32, DType.Int8, DType.BFloat16]
        from shape in Shapes
        from threads in new[] { 1, Machine.Many }.Distinct()
        select Row(type, shape.Rows, shape.Outputs, shape.Inputs, threads, type == DType.Float32 ? shape.Float : shape.Other);

    public static KernelRow Row(DType type, int rows, int outputs, int inputs, int threads, double goal = 0)
    {
        string word = type switch { DType.Float32 => "f32", DType.Int8 => "int8", _ => "bf16" };
        return new KernelRow
        {
            What = $"{word} gemm {rows}×{outputs}×{inputs}, {threads} {(threads == 1 ? "thread" : "threads")}",
            Threads = threads,
            Limit = rows == 1 ? Limit.Read : type switch
            {
                DType.Int8 => Limit.Int8,
                DType.BFloat16 => Limit.BFloat16,
                _ => Limit.Float32,
            },
            Operations = 2.0 * rows * outputs * inputs,
            Bytes = ((double)outputs * inputs * type.Bytes()) + (sizeof(float) * (double)rows * (inputs + outputs)),
            Goal = goal > 0 ? Goal.Share(goal) : Goal.None,
            Open = withPeers => Open(type, rows, outputs, inputs, threads, withPeers),
        };
    }

    private static KernelCase Open(DType type, int rows, int outputs, int inputs, int threads, bool withPeers)
    {
        var backend = new CpuBackend(new BackendOptions { Threads = threads });
        float[] x = RandomTensors.Values(rows * inputs, seed: 1);
        Tensor input = RandomTensors.Place(backend, new Shape(rows, inputs), x);
        HostTensor weight = RandomTensors.Weight(type, new Shape(outputs, inputs), seed: 2);
        var weights = new LinearWeights(Pack(backend, weight), Tensor.None);
        Verify(backend, type, input.RowRange(0, Math.Min(rows, CheckedRows)), x, weight);

        // The demonstration of the gate: some of the rows are computed twice.
        int repeated = Slowdown.Of(rows);
        void Call()
        {
            backend.BeginFrame();
            backend.Linear(input, weights);
            if (repeated > 0) backend.Linear(input.RowRange(0, repeated), weights);
            backend.EndFrame();
        }

        IReadOnlyList<Contender> peers = [];
        var owned = new List<IDisposable> { weights.Weight, backend };
        if (withPeers) peers = AllPeers.Gemm(type, rows, outputs, inputs, threads, x, weight, owned);
        return new KernelCase(Call, peers, [.. owned]);
    }

    // As `compute_type=bfloat16` does: activations are rounded to the type of the weights.
    private static Weight Pack(IBackend backend, HostTensor weight) => backend.Pack(
        [weight], weight.Type == DType.BFloat16 ? ActivationRounding.BFloat16 : ActivationRounding.Nearest);

    // |x| and |w| are at most 1, so the magnitudes sum to at most the number of inputs; 4 more roundings scale. bfloat16
    // may round x too, each by 2⁻⁹ of it.
    private static void Verify(CpuBackend backend, DType type, Tensor few, float[] x, HostTensor weight)
    {
        double tolerance = (ErrorBound.Gamma(few.Columns + 4) + (type == DType.BFloat16 ? Math.Pow(2, -9) : 0)) * few.Columns;
        Check.Agrees($"Linear {type} {weight.Shape}", backend, tested =>
        {
            Tensor placed = tested.Rent(few.Shape, DType.Float32);
            tested.Write(placed, x.AsSpan(0, checked((int)few.Shape.Count)));
            using Weight packed = Pack(tested, weight);
            return tested.Linear(placed, new LinearWeights(packed, Tensor.None));
        }, tolerance);
    }
}
