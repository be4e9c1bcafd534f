// FFN(x) = max(0, x W₁ + b₁) W₂ + b₂ (Vaswani et al. 2017, 3.3), with any activation, and gated (Shazeer 2020).
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Layers;

/// <summary>The feed-forward block, the same for each position.</summary>
/// <param name="up">W₁, b₁: [hiddenDim, modelDim].</param>
/// <param name="gate">V of the gated form, activation(x W₁) ⊙ (x V): [hiddenDim, modelDim]; null: not gated.</param>
/// <param name="down">W₂, b₂: [modelDim, hiddenDim].</param>
/// <param name="activation">The function between.</param>
public sealed class FeedForward(LinearWeights up, LinearWeights? gate, LinearWeights down, Activation activation)
{
    /// <summary>Runs the block.</summary>
    /// <param name="backend">Runs it.</param>
    /// <param name="x">[rows, modelDim].</param>
    /// <returns>[rows, modelDim].</returns>
    public Tensor Forward(IBackend backend, in Tensor x)
    {
        Tensor hidden = backend.Linear(x, up, activation);
        if (gate is { } linear) hidden = backend.Multiply(hidden, backend.Linear(x, linear));
        return backend.Linear(hidden, down);
    }
}
