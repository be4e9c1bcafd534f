// Ways to run a model in less than float32, and how far a score may be off then. That is not chosen but measured on the CPU, which rounds
// weights and activations to bfloat16 or int8 too: to first order an error is proportional to the unit of rounding, so what bfloat16 (8
// bits) does to a score there, D, is D / 8 for types of 11 bits. Another order of sums turns roundings the other way, which is another
// draw of the same errors; two draws are at most twice as far apart.
using Engine.Backends;

namespace Engine.ModelCases;

/// <summary>A way to run a model on a device.</summary>
/// <param name="ComputeType">Type of the weights.</param>
/// <param name="Arithmetic">What factors of products are rounded to.</param>
/// <param name="Measured">The type whose rounding is measured on the CPU.</param>
/// <param name="Units">The unit of rounding, in those of the measured type.</param>
internal sealed record Precision(string ComputeType, Arithmetic Arithmetic, string Measured, double Units)
{
    private const double OfElevenBits = 1.0 / 8;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Precision> All { get; } =
    [
        new("float32", Arithmetic.TensorFloat32, "bfloat16", OfElevenBits),
        new("float32", Arithmetic.Float16, "bfloat16", OfElevenBits),
        new("float16", Arithmetic.Float32, "bfloat16", OfElevenBits),
        new("float32", Arithmetic.BFloat16, "bfloat16", 1),
        new("bfloat16", Arithmetic.Float32, "bfloat16", 1),
        new("int8", Arithmetic.Float32, "int8", 1),
    ];

    /// <summary>How far a token's score may be from float32's.</summary>
    /// <param name="exact">The CPU's answers in float32.</param>
    /// <param name="rounded">The CPU's answers in the measured type.</param>
    public double Bound(IReadOnlyList<CaseAnswer> exact, IReadOnlyList<CaseAnswer> rounded) =>
        2 * Units * CaseRun.LargestError(exact, rounded);

    /// <inheritdoc />
    public override string ToString() => $"{ComputeType} weights, {Arithmetic} products";
}
