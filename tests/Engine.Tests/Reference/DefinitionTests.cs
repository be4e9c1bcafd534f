// The definitions against numbers from elsewhere: everything else is compared with them, so they must not be wrong.
using Engine.Backends;
using Engine.Reference;
using Xunit;

namespace Engine.Tests.Reference;

public sealed class DefinitionTests
{
    // The C library's erf and erfc.
    [Theory]
    [InlineData(0, 0, 1)]
    [InlineData(1e-10, 1.1283791670955126e-10, 0.999999999887162)]
    [InlineData(0.5, 0.5204998778130465, 0.4795001221869535)]
    [InlineData(1, 0.8427007929497149, 0.15729920705028513)]
    [InlineData(1.9999, 0.9953201979070294, 0.004679802092970608)]
    [InlineData(2, 0.9953222650189527, 0.004677734981047265)]
    [InlineData(3.5, 0.9999992569016276, 7.430983723414128e-07)]
    [InlineData(6, 1, 2.1519736712498916e-17)]
    public void The_error_function_is_that_of_the_C_library(double x, double erf, double erfc)
    {
        // 1 − erf loses a factor 200 of the precision just below x = 2.
        Assert.InRange(ActivationReference.Erf(x), erf * (1 - 1e-14), erf * (1 + 1e-14));
        Assert.Equal(-ActivationReference.Erf(x), ActivationReference.Erf(-x));
        Assert.InRange(ActivationReference.Erfc(x), erfc * (1 - 1e-12), erfc * (1 + 1e-12));
        Assert.InRange(ActivationReference.Erfc(-x), (1 + erf) * (1 - 1e-14), (1 + erf) * (1 + 1e-14));
    }

    [Fact]
    public void GeluTanh_is_the_formula_of_the_paper()
    {
        foreach (double x in new[] { -3, -0.7, 0, 0.3, 2.5 })
        {
            double paper = x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));
            Assert.Equal(paper, ActivationReference.Invoke(Activation.GeluTanh, x), 1e-14);
        }
    }

    [Fact]
    public void Layer_normalisation_divides_by_the_standard_deviation_of_the_row()
    {
        // Mean 5 and variance 4.
        double[] y = NormReference.Layer(
            [2, 4, 4, 4, 5, 5, 7, 9], [1, 1, 1, 1, 1, 1, 1, 2], [0, 0, 0, 0, 0, 0, 0, 1], 0);
        double[] expected = [-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 5];
        for (int i = 0; i < y.Length; i++) Assert.Equal(expected[i], y[i], 1e-14);
    }

    [Theory]
    [InlineData(ActivationRounding.Nearest, new[] { 127, -127, 64, -64, 0, 2, -2 })]
    [InlineData(ActivationRounding.Legacy, new[] { 127, -127, 63, -64, 0, 1, -3 })]
    public void Activations_become_int8_as_the_rounding_says(ActivationRounding rounding, int[] expected)
    {
        // s = 1, so the numbers are those that are rounded; ties go to even, legacy goes down.
        double[] row = [127, -127, 63.5, -63.5, 0, 1.5, -2.5];
        Assert.Equal(1f, LinearReference.Int8Scale(row));
        Assert.Equal(expected, LinearReference.QuantiseInt8(row, 1f, rounding));
        Assert.Equal(1f, LinearReference.Int8Scale([0, 0]));
    }

    [Theory]
    [InlineData(ActivationRounding.Nearest, new[] { 1000, -1000, 2, -2, 32767, -32768 })]
    [InlineData(ActivationRounding.Legacy, new[] { 1000, -1000, 1, -1, 32767, -32768 })]
    public void Activations_become_int16_as_the_rounding_says(ActivationRounding rounding, int[] expected) =>
        Assert.Equal(expected, LinearReference.QuantiseInt16([1, -1, 0.0017, -0.0017, 40, -40], rounding));

    [Fact]
    public void Attention_is_the_mean_of_the_values_where_all_scores_are_equal()
    {
        var spec = new AttentionSpec(1, 1, AttentionMask.Window(1, 0));
        double[] y = AttentionReference.Rows([0, 0, 0], [1, 2, 3], [1, 2, 4], [], [0, 3], [0, 3], 1, 1, spec);
        Assert.Equal([1, 1.5, 3], y);
    }

    [Fact]
    public void Attention_weighs_by_the_exponential_of_the_score()
    {
        var spec = new AttentionSpec(1, 0.5f, AttentionMask.None);
        double[] dot = AttentionReference.Weights([2], [0, Math.Log(3)], [], 0, 0, spec);
        Assert.Equal(0.25, dot[0], 1e-14);
        Assert.Equal(0.75, dot[1], 1e-14);

        // tanh(0.5 · ln 3) = 1/2, so the scores are 0 and 2 ln 3 · 1/2.
        double[] additive = AttentionReference.Weights(
            [0], [0, Math.Log(3) / 2], [2 * Math.Log(3)], 0, 0, spec with { Scale = 1 });
        Assert.Equal(0.25, additive[0], 1e-14);
        Assert.Equal(0.75, additive[1], 1e-14);
    }

    [Fact]
    public void A_reference_tensor_is_gone_when_its_frame_is()
    {
        using var backend = new ReferenceBackend();
        backend.BeginFrame();
        Tensors.Tensor x = backend.Rent(new Tensors.Shape(1, 1), Tensors.DType.Float32);
        backend.EndFrame();
        Assert.Equal(0, backend.LiveTables);
        Assert.Throws<InvalidOperationException>(() => backend.Read(x, new float[1]));
    }
}
