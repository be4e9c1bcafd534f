// What the feed-forward block gives, and what its ReLU: the same model with both, without the one, without the other.
// Vaswani et al. 2017, 3.3.
namespace Engine.Studies;

/// <summary>The feed-forward block with and without the ReLU.</summary>
public sealed class FeedForwardStudy
{
    private static readonly Variant[] Variants =
    [
        new("as in the paper"), new("without the ReLU", "model.activation=none"), new("without the layer", "model.hiddenDim=0"),
    ];

    private readonly StudyOptions _options;
    private readonly CancellationToken _cancellation;

    private FeedForwardStudy(StudyOptions options, CancellationToken cancellation) => (_options, _cancellation) = (options, cancellation);

    /// <summary>Runs the study.</summary>
    /// <param name="options">What computes, the seed, the form.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static StudyReport Run(StudyOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var study = new FeedForwardStudy(options, cancellation);
        return new StudyReport(
            "ffn", "The feed-forward block: with its ReLU, without it, and no block at all", options.Conditions,
            [
                study.Compare(
                    "Look-ups", SmallTask.Lookups, 16, 1000,
                    "Each answer stands in a table of 256 numbers that were drawn once: the row is a number of the source, "
                    + "the column its neighbour. So it depends on both together, and no sum of one function of each is equal to "
                    + "it."),
                study.Compare(
                    "Copies", SmallTask.Copy, 10, 600, "Each answer is a number of the source: nothing has to be computed, only found."),
            ]);
    }

    private StudySection Compare(
        string heading, Func<StudyRandom, int, int, int, int, TaskPair[]> task, int symbols, int fullSteps, string about)
    {
        const int Shortest = 3;
        int steps = _options.Quick ? 40 : fullSteps, longest = _options.Quick ? 5 : 8;
        TaskPair[] pairs = task(new StudyRandom(_options.Seed, 1), _options.Quick ? 500 : 30_000, Shortest, longest, symbols);
        TaskPair[] tests = task(new StudyRandom(_options.Seed, 2), _options.Quick ? 20 : 200, Shortest, longest, symbols);
        var comparison = new SmallComparison(_options, pairs, tests, steps);
        (StudyTable table, StudyPlot plot) = comparison.Run("feed-forward block", $"{heading}: loss of training", Variants, _cancellation);
        return new StudySection(
            heading,
            [
                about,
                $"Sequences of {Shortest} to {longest} of {symbols} numbers, one layer of encoder and decoder, 64 wide; "
                + comparison.Describe(),
            ],
            [table], [plot]);
    }
}
