// What mixes positions beside attention: filters for each column, what a convolution copies, and the cell of a recurrent layer.
using Engine.Backends;
using Engine.Cpu;
using Engine.Perf.Measuring;
using Engine.Perf.Table;
using Engine.Tensors;

namespace Engine.Perf.Kernels;

/// <summary>Rows of convolutions and recurrent layers.</summary>
internal static class MixingRows
{
    private const string Depthwise = "depthwise convolution", Unfold = "unfolding", Cell = "LSTM cell";

    // An LSTM's column: five values of σ and tanh, about 20 operations each, and its products.
    private const double OperationsOfCell = 110;

    public static IEnumerable<KernelRow> All =>
        from threads in new[] { 1, Machine.Many }.Distinct()
        from row in (KernelRow[])
        [
            Row(Depthwise, 2048, 512, 31, threads), Row(Depthwise, 2048, 512, 3, threads), Row(Unfold, 2048, 512, 3, threads),
            Row(Cell, 2048, 512, 1, threads),
        ]
        select row;

    private static KernelRow Row(string word, int rows, int columns, int taps, int threads) => new()
    {
        What = $"{word} {rows}×{columns}{(word == Cell ? "" : $", k={taps}")}, {threads} {(threads == 1 ? "thread" : "threads")}",
        Threads = threads,
        Limit = word == Depthwise && taps > 8 ? Limit.Float32 : Limit.Copy,
        Operations = word switch
        {
            Depthwise => 2.0 * Enumerable.Range(0, taps).Sum(tap => rows - Math.Abs(Taps.Centered(taps).Offset(tap))) * columns,
            Cell => OperationsOfCell * rows * columns,
            _ => 0,
        },
        Bytes = sizeof(float) * (double)rows * columns * word switch { Depthwise => 2, Unfold => 1 + taps, _ => 4 + 4 + 2 + 2 },
        Goal = Goal.None,
        Open = _ => Open(word, rows, columns, taps, threads),
    };

    private static KernelCase Open(string word, int rows, int columns, int taps, int threads)
    {
        var backend = new CpuBackend(new BackendOptions { Threads = threads });
        Tensor[] placed = Place(backend, word, rows, columns, taps);

        // Sums of up to 32 products near 1, or functions of them: some hundred roundings of 6e-8.
        Check.Agrees(word, backend, tested => Apply(tested, word, taps, Place(tested, word, 40, columns, taps)), tolerance: 1e-5);
        void Call()
        {
            backend.BeginFrame();
            Apply(backend, word, taps, placed);
            backend.EndFrame();
        }

        return new KernelCase(Call, [], backend);
    }

    private static Tensor[] Place(IBackend backend, string word, int rows, int columns, int taps)
    {
        (int Rows, int Columns)[] shapes = word == Cell
            ? [(rows, 4 * columns), (rows, 4 * columns), (rows, 2 * columns)]
            : [(rows, columns), (taps, columns)];
        return [.. shapes.Select((shape, i) => RandomTensors.Place(
            backend, new Shape(shape.Rows, shape.Columns), RandomTensors.Values(shape.Rows * shape.Columns, seed: i + 1)))];
    }

    private static Tensor Apply(IBackend backend, string word, int taps, Tensor[] x)
    {
        if (word == Cell) return backend.RecurrentCell(x[0], x[1], x[2], CellKind.Lstm);
        Ragged batch = Ragged.Create(backend, [x[0].Rows]);
        return word == Unfold
            ? backend.Unfold(x[0], batch, Taps.Centered(taps))
            : backend.DepthwiseConvolution(x[0], x[1], Tensor.None, batch, Taps.Centered(taps));
    }
}
