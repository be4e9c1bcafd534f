// Several small models that learn the same task: losses by step, and what each knows at the end, over several seeds.
using static Engine.Studies.StudyCell;

namespace Engine.Studies;

/// <summary>One of the models that are compared.</summary>
/// <param name="Name">Its name in table and legend.</param>
/// <param name="Changes">What is other than usual, as in <c>model.heads=2</c>.</param>
internal sealed record Variant(string Name, params IReadOnlyList<string> Changes);

/// <summary>Compares models.</summary>
/// <param name="options">What computes, and the first seed.</param>
/// <param name="pairs">What is learned from.</param>
/// <param name="tests">What is asked at the end, and was not learned.</param>
/// <param name="steps">Steps of each training.</param>
internal sealed class SmallComparison(StudyOptions options, TaskPair[] pairs, TaskPair[] tests, int steps)
{
    // A loss that says that a task is learned, but for some mistakes.
    private const double Learned = 0.1;

    // One run may be lucky.
    private readonly int _runs = options.Quick ? 1 : 3;

    /// <summary>How the models learn and are asked, as a sentence.</summary>
    public string Describe() => FormattableString.Invariant(
        $"{steps:N0} steps with the same batches; then {tests.Length} sequences that were not learned are translated greedily. ")
        + (_runs == 1 ? "One run." : $"Means of {_runs} runs with seeds of their own, and the lowest and highest of them.");

    /// <summary>Trains all and asks them.</summary>
    /// <param name="what">What the models differ in: the head of the table's first column.</param>
    /// <param name="title">Title of the plot of losses.</param>
    /// <param name="variants">The models.</param>
    /// <param name="cancellation">Stops the work.</param>
    public (StudyTable Table, StudyPlot Plot) Run(
        string what, string title, IReadOnlyList<Variant> variants, CancellationToken cancellation)
    {
        using var training = new SmallTraining(options, pairs);
        List<IReadOnlyList<StudyCell>> rows = [];
        List<StudySeries> curves = [];
        foreach (Variant variant in variants)
        {
            var models = new SmallModel[_runs];
            for (int run = 0; run < _runs; run++)
            {
                string name = _runs == 1 ? variant.Name : $"{variant.Name}, run {run + 1}";
                models[run] = training.Run(name, steps, cancellation, [$"seed={options.Seed + run}", .. variant.Changes]);
            }

            Accuracy[] found = [.. models.Select(model => model.Test(tests, cancellation))];
            StudySeries curve = Mean(variant.Name, [.. models.Select(model => model.Curve(variant.Name))]);
            int learned = curve.Points.TakeWhile(static point => point.Y >= Learned).Count();
            rows.Add(
            [
                Of(variant.Name), learned < curve.Points.Count ? Of(curve.Points[learned].X) : default,
                Of(models.Average(static model => model.FinalLoss)), Of(found.Average(static one => one.Sentences)),
                Of(found.Min(static one => one.Sentences)), Of(found.Max(static one => one.Sentences)),
                Of(found.Average(static one => one.Tokens)),
            ]);
            curves.Add(curve);
        }

        return (
            new StudyTable(
                "After the last step",
                [
                    new(what), new("steps to a loss of 0.1", Format: "F0"), new("loss", "nat", "F4"),
                    new("sentences right", Format: "P1"), new("lowest", Format: "P1"),
                    new("highest", Format: "P1"), new("tokens right", Format: "P1"),
                ],
                rows),
            new StudyPlot(title, new StudyAxis("step"), new StudyAxis("loss", "nat"), curves, []));
    }

    private static StudySeries Mean(string name, StudySeries[] curves) => new(
        name, [.. curves[0].Points.Select((point, i) => new StudyPoint(point.X, curves.Average(curve => curve.Points[i].Y)))]);
}
