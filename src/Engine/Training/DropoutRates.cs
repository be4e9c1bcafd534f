// Where numbers are dropped in training (Vaswani et al. 2017, 5.4), and how many.
namespace Engine.Training;

/// <summary>Shares that are dropped, 0 .. below 1.</summary>
/// <param name="Residual">Of what a sub-layer gives, before it is added, and of the embeddings.</param>
/// <param name="Attention">Of the attention weights.</param>
/// <param name="Activation">Of what the activation between two linear layers gives.</param>
public readonly record struct DropoutRates(float Residual, float Attention, float Activation);
