// Norms and element-wise arithmetic against their definition, within bounds that follow from the steps of the kernel.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Simd;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Rows;

public sealed class NormTests
{
    private const double U = ErrorBound.UnitRoundoff;

    public static TheoryData<int> Widths => [1, 15, 16, 17, 63, 64, 65, 100, 512, 513, 1024, 32_000];

    [Theory, MemberData(nameof(Widths))]
    public void Norms_agree_with_double_precision(int columns)
    {
        foreach (bool isRms in new[] { false, true })
        {
            foreach (bool hasBias in new[] { false, true })
            {
                foreach (float mean in new[] { 0f, 40f })
                {
                    float[] x = Array.ConvertAll(Tensors.Random(3 * columns, columns), value => value + mean);
                    float[] gain = Tensors.Random(columns, 2), bias = Tensors.Random(columns, 3);
                    float[] found = Norm(x, gain, bias, 3, columns, isRms, hasBias);
                    for (int row = 0; row < 3; row++)
                        Check(Tensors.Row(x, row, columns), gain, hasBias ? bias : [], isRms, Tensors.Row(found, row, columns));
                }
            }
        }
    }

    [Fact]
    public void A_constant_row_gives_the_bias()
    {
        float[] x = new float[100], gain = Tensors.Random(100, 2), bias = Tensors.Random(100, 3);
        Array.Fill(x, 2.5f);   // 100 · 2.5 is exact
        Assert.Equal(bias, Norm(x, gain, bias, 1, 100, isRms: false, hasBias: true));
    }

    [Theory, MemberData(nameof(Widths))]
    public void Fused_addition_and_norm_are_an_addition_and_a_norm(int columns)
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        backend.BeginFrame();
        Tensor x = Tensors.Floats(backend, Tensors.Random(3 * columns, 1), 3, columns);
        Tensor residual = Tensors.Floats(backend, Tensors.Random(3 * columns, 2), 3, columns);
        Tensor gain = Tensors.Floats(backend, Tensors.Random(columns, 3), 1, columns);
        foreach (bool isRms in new[] { false, true })
        {
            var weights = new NormWeights(gain, Tensor.None, 1e-5f, isRms);
            Tensor sum = backend.Add(x, residual);
            int[] expected = RowOperators.Bits(backend, backend.Norm(sum, weights));
            Assert.Equal(expected, RowOperators.Bits(backend, backend.AddNorm(x, residual, weights)));
            Assert.Equal(expected, RowOperators.Bits(backend, backend.AddNorm(x, residual, weights, out Tensor foundSum)));
            Assert.Equal(RowOperators.Bits(backend, sum), RowOperators.Bits(backend, foundSum));
        }

        backend.EndFrame();
    }

    [Theory, MemberData(nameof(Widths))]
    public void Additions_and_multiplications_are_rounded_once(int columns)
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        backend.BeginFrame();
        float[] a = Tensors.Random(2 * columns, 1), b = Tensors.Random(2 * columns, 2);
        Tensor x = Tensors.Floats(backend, a, 2, columns), y = Tensors.Floats(backend, b, 2, columns);
        Assert.Equal(a.Zip(b, static (p, q) => p + q), Tensors.Read(backend, backend.Add(x, y)));
        Assert.Equal(a.Zip(b, static (p, q) => p * q), Tensors.Read(backend, backend.Multiply(x, y)));
        backend.EndFrame();
    }

    [Fact]
    public void Wrong_arguments_are_named_with_what_was_found_and_expected()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        backend.BeginFrame();
        Tensor x = backend.Rent(new Shape(2, 8), DType.Float32), narrow = backend.Rent(new Shape(2, 7), DType.Float32);
        Tensor gain = backend.Rent(new Shape(1, 8), DType.Float32), wide = backend.Rent(new Shape(1, 9), DType.Float32);
        Tensor integers = backend.Rent(new Shape(2, 8), DType.Int32);
        var weights = new NormWeights(gain, Tensor.None, 1e-5f);

        Refuses("y is float32 [2, 7], expected the shape of x, [2, 8].", () => backend.Add(x, narrow));
        Refuses("y is int32 [2, 8], expected float32 [rows, columns].", () => backend.Multiply(x, integers));
        Refuses("x is none, expected float32 [rows, columns].", () => backend.Norm(Tensor.None, weights));
        Refuses("residual is float32 [2, 7], expected the shape of x, [2, 8].", () => backend.AddNorm(x, narrow, weights));
        Refuses("residual is float32 [2, 7], expected the shape of x, [2, 8].", () => backend.AddNorm(x, narrow, weights, out _));
        Refuses("weights.Gain is float32 [1, 9], expected float32 [1, 8].", () => backend.Norm(x, weights with { Gain = wide }));
        Refuses("weights.Gain is none, expected float32 [1, 8].", () => backend.Norm(x, default));
        Refuses("weights.Bias is float32 [1, 9], expected float32 [1, 8].", () => backend.Norm(x, weights with { Bias = wide }));
        Refuses("weights.Epsilon is NaN, expected at least 0.", () => backend.Norm(x, weights with { Epsilon = float.NaN }));
        backend.EndFrame();
    }

    internal static void Refuses(string message, Action action)
    {
        var found = Assert.ThrowsAny<ArgumentException>(action);
        Assert.StartsWith(message, found.Message, StringComparison.Ordinal);
    }

    private static float[] Norm(float[] x, float[] gain, float[] bias, int rows, int columns, bool isRms, bool hasBias)
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        backend.BeginFrame();
        Tensor b = hasBias ? Tensors.Floats(backend, bias, 1, columns) : Tensor.None;
        var weights = new NormWeights(Tensors.Floats(backend, gain, 1, columns), b, 1e-5f, isRms);
        float[] y = Tensors.Read(backend, backend.Norm(Tensors.Floats(backend, x, rows, columns), weights));
        backend.EndFrame();
        return y;
    }

    // A lane of a chain adds ⌈columns / 64⌉ numbers, and 6 more additions join chains and lanes. The mean is off by at most
    // δ = γ(chain + 1) · mean |x|. A squared distance is off by δ² on average (its sum with the distances is 0) and by its own
    // roundings; the root halves that. Then one difference, two products and a sum for each element.
    private static void Check(float[] x, float[] gain, float[] bias, bool isRms, float[] found)
    {
        double[] wide = ErrorBound.Widen(x), wideGain = ErrorBound.Widen(gain), wideBias = ErrorBound.Widen(bias);
        double[] expected = isRms
            ? NormReference.Rms(wide, wideGain, wideBias, 1e-5f)
            : NormReference.Layer(wide, wideGain, wideBias, 1e-5f);
        int chain = ((x.Length + 63) / 64) + 6;
        double mean = isRms ? 0 : wide.Average();
        double variance = wide.Average(value => (value - mean) * (value - mean)) + 1e-5f;
        double shift = isRms ? 0 : ErrorBound.Gamma(chain + 1) * wide.Average(Math.Abs);
        double scale = ((ErrorBound.Gamma(chain + 5) + (shift * shift / variance)) / 2) + (3 * U);
        for (int i = 0; i < x.Length; i++)
        {
            double distance = Math.Abs(wide[i] - mean) + shift;
            double bound = (Math.Abs(gain[i]) / Math.Sqrt(variance) * ((distance * (scale + (3 * U))) + shift)) +
                (U * Math.Abs(expected[i])) + ErrorBound.Underflow;
            Assert.InRange(Math.Abs(expected[i] - found[i]), 0, bound * 1.001);   // terms of second order
        }
    }
}
