// A plot of a study: the numbers, and how they are to be drawn. Who draws them is not here.
namespace Engine.Studies;

/// <summary>A plot.</summary>
/// <param name="Title">What it shows, in a line.</param>
/// <param name="X">Horizontal axis.</param>
/// <param name="Y">Vertical axis.</param>
/// <param name="Series">Curves.</param>
/// <param name="Marks">Marked places.</param>
public sealed record StudyPlot(
    string Title, StudyAxis X, StudyAxis Y, IReadOnlyList<StudySeries> Series, IReadOnlyList<StudyMark> Marks);
