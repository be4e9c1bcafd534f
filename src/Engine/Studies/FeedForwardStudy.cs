// What the feed-forward block gives, and what its ReLU: the same model with both, without the one, without the other.
// Vaswani et al. 2017, 3.3.
using static Engine.Studies.StudyCell;

namespace Engine.Studies;

/// <summary>The feed-forward block with and without the ReLU.</summary>
public sealed class FeedForwardStudy
{
    private const int Symbols = 10;

    private static readonly (string Name, string[] Changes)[] Kinds =
        [("as in the paper", []), ("without the ReLU", ["model.activation=none"])];

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
            "ffn", "The feed-forward block, with and without its ReLU", options.Conditions,
            [
                study.Compare(
                    "Sums of neighbours", SmallTask.Sums,
                    $"Each answer is the sum of two neighbouring digits modulo {Symbols}: a function of two tokens that is not a sum of a function of "
                    + "the one and a function of the other."),
                study.Compare("Copies", SmallTask.Copy, "Each answer is a digit of the source: nothing has to be computed, only found."),
            ]);
    }

    private StudySection Compare(string heading, Func<StudyRandom, int, int, int, int, TaskPair[]> task, string about)
    {
        int steps = _options.Quick ? 40 : 1500, longest = _options.Quick ? 5 : 8;
        using var training = new SmallTraining(_options, task(new StudyRandom(_options.Seed, 1), _options.Quick ? 500 : 30_000, 2, longest, Symbols));
        TaskPair[] tests = task(new StudyRandom(_options.Seed, 2), _options.Quick ? 20 : 200, 2, longest, Symbols);
        List<IReadOnlyList<StudyCell>> rows = [];
        List<StudySeries> curves = [];
        foreach ((string name, string[] changes) in Kinds)
        {
            SmallModel model = training.Run($"{heading.ToLowerInvariant()}, {name}", steps, _cancellation, changes);
            Accuracy accuracy = model.Test(tests, _cancellation);
            rows.Add([Of(name), Of(model.FinalLoss), Of(accuracy.Sentences), Of(accuracy.Tokens)]);
            curves.Add(model.Curve(name));
        }

        return new StudySection(
            heading,
            [
                about,
                $"Sequences of 2 to {longest} digits, one layer of encoder and decoder, {steps:N0} steps from the same weights with the same batches; "
                + $"{tests.Length} sequences that were not learned are translated greedily.",
            ],
            [
                new StudyTable(
                    "After the last step",
                    [new("feed-forward block"), new("loss", Format: "F4"), new("sentences right", Format: "P1"), new("tokens right", Format: "P1")], rows),
            ],
            [new StudyPlot($"{heading}: loss of training", new StudyAxis("step"), new StudyAxis("loss", "nat"), curves, [])]);
    }
}
