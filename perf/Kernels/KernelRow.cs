// A kernel that is measured: its work, the limit that it is compared with, and how to set it up.
using Engine.Perf.Measuring;
using Engine.Perf.Table;

namespace Engine.Perf.Kernels;

/// <summary>A kernel of the table; nothing is allocated before <see cref="Open"/>.</summary>
internal sealed record KernelRow
{
    /// <summary>As in <c>f32 gemm 1024×2048×512, 2 threads</c>.</summary>
    public required string What { get; init; }

    public required int Threads { get; init; }

    /// <summary>The limit that the figure is a share of.</summary>
    public required Limit Limit { get; init; }

    /// <summary>Operations of one call; a multiply-add is two.</summary>
    public required double Operations { get; init; }

    /// <summary>Bytes that one call must read and write at least once.</summary>
    public required double Bytes { get; init; }

    public required Goal Goal { get; init; }

    /// <summary>What else is to be known.</summary>
    public string Note { get; init; } = "";

    /// <summary>Makes the inputs; with peers or without.</summary>
    public required Func<bool, KernelCase> Open { get; init; }

    /// <summary>Whether arithmetic is the limit.</summary>
    public bool IsArithmetic => Limit is Limit.Float32 or Limit.BFloat16 or Limit.Int8;

    /// <summary>Operations or bytes: what the limit counts.</summary>
    public double Work => IsArithmetic ? Operations : Bytes;

    public string Unit => !IsArithmetic ? "GB/s" : Limit == Limit.Int8 ? "Gop/s" : "GFLOP/s";

    /// <summary>The clock that suits the row.</summary>
    public double Clock() => Measuring.Clock.Seconds(Threads);

    public Probe Probe() => Machine.Probe(Limit, Threads, Bytes);
}

/// <summary>Somebody who can do the work.</summary>
/// <param name="Name">Who, with its version where it matters.</param>
/// <param name="Call">Does it once.</param>
/// <param name="Work">Share of the row's work that a call does: not 1 for another length of the same thing.</param>
internal sealed record Contender(string Name, Action Call, double Work = 1);

/// <summary>A row that is set up: the engine's call, the peers', and what must be disposed afterwards.</summary>
internal sealed class KernelCase(Action call, IReadOnlyList<Contender> peers, params IDisposable[] owned) : IDisposable
{
    public Action Call => call;

    public IReadOnlyList<Contender> Peers => peers;

    public void Dispose()
    {
        foreach (IDisposable item in owned) item.Dispose();
    }
}
