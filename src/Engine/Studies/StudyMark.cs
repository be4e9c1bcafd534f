// A place in a plot that has a meaning, such as where two curves cross.
namespace Engine.Studies;

/// <summary>A marked place.</summary>
/// <param name="X">Along the horizontal axis.</param>
/// <param name="Y">Along the vertical axis; null: a line over all of its height.</param>
/// <param name="Label">What is there.</param>
public sealed record StudyMark(double X, double? Y, string Label);
