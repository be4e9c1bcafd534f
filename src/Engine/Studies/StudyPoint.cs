// A point of a plot.
namespace Engine.Studies;

/// <summary>A point, in the units of the axes.</summary>
/// <param name="X">Along the horizontal axis.</param>
/// <param name="Y">Along the vertical axis.</param>
public readonly record struct StudyPoint(double X, double Y);
