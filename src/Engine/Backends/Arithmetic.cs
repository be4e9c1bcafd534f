// What a device with tensor cores multiplies: they take rounded factors, at ten times the speed and more.
using System.Diagnostics.CodeAnalysis;

namespace Engine.Backends;

/// <summary>
/// What the factors of products with float32 weights and of attention are rounded to. Sums, softmax and all else are float32.
/// Weights of 8 and 16 bits stay what they are; where this is not <see cref="Float32"/>, activations are rounded to the 16 bits of a
/// weight. To a float16 weight they are in any case, unless results must not depend on their batch. Where rounding saves no time, as in
/// products of a few rows, it may be left out.
/// </summary>
[SuppressMessage("Naming", "CA1720", Justification = "The field calls the types by these names.")]
public enum Arithmetic
{
    /// <summary>Not at all.</summary>
    Float32,

    /// <summary>TF32: the range of float32, 11 bits of precision.</summary>
    TensorFloat32,

    /// <summary>bfloat16: the range of float32, 8 bits of precision. Weights are stored so.</summary>
    BFloat16,

    /// <summary>
    /// float16: 11 bits of precision, magnitudes up to 65,504; activations beyond become that, weights beyond are refused. Weights
    /// are stored so. Gradients would vanish in it: a training multiplies by weights in <see cref="TensorFloat32"/> instead.
    /// </summary>
    Float16,
}
