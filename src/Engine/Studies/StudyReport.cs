// What a study found, as values: a terminal, a page and JSON show the same.
namespace Engine.Studies;

/// <summary>A study's measurements.</summary>
/// <param name="Name">The word for the study, as in <c>attention</c>.</param>
/// <param name="Title">What it asks, in a line.</param>
/// <param name="Conditions">What the numbers depend on: what computed, the seed, whether the form was the quick one.</param>
/// <param name="Sections">The parts, one a question.</param>
public sealed record StudyReport(
    string Name, string Title, IReadOnlyList<string> Conditions, IReadOnlyList<StudySection> Sections);
