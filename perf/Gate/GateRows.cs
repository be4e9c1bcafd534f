// What the gate watches: each kernel once or twice, on one thread, on tables that fit in a core's own caches. Larger ones run
// the same code, but neighbours then take part in the figure.
using Engine.Backends;
using Engine.Perf.Kernels;
using Engine.Perf.Measuring;
using Engine.Tensors;

namespace Engine.Perf.Gate;

/// <summary>The rows of the gate.</summary>
internal static class GateRows
{
    public static IEnumerable<KernelRow> All =>
    [
        .. from type in (DType[])[DType.Float32, DType.Int8, DType.BFloat16]
           from shape in ((int, int, int)[])[(256, 512, 256), (8, 512, 256), (1, 512, 256)]
           select GemmRows.Row(type, shape.Item1, shape.Item2, shape.Item3, threads: 1),
        GemmRows.Row(DType.Float32, 1024, 2048, 512, threads: 1),
        AttentionRows.Row("causal", 128, AttentionMask.Causal, threads: 1),
        .. from row in (KernelRow[])
           [
               RowwiseRows.Row(RowwiseRows.Softmax, 16, 4096, threads: 1),
               RowwiseRows.Row(RowwiseRows.LayerNorm, 64, 512, threads: 1),
               RowwiseRows.Row(RowwiseRows.Residual, 64, 512, threads: 1),
           ]
           select row with { Limit = Limit.Float32 },   // tables in a core's cache: not memory but arithmetic takes the time
    ];
}
