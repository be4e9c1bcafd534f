// Operators that are bound by memory: bytes that they must read and write, beside the bandwidth of the device's copy.
using Engine.Backends;
using Engine.Cuda;
using Engine.Tensors;

namespace Engine.GpuCheck.Speed;

internal static class RowSpeed
{
    /// <summary>An operator on a table: the numbers of four bytes that it must move for each element, and the call.</summary>
    private sealed record Row(string Name, double NumbersOfElement, Func<CudaBackend, Tensor, Tensor, Tensor, Action> Call);

    // x and y are tables of the same shape, v a row of it.
    private static readonly Row[] Rows =
    [
        new("Add", 3, static (b, x, y, v) => () => b.Add(x, y)),
        new("Norm", 2, static (b, x, y, v) => () => b.Norm(x, new NormWeights(v, v, 1e-5f))),
        new("Norm, RMS", 2, static (b, x, y, v) => () => b.Norm(x, new NormWeights(v, Tensor.None, 1e-5f, IsRms: true))),
        new("AddNorm", 3, static (b, x, y, v) => () => b.AddNorm(x, y, new NormWeights(v, v, 1e-5f))),
        new("AddNorm with the sum", 4, static (b, x, y, v) => () => b.AddNorm(x, y, new NormWeights(v, v, 1e-5f), out _)),
        new("LogSoftmax", 2, static (b, x, y, v) => () => b.LogSoftmax(x)),
        new("TopK 4", 1, static (b, x, y, v) => () => b.TopK(x, 4, out _)),
        new("Activate, GELU", 2, static (b, x, y, v) => () => b.Activate(x, Activation.Gelu)),
        new("ActivationBackward, GELU", 3, static (b, x, y, v) => () => b.ActivationBackward(x, y, Activation.Gelu)),
        new("Dropout", 2, static (b, x, y, v) => () => b.Dropout(x, new Dropout(0.1f, 1, 0))),
        new("NormBackward", 3, static (b, x, y, v) =>
        {
            Tensor gain = Bench.Put(b, 1, v.Columns), bias = Bench.Put(b, 1, v.Columns);
            return () => b.NormBackward(x, new NormWeights(v, v, 1e-5f), y, Tensor.None, gain, bias);
        }),
        new("Unfold, 3 taps", 4, static (b, x, y, v) =>
        {
            Ragged batch = Sentences(b, x.Rows);
            return () => b.Unfold(x, batch, Taps.Centered(3));
        }),
        new("DepthwiseConvolution, 5 taps", 2, static (b, x, y, v) =>
        {
            Ragged batch = Sentences(b, x.Rows);
            Tensor filter = Bench.Put(b, 5, x.Columns);
            return () => b.DepthwiseConvolution(x, filter, v, batch, Taps.Centered(5));
        }),
        new("DepthwiseConvolutionBackward, 5 taps", 3, static (b, x, y, v) =>
        {
            Ragged batch = Sentences(b, x.Rows);
            Tensor filter = Bench.Put(b, 5, x.Columns), gradient = Bench.Put(b, 5, x.Columns);
            return () => b.DepthwiseConvolutionBackward(x, filter, y, batch, Taps.Centered(5), gradient, Tensor.None);
        }),
        new("RecurrentCell, LSTM", 2.75, static (b, x, y, v) =>      // four gates twice; c of a state, which has a quarter of the columns; h, c
        {
            Tensor state = Bench.Put(b, x.Rows, x.Columns / 2);
            return () => b.RecurrentCell(x, y, state, CellKind.Lstm);
        }),
        new("SumOfSquares", 1, static (b, x, y, v) =>
        {
            int count = checked((int)x.Shape.Count);
            Tensor flat = x with { Shape = new Shape(1, count), Stride = count };
            return () => b.SumOfSquares(flat);
        }),
    ];

