// What a training ends with.
namespace Engine.Training;

/// <summary>A model that was trained.</summary>
/// <param name="Model">Its directory.</param>
/// <param name="Step">Steps that were done.</param>
/// <param name="EndedEarly">Whether no validation got better for so long that training ended before its last step.</param>
/// <param name="Averaged">Steps whose weights the model is the mean of.</param>
/// <param name="Validation">Its figures; null: there was nothing to validate with.</param>
public sealed record TrainingResult(
    string Model, int Step, bool EndedEarly, IReadOnlyList<int> Averaged, ValidationReport? Validation);
