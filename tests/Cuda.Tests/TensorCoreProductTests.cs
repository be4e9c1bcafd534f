// Linear layers in the arithmetics of tensor cores: what is rounded, what stays as the model has it, and what is refused.
using Engine.Backends;
using Engine.Conformance;
using Engine.Cuda;
using Engine.Formats;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cuda.Tests;

public sealed class TensorCoreProductTests : ConformanceHarness
{
    private Arithmetic _arithmetic;

    public static TheoryData<Arithmetic> Arithmetics => [.. TensorCoreRounding.All];

    protected override IBackend Create() => Device.Open(usesOwnProducts: false, _arithmetic);

    // More rows than the kernels take that are bound by reading the weights, and that round nothing.
    [Theory, MemberData(nameof(Arithmetics))]
    public void Both_factors_are_rounded_and_sums_are_float32(Arithmetic arithmetic)
    {
        _arithmetic = arithmetic;
        foreach ((int rows, int inputs, int outputs) in new[] { (9, 1, 1), (10, 512, 37), (17, 31, 32), (64, 65, 63), (15, 64, 97) })
        {
            float[] x = Values(rows * inputs, seed: 1), weight = Values(outputs * inputs, seed: 2, 0.1), bias = Values(outputs, seed: 3);
            double[] roundedX = Widen(TensorCoreRounding.Round(arithmetic, x));
            double[] roundedWeight = Widen(TensorCoreRounding.Round(arithmetic, weight));
            float[] found = Run(b => b.Linear(
                Put(b, rows, inputs, x, view: true),
                new LinearWeights(Pack(b, default, HostTensor.FromValues("w", new Shape(outputs, inputs), weight)), PutVector(b, bias)),
                Activation.Gelu));
            AssertWithin(
                $"{arithmetic} [{rows}, {inputs}] to {outputs}",
                LinearReference.Rows(roundedX, roundedWeight, Widen(bias), rows, inputs, outputs, Activation.Gelu), found,
                OperatorBound.Linear(roundedX, roundedWeight, Widen(bias), rows, inputs, outputs, Activation.Gelu), outputs);
        }
    }

    [Theory]
    [InlineData(Arithmetic.Float32, DType.Float32)]
    [InlineData(Arithmetic.TensorFloat32, DType.Float32)]
    [InlineData(Arithmetic.BFloat16, DType.BFloat16)]
    [InlineData(Arithmetic.Float16, DType.Float16)]
    public void Weights_of_float32_are_stored_as_they_are_used(Arithmetic arithmetic, DType stored)
    {
        _arithmetic = arithmetic;
        Assert.Equal(stored, Pack(Backend, default, HostMatrix.Create(DType.Float32, 3, 5, Values(15, seed: 4)).Tensor).Type);
        foreach (DType type in new[] { DType.Float16, DType.BFloat16, DType.Int8, DType.Int16 })
            Assert.Equal(type, Pack(Backend, default, HostMatrix.Create(type, 3, 5, Values(15, seed: 5)).Tensor).Type);
    }

    [Theory]
    [InlineData(DType.BFloat16)]
    [InlineData(DType.Float16)]
    public void Activations_become_what_a_weight_of_16_bits_is(DType type)
    {
        _arithmetic = Arithmetic.TensorFloat32;
        HostMatrix weight = HostMatrix.Create(type, 33, 70, Values(33 * 70, seed: 6));
        float[] x = Values(9 * 70, seed: 7);
        float[] Of(float[] values) =>
            Run(b => b.Linear(Put(b, 9, 70, values), new LinearWeights(Pack(b, default, weight.Tensor), Tensor.None)));
        Arithmetic ofWeight = type == DType.Float16 ? Arithmetic.Float16 : Arithmetic.BFloat16;
        AssertSameBits($"{type}", Of(TensorCoreRounding.Round(ofWeight, x)), Of(x));
    }

    [Fact]
    public void Activations_beyond_float16_become_its_largest_number_and_no_number_stays_none()
    {
        _arithmetic = Arithmetic.Float32;
        HostMatrix one = HostMatrix.Create(DType.Float16, 1, 1, [1f]);
        float[] x = [1e6f, float.NegativeInfinity, 65520f, float.NaN, 1e-9f, 1f, 2f, 3f, 4f, 5f];
        float[] found = Run(b => b.Linear(Put(b, x.Length, 1, x), new LinearWeights(Pack(b, default, one.Tensor), Tensor.None)));
        Assert.Equal([65504f, -65504f, 65504f, float.NaN, 0f, 1f, 2f, 3f, 4f, 5f], found);
    }

    [Fact]
    public void A_weight_beyond_float16_is_refused_with_its_place()
    {
        _arithmetic = Arithmetic.Float16;
        float[] values = new float[12];
        values[7] = -70_000f;
        var refused = Assert.Throws<ModelFormatException>(
            () => Backend.Pack([HostTensor.FromValues("w", new Shape(3, 4), values)]));
        Assert.Equal(("w[1, 3]", "-70000", "a number that float16 can hold"), (refused.Field, refused.Found, refused.Expected));
    }

    [Theory, MemberData(nameof(Arithmetics))]
    public void Gradients_of_weights_are_products_in_the_same_arithmetic(Arithmetic arithmetic)
    {
        _arithmetic = arithmetic;
        const int Rows = 40, Inputs = 33, Outputs = 17;
        Arithmetic ofGradients = arithmetic == Arithmetic.Float16 ? Arithmetic.TensorFloat32 : arithmetic;   // its range is too small
        float[] x = Values(Rows * Inputs, seed: 8), dy = Values(Rows * Outputs, seed: 9, 1e-6);
        float[] found = Run(b =>
        {
            Tensor gradient = Put(b, Outputs, Inputs, new float[Outputs * Inputs]);
            ((CudaBackend)b).LinearBackward(Put(b, Rows, Inputs, x), Put(b, Rows, Outputs, dy), gradient, Tensor.None);
            return gradient;
        });
        double[] turnedX = Turned(TensorCoreRounding.Round(ofGradients, x), Rows, Inputs);
        double[] turnedDy = Turned(TensorCoreRounding.Round(ofGradients, dy), Rows, Outputs);
        AssertWithin(
            $"{arithmetic}", LinearReference.Rows(turnedDy, turnedX, [], Outputs, Rows, Inputs), found,
            OperatorBound.Linear(turnedDy, turnedX, [], Outputs, Rows, Inputs), Inputs);
    }

    private static double[] Turned(float[] values, int rows, int columns) =>
        [.. Enumerable.Range(0, rows * columns).Select(i => (double)values[(i % rows * columns) + (i / rows)])];
}
