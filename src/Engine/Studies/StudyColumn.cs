// A column of a study's table: its name, its unit, and how its numbers are written.
namespace Engine.Studies;

/// <summary>A column.</summary>
/// <param name="Name">What it holds.</param>
/// <param name="Unit">Unit of its numbers, as in <c>ms</c>; null: they have none, or it is text.</param>
/// <param name="Format">Format of its numbers, as .NET has it, in the invariant culture.</param>
public sealed record StudyColumn(string Name, string? Unit = null, string Format = "G4")
{
    /// <summary>Name and unit, as a table's head has them.</summary>
    public string Heading => Unit is null ? Name : $"{Name} ({Unit})";
}
