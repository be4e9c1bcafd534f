// A trained model, and sentences to look at its heads with.
namespace Engine.Studies;

/// <summary>What the study of heads looks at.</summary>
/// <param name="Model">Directory of the model.</param>
/// <param name="Sources">Sentences to translate.</param>
/// <param name="References">A reference for each.</param>
public sealed record HeadStudyInput(string Model, IReadOnlyList<string> Sources, IReadOnlyList<string> References);
