// Attention of one long sentence, 8 heads of 64: all keys, causal, and restricted to 64 neighbours on either side. Operations
// are those of the pairs that the mask leaves: two products of each query with each key that it sees.
using Engine.Backends;
using Engine.Cpu;
using Engine.Perf.Measuring;
using Engine.Perf.Peers;
using Engine.Perf.Table;
using Engine.Reference;
using Engine.Tensors;

namespace Engine.Perf.Kernels;

/// <summary>Rows of attention.</summary>
internal static class AttentionRows
{
    public const int Heads = 8;
    public const int HeadDim = 64;
    public const int Width = Heads * HeadDim;

    private const int Long = 8192;
    private const int Radius = 64;
    private const int CheckedRows = 200;

    private static readonly AttentionMask Window = AttentionMask.Window(Radius, Radius);

    public static IEnumerable<KernelRow> All =>
        from threads in new[] { 1, Machine.Many }.Distinct()
        from row in (KernelRow[])
        [
            Row("full", Long, AttentionMask.None, threads),
            Row("causal", Long, AttentionMask.Causal, threads, Goal.Share(60)),
            Row("causal", 512, AttentionMask.Causal, threads),

            // Its "peers" are the engine itself: on all keys, and on half the length, whose rate is the same if time is linear.
            Row("window 64", Long, Window, threads, Goal.Times(25, "all keys") & Goal.Times(0.9, $"n={Long / 2}")),
        ]
        select row;

    /// <summary>Pairs of query and key that the mask leaves.</summary>
    public static double Pairs(int length, AttentionMask mask)
    {
        double pairs = 0;
        for (int i = 0; i < length; i++) pairs += 1 + Math.Min(i, mask.Left) + Math.Min(length - 1 - i, mask.Right);
        return pairs;
    }

    public static KernelRow Row(string word, int length, AttentionMask mask, int threads, Goal? goal = null) => new()
    {
        What = $"attention {word}, n={length}, {threads} {(threads == 1 ? "thread" : "threads")}",
        Threads = threads,
        Limit = Limit.Float32,
        Operations = 4 * Pairs(length, mask) * Width,
        Bytes = 4.0 * sizeof(float) * length * Width,
        Goal = goal ?? Goal.None,
        Open = withPeers => Open(length, mask, threads, withPeers),
    };

    private static KernelCase Open(int length, AttentionMask mask, int threads, bool withPeers)
    {
        var backend = new CpuBackend(new BackendOptions { Threads = threads });
        float[][] inputs = [.. Enumerable.Range(1, 3).Select(seed => RandomTensors.Values(length * Width, seed))];
        Tensor[] placed = [.. inputs.Select(values => RandomTensors.Place(backend, new Shape(length, Width), values))];
        Verify(backend, inputs, Math.Min(length, CheckedRows), mask);
        Action Attend(int rows, AttentionMask seen) => () =>
        {
            backend.BeginFrame();
            Ragged batch = Ragged.Create(backend, [rows]);
            backend.Attention(
                placed[0].RowRange(0, rows), placed[1].RowRange(0, rows), placed[2].RowRange(0, rows), batch, batch, Spec(seen));
            backend.EndFrame();
        };

        var peers = new List<Contender>();
        var owned = new List<IDisposable> { backend };
        if (withPeers && mask == Window)
        {
            // Both rates count pairs inside the window, so the first ratio is that of the times.
            peers.Add(new Contender("all keys", Attend(length, AttentionMask.None)));
            peers.Add(new Contender($"n={length / 2}", Attend(length / 2, mask), Pairs(length / 2, mask) / Pairs(length, mask)));
        }
        else if (withPeers)
        {
            peers.AddRange(AllPeers.Attention(length, mask, threads, inputs, owned));
        }

        return new KernelCase(Attend(length, mask), peers, [.. owned]);
    }

    // The reference takes all pairs one by one, so only the first rows are compared. |v| is at most 1, scores are off by at
    // most γ(64) · 64 / 8, a weight by twice that, and the sums by γ(length).
    private static void Verify(CpuBackend backend, float[][] inputs, int rows, AttentionMask mask) =>
        Check.Agrees($"Attention {mask}", backend, tested =>
        {
            Ragged batch = Ragged.Create(tested, [rows]);
            Tensor[] few = [.. inputs.Select(values => RandomTensors.Place(tested, new Shape(rows, Width), values))];
            return tested.Attention(few[0], few[1], few[2], batch, batch, Spec(mask));
        }, tolerance: ErrorBound.Gamma((2 * 64 / 8 * HeadDim) + rows + 64));

    private static AttentionSpec Spec(AttentionMask mask) => new(Heads, 1 / MathF.Sqrt(HeadDim), mask);
}
