// The functions that stand between the two linear layers of a feed-forward block.
namespace Engine.Backends;

/// <summary>A function of one number.</summary>
public enum Activation
{
    /// <summary>x.</summary>
    None,

    /// <summary>max(x, 0) (Vaswani et al. 2017, 3.3).</summary>
    Relu,

    /// <summary>x · Φ(x), with the error function (Hendrycks and Gimpel 2016).</summary>
    Gelu,

    /// <summary>x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))) (Hendrycks and Gimpel 2016).</summary>
    GeluTanh,

    /// <summary>x · σ(1.702 x) (Hendrycks and Gimpel 2016).</summary>
    GeluSigmoid,

    /// <summary>x · σ(x), also called swish (Elfwing et al. 2017).</summary>
    Silu,

    /// <summary>tanh(x).</summary>
    Tanh,

    /// <summary>σ(x) = 1 / (1 + e⁻ˣ).</summary>
    Sigmoid,
}
