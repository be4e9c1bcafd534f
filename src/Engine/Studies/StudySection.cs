// One question of a study: sentences that say what was done and seen, tables, and plots.
namespace Engine.Studies;

/// <summary>A part of a report.</summary>
/// <param name="Heading">What it is about.</param>
/// <param name="Text">Sentences, a paragraph each.</param>
/// <param name="Tables">Tables, shown after the text.</param>
/// <param name="Plots">Plots, shown after the tables.</param>
public sealed record StudySection(
    string Heading, IReadOnlyList<string> Text, IReadOnlyList<StudyTable> Tables, IReadOnlyList<StudyPlot> Plots);
