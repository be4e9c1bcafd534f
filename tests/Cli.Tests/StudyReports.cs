// A report with everything that a study may say, and text that would be markup if a page were careless.
using Engine.Studies;

namespace Cli.Tests;

internal static class StudyReports
{
    public const string Markup = "<script>alert(1)</script>&\"";

    public static StudyReport Everything() => new(
        "all", $"A title {Markup}", ["cpu", "seed 1"],
        [
            new StudySection(
                "Numbers", [$"A sentence {Markup}", "Another."],
                [
                    new StudyTable(
                        "A table", [new("word"), new("time", "ms", "F2"), new("share", Format: "P0")],
                        [
                            [StudyCell.Of(Markup), StudyCell.Of(1234.567), StudyCell.Of(0.25)],
                            [StudyCell.Of("nothing"), default, StudyCell.Of(double.NaN)],
                        ]),
                ],
                [
                    new StudyPlot(
                        "Powers", new StudyAxis("n", IsLogarithmic: true), new StudyAxis("time", "ms", true),
                        [
                            new("square", [new(64, 4096), new(128, 16384), new(256, 65536)], new PowerLaw(2, 0.01, 1)),
                            new(Markup, [new(64, 640), new(128, 1280), new(512, 5120)]),
                        ],
                        [new StudyMark(100, 2000, "crossing"), new StudyMark(200, null, "here")]),
                    new StudyPlot(
                        "Line", new StudyAxis("step"), new StudyAxis("loss", "nat"),
                        [.. Enumerable.Range(0, 8).Select(static i => new StudySeries($"curve {i}", [new(0, i), new(10, -i), new(20, double.NaN)]))], []),
                ]),
        ]);

    /// <summary>A table as wide as the widest of the studies, that of Table 1.</summary>
    public static StudyReport Wide() => new(
        "wide", "A wide table", [],
        [
            new StudySection(
                "Table 1", [],
                [
                    new StudyTable(
                        "Complexity of a layer",
                        [
                            new("layer"), new("formula"), new("work: n"), new("work: d"), new("work: k or r"), new("time: n"),
                            new("time: d"), new("time: k or r"),
                        ],
                        [
                            [StudyCell.Of("restricted attention, groups"), StudyCell.Of("O(r · n · d)"), .. Powers()],
                            [StudyCell.Of("separable convolution"), StudyCell.Of("O(k · n · d + n · d²)"), .. Powers()],
                        ]),
                ],
                []),
        ]);

    private static IEnumerable<StudyCell> Powers() => Enumerable.Repeat(StudyCell.Of("1.00 ± 0.00"), 6);
}
