// Rows and columns of a study: numbers keep all their digits here; how many are shown is the column's business.
namespace Engine.Studies;

/// <summary>A table.</summary>
/// <param name="Caption">What it shows, in a line.</param>
/// <param name="Columns">Columns, from the left.</param>
/// <param name="Rows">Rows, each with a cell for each column.</param>
public sealed record StudyTable(
    string Caption, IReadOnlyList<StudyColumn> Columns, IReadOnlyList<IReadOnlyList<StudyCell>> Rows);
