// What attention gives back: a gradient for each thing that it was given.
namespace Engine.Reference;

/// <summary>Gradients of attention.</summary>
/// <param name="Query">[queryRows, heads · headDim].</param>
/// <param name="Key">[keyRows, heads · headDim].</param>
/// <param name="Value">[keyRows, heads · valueDim].</param>
/// <param name="Score">[heads · headDim]; empty for dot-product attention.</param>
public sealed record AttentionGradients(double[] Query, double[] Key, double[] Value, double[] Score);
