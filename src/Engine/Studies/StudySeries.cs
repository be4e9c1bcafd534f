// Points that belong together, drawn as one curve.
namespace Engine.Studies;

/// <summary>A curve of a plot.</summary>
/// <param name="Name">Its name in the legend.</param>
/// <param name="Points">Its points, by ascending x.</param>
/// <param name="Fit">A power law through them that is drawn too; null: none.</param>
public sealed record StudySeries(string Name, IReadOnlyList<StudyPoint> Points, PowerLaw? Fit = null);