    public static void Run(CudaInfo info, Settings settings, Report report, Roofs roofs)
    {
        using var backend = new CudaBackend(info, 0);
        var bench = new Bench(backend, settings);
        foreach ((int rows, int columns) in settings.IsSmall ? [(3, 64)] : ((int, int)[])[(64, 512), (16384, 512), (16384, 1024), (65536, 1024), (512, 32000)])
        {
            foreach (Row row in Rows)
            {
                string name = $"{row.Name} [{rows}, {columns}]";
                if (!report.Wants(name)) continue;
                if (report.IsTooLateFor(name)) return;
                double seconds = bench.Seconds(b =>
                {
                    Tensor v = Bench.Put(b, 1, columns);
                    return row.Call(b, Bench.Put(b, rows, columns), Bench.Put(b, rows, columns), v);
                });
                Add(report, roofs, name, row.NumbersOfElement * sizeof(float) * rows * columns, seconds);
            }
        }

        Adam(bench, settings, report, roofs);
        foreach ((int rows, int length) in settings.IsSmall ? [(2, 20)] : ((int, int)[])[(1, 32), (64, 32), (512, 64), (64, 1024)])
            CachedAttention(bench, rows, length, report, roofs);
    }

    // A table's rows as sentences of 32 words, the last of fewer.
    private static Ragged Sentences(CudaBackend backend, int rows)
    {
        const int Words = 32;
        return Ragged.Create(backend, [.. Enumerable.Range(0, (rows + Words - 1) / Words).Select(s => Math.Min(Words, rows - (s * Words)))]);
    }

    private static void Adam(Bench bench, Settings settings, Report report, Roofs roofs)
    {
        int count = settings.IsSmall ? 1000 : 60_000_000;
        double seconds = bench.Seconds(b =>
        {
            Tensor[] four = [.. Enumerable.Range(0, 4).Select(_ => b.Rent(new Shape(1, count), DType.Float32))];
            foreach (Tensor one in four) b.Clear(one);
            return () => b.AdamStep(four[0], four[1], four[2], four[3], new AdamStep(1e-3f, 0.9f, 0.98f, 1e-9f, 0, 1, 1, 1));
        });
        Add(report, roofs, $"AdamStep of {count:N0}", 7.0 * sizeof(float) * count, seconds);   // reads four, writes three
    }

    private static void CachedAttention(Bench bench, int rows, int length, Report report, Roofs roofs)
    {
        const int Width = 512, Heads = 8;
        int blocks = (length + KeyValueCache.BlockPositions - 1) / KeyValueCache.BlockPositions;
        KeyValueCache cache = bench.Backend.AllocateCache(rows * blocks, Width, Width, Heads);
        double seconds = bench.Seconds(b =>
        {
            Tensor keys = Bench.Put(b, rows * blocks * KeyValueCache.BlockPositions, Width);
            Tensor slots = b.Rent(new Shape(1, keys.Rows), DType.Int32);
            b.Write(slots, Enumerable.Range(0, keys.Rows).ToArray());
            b.Append(cache, keys, keys, slots);
            Tensor x = Bench.Put(b, rows, Width);
            Tensor table = b.Rent(new Shape(rows, blocks), DType.Int32), lengths = b.Rent(new Shape(1, rows), DType.Int32);
            b.Write(table, Enumerable.Range(0, rows * blocks).ToArray());
            b.Write(lengths, Enumerable.Repeat(length, rows).ToArray());
            var view = new CacheView(table, lengths, length);
            return () => b.CachedAttention(x, cache, view, new AttentionSpec(Heads, 0.125f, AttentionMask.None));
        });
        bench.Backend.FreeCache(cache);
        Add(report, roofs, $"CachedAttention, {rows} rows of {length}, 8 heads of 64", 2.0 * sizeof(float) * rows * length * Width, seconds);
    }

    private static void Add(Report report, Roofs roofs, string name, double bytes, double seconds) => report.Add(new Measure(
        "memory", $"{name}, {1e6 * seconds:F1} µs", 1e-9 * bytes / seconds, "GB/s", roofs.ShareOfCopy(bytes / seconds), "the copy's bandwidth"));
}
