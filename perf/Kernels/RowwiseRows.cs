// Operators that go over a table once, a row at a time: what they read and write is their floor.
using Engine.Backends;
using Engine.Cpu;
using Engine.Perf.Measuring;
using Engine.Perf.Peers;
using Engine.Perf.Table;
using Engine.Tensors;

namespace Engine.Perf.Kernels;

/// <summary>Rows of softmax and norms.</summary>
internal static class RowwiseRows
{
    public const string Softmax = "log-softmax";
    public const string LayerNorm = "layer norm";
    public const string Residual = "residual + layer norm";

    public static IEnumerable<KernelRow> All =>
        from threads in new[] { 1, Machine.Many }.Distinct()
        from row in (KernelRow[])
        [
            Row(Softmax, 4096, 4096, threads), Row(LayerNorm, 4096, 512, threads), Row(Residual, 4096, 512, threads),
        ]
        select row;

    public static KernelRow Row(string word, int rows, int columns, int threads) => new()
    {
        What = $"{word} {rows}×{columns}, {threads} {(threads == 1 ? "thread" : "threads")}",
        Threads = threads,
        Limit = word == Residual ? Limit.Add : Limit.Copy,
        Operations = (word == Softmax ? 20.0 : 8.0) * rows * columns,   // an exponential is about 15
        Bytes = sizeof(float) * (double)rows * columns * (word == Residual ? 3 : 2),
        Goal = Goal.Share(85),
        Open = withPeers => Open(word, rows, columns, threads, withPeers),
    };

    private static KernelCase Open(string word, int rows, int columns, int threads, bool withPeers)
    {
        var backend = new CpuBackend(new BackendOptions { Threads = threads });
        var shape = new Shape(rows, columns);
        float[] values = RandomTensors.Values(rows * columns, seed: 1);
        Tensor x = RandomTensors.Place(backend, shape, values);
        Tensor residual = word == Residual
            ? RandomTensors.Place(backend, shape, RandomTensors.Values(rows * columns, seed: 2))
            : Tensor.None;
        NormWeights weights = Weights(backend, columns);

        // Values are about −ln(columns) > −16, or |y| < 8: 32 ulps of that, for chains of columns / 64, a root or logarithm.
        var few = new Shape(2, columns);
        Check.Agrees(word, backend, tested =>
        {
            Tensor placed = RandomTensors.Place(tested, few, values);
            return Apply(tested, word, placed, placed, Weights(tested, columns));
        }, tolerance: 32 * 9.6e-7);
        void Call()
        {
            backend.BeginFrame();
            Apply(backend, word, x, residual, weights);
            backend.EndFrame();
        }

        var owned = new List<IDisposable> { backend };
        IReadOnlyList<Contender> peers = !withPeers || word == Residual ? []
            : AllPeers.Rowwise(word == Softmax, rows, columns, threads, values, owned);
        return new KernelCase(Call, peers, [.. owned]);
    }

    private static Tensor Apply(IBackend backend, string word, Tensor x, Tensor residual, NormWeights weights) => word switch
    {
        Softmax => backend.LogSoftmax(x),
        LayerNorm => backend.Norm(x, weights),
        _ => backend.AddNorm(x, residual, weights),
    };

    private static NormWeights Weights(IBackend backend, int columns) => new(
        RandomTensors.Place(backend, new Shape(1, columns), RandomTensors.Values(columns, seed: 3)),
        RandomTensors.Place(backend, new Shape(1, columns), RandomTensors.Values(columns, seed: 4)), 1e-5f);
}
