// A line of the table: a figure beside its floor, its peers and its goal.
using System.Text.Json.Serialization;

namespace Engine.Perf.Table;

/// <summary>A peer's figure in the same run.</summary>
/// <param name="Name">Who.</param>
/// <param name="Figure">In the unit of the line; NaN where it could not be had.</param>
/// <param name="Ratio">How many times as fast (or as small) the engine is.</param>
internal sealed record PeerFigure(string Name, double Figure, double Ratio);

/// <summary>A measured line.</summary>
internal sealed record Result
{
    /// <summary>What was measured.</summary>
    public required string What { get; init; }

    /// <summary>Threads.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>The median.</summary>
    public required double Figure { get; init; }

    /// <summary>Least and largest of what the figure is the median of.</summary>
    public double[] Spread { get; init; } = [];

    /// <summary>As in <c>GFLOP/s</c>, <c>GB/s</c>, <c>ms</c>, <c>MB</c>.</summary>
    public required string Unit { get; init; }

    /// <summary>What the machine could do at most, in the same unit; null: nothing is known.</summary>
    public double? Floor { get; init; }

    /// <summary>How much of that is reached: 1 at the floor.</summary>
    public double? Share { get; init; }

    /// <summary>The peers that ran.</summary>
    public IReadOnlyList<PeerFigure> Peers { get; init; } = [];

    /// <summary>What it should reach, in words; empty: nothing was promised.</summary>
    public string Goal { get; init; } = "";

    /// <summary>Whether it does; null: it cannot be told, since a peer is missing.</summary>
    public bool? Holds { get; init; }

    /// <summary>What else is to be known.</summary>
    public string Note { get; init; } = "";

    /// <summary>Operations for each byte that must move, for the roofline; 0: not a kernel.</summary>
    public double Intensity { get; init; }

    /// <summary>Operations a second, for the roofline.</summary>
    public double OperationRate { get; init; }

    /// <summary>Whether less of the unit is better.</summary>
    [JsonIgnore]
    public bool IsCost => Unit is "ms" or "MB";

    /// <summary>The line with its goal judged.</summary>
    public Result Judged(Goal goal) => this with { Goal = goal.Text, Holds = goal.Judge(this) };
}
