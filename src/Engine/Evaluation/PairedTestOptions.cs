// How a test of significance draws.
namespace Engine.Evaluation;

/// <summary>Options of <see cref="PairedTest"/>.</summary>
public sealed record PairedTestOptions
{
    /// <summary>Corpora or trials; null: 1,000 for the bootstrap, 10,000 for the randomization.</summary>
    public int? Samples { get; init; }

    /// <summary>The same seed gives the same draws, which are those of sacrebleu with this seed.</summary>
    public long Seed { get; init; } = 12345;

    /// <summary>
    /// Resampled corpora for the intervals of a randomization, which needs none itself; 0: no intervals. A bootstrap has its
    /// intervals from its own corpora.
    /// </summary>
    public int IntervalSamples { get; init; }
}
