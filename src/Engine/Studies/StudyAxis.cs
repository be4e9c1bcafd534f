// An axis of a plot.
namespace Engine.Studies;

/// <summary>An axis.</summary>
/// <param name="Title">What is along it.</param>
/// <param name="Unit">Its unit, as in <c>ms</c>; null: a number without one.</param>
/// <param name="IsLogarithmic">Whether equal distances are equal factors; what is not above 0 is then not drawn.</param>
public sealed record StudyAxis(string Title, string? Unit = null, bool IsLogarithmic = false)
{
    /// <summary>Title and unit.</summary>
    public string Heading => Unit is null ? Title : $"{Title} ({Unit})";
}
