// The linear layer against its definition, and the promise that nothing around an output shows in its bits.
using CsCheck;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Simd;
using Engine.Reference;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Linear;

public class LinearTests
{
    private static readonly int[] AllRows = [1, 2, 3, 5, 6, 7, 8, 11, 12, 13, 64, 67];
    private static readonly int[] AllOutputs = [1, 15, 16, 17, 31, 32, 33, 48, 100];
    private static readonly int[] AllInputs = [0, 1, 3, 4, 5, 64, 511, 512, 513, 1009];

    public static TheoryData<DType> FloatTypes => [DType.Float32, DType.Float16, DType.BFloat16];

    public static TheoryData<DType> AllTypes => [DType.Float32, DType.Float16, DType.BFloat16, DType.Int8, DType.Int16];

    [Theory, MemberData(nameof(FloatTypes))]
    public void Float_weights_agree_with_double_precision(DType type)
    {
        foreach (int inputs in AllInputs)
        {
            foreach (int outputs in AllOutputs)
            {
                TestWeight weight = TestWeight.Create(type, outputs, inputs, seed: outputs + inputs);
                float[] bias = Run.Floats(outputs, seed: 3);
                foreach (int rows in AllRows)
                {
                    float[] x = Run.Floats(rows * inputs, seed: rows);
                    AssertClose(x, rows, weight, bias, Run.Linear(Ladder.Best, 1, x, rows, weight, bias));
                }
            }
        }
    }

    [Theory]
    [InlineData(DType.Int8, ActivationRounding.Nearest)]
    [InlineData(DType.Int8, ActivationRounding.Legacy)]
    [InlineData(DType.Int16, ActivationRounding.Nearest)]
    [InlineData(DType.Int16, ActivationRounding.Legacy)]
    public void Integer_weights_give_exactly_the_specified_float_operations(DType type, ActivationRounding rounding)
    {
        foreach (int inputs in AllInputs)
        {
            foreach (int outputs in AllOutputs)
            {
                TestWeight weight = TestWeight.Create(type, outputs, inputs, seed: outputs + inputs);
                float[] bias = Run.Floats(outputs, seed: 3);
                foreach (int rows in AllRows)
                {
                    float[] x = Run.Floats(rows * inputs, seed: rows, size: 3);
                    if (rows > 1) x.AsSpan(inputs, inputs).Clear();      // a row of zeros
                    float[] expected = ExpectedIntegers(x, rows, weight, bias, rounding);
                    Assert.Equal(Run.Bits(expected), Run.Bits(Run.Linear(
                        Ladder.Best, 1, x, rows, weight, bias, rounding: rounding)));
                }
            }
        }
    }

    [Theory, MemberData(nameof(AllTypes))]
    public void Every_rung_gives_the_same_bits(DType type)
    {
        (int Rows, int Outputs, int Inputs)[] shapes =
        [
            (1, 1, 1), (1, 17, 5), (1, 300, 64), (2, 100, 64), (3, 100, 65), (4, 33, 64), (5, 31, 13), (6, 16, 0),
            (7, 48, 64), (8, 33, 64), (9, 17, 3), (10, 40, 7), (11, 33, 16), (12, 64, 64), (13, 33, 64), (26, 49, 515),
            (150, 33, 258),
        ];
        foreach ((int rows, int outputs, int inputs) in shapes)
        {
            TestWeight weight = TestWeight.Create(type, outputs, inputs, seed: outputs);
            float[] x = Run.Floats(rows * inputs, seed: rows), bias = Run.Floats(outputs, seed: 4);
            int[] portable = Run.Bits(Run.Linear(Rung.Portable, 1, x, rows, weight, bias, Activation.Gelu));
            Assert.Equal(portable, Run.Bits(Run.Linear(Rung.Avx2, 1, x, rows, weight, bias, Activation.Gelu)));
            Assert.Equal(portable, Run.Bits(Run.Linear(Rung.Avx512, 1, x, rows, weight, bias, Activation.Gelu)));
            Assert.Equal(portable, Run.Bits(Run.Linear(
                Rung.Avx512, 1, x, rows, weight, bias, Activation.Gelu, machineCode: false)));
        }
    }

    [Theory, MemberData(nameof(AllTypes))]
    public void A_row_alone_has_the_bits_that_it_has_in_a_batch(DType type)
    {
        const int Outputs = 83, Inputs = 1030;
        TestWeight weight = TestWeight.Create(type, Outputs, Inputs, seed: 1);
        using var backend = new CpuBackend(Ladder.Best, 1);
        using Weight packed = backend.Pack([weight.Host]);
        float[] bias = Run.Floats(Outputs, seed: 5);
        foreach (int rows in new[] { 2, 3, 5, 8, 12, 13, 31, 110 })
        {
            float[] x = Run.Floats(rows * Inputs, seed: rows);
            float[] together = Run.Linear(backend, x, rows, packed, bias);
            for (int row = 0; row < rows; row++)
            {
                float[] alone = Run.Linear(backend, x[(row * Inputs)..((row + 1) * Inputs)], 1, packed, bias);
                Assert.Equal(Run.Bits(alone), Run.Bits(together[(row * Outputs)..((row + 1) * Outputs)]));
            }
        }
    }

    [Theory, MemberData(nameof(AllTypes))]
    public void The_number_of_threads_does_not_show(DType type)
    {
        (int Rows, int Outputs, int Inputs)[] shapes =
            [(1, 3000, 300), (3, 1500, 300), (40, 700, 300), (300, 300, 100)];
        foreach ((int rows, int outputs, int inputs) in shapes)
        {
            TestWeight weight = TestWeight.Create(type, outputs, inputs, seed: outputs);
            float[] x = Run.Floats(rows * inputs, seed: rows);
            int[] one = Run.Bits(Run.Linear(Ladder.Best, 1, x, rows, weight));
            Assert.Equal(one, Run.Bits(Run.Linear(Ladder.Best, 2, x, rows, weight)));
            Assert.Equal(one, Run.Bits(Run.Linear(Ladder.Best, 8, x, rows, weight)));
        }
    }

    [Fact]
    public void Random_shapes_agree_with_double_precision_on_every_rung()
    {
        Gen<int> rungs = Gen.Int[0, 2], threadCounts = Gen.Int[1, 3], seeds = Gen.Int[0, 1000];
        Gen.Select(Gen.Int[0, 40], Gen.Int[0, 70], Gen.Int[0, 90], rungs, threadCounts, seeds).Sample(
            (rows, outputs, inputs, rung, threads, seed) =>
            {
                TestWeight weight = TestWeight.Create(DType.Float32, outputs, inputs, seed);
                float[] x = Run.Floats(rows * inputs, seed + 1), bias = Run.Floats(outputs, seed + 2);
                AssertClose(x, rows, weight, bias, Run.Linear((Rung)rung, threads, x, rows, weight, bias));
            },
            iter: 200, threads: 1);
    }

    [Theory]
    [InlineData(Activation.None)]
    [InlineData(Activation.Relu)]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.GeluTanh)]
    [InlineData(Activation.GeluSigmoid)]
    [InlineData(Activation.Silu)]
    [InlineData(Activation.Tanh)]
    [InlineData(Activation.Sigmoid)]
    public void The_activation_comes_after_the_bias(Activation activation)
    {
        const int Rows = 7, Outputs = 37;
        TestWeight weight = TestWeight.Create(DType.Float32, Outputs, 0, seed: 1);
        float[] bias = Run.Floats(Outputs, seed: 1, size: 6);
        float[] found = Run.Linear(Ladder.Best, 1, [], Rows, weight, bias, activation);
        for (int i = 0; i < found.Length; i++)
        {
            // Inputs of 0 columns: the output is activation(bias). ActivationTests says how exact that is; every slope
            // is below 1.2.
            double expected = ActivationReference.Invoke(activation, bias[i % Outputs]);
            Assert.Equal(expected, found[i], 8 * ErrorBound.UnitRoundoff * 6);
        }
    }

    [Fact]
    public void No_rows_or_no_outputs_give_an_empty_tensor()
    {
        Assert.Empty(Run.Linear(Ladder.Best, 2, [], 0, TestWeight.Create(DType.Float32, 5, 3, 1)));
        Assert.Empty(Run.Linear(Ladder.Best, 2, new float[12], 4, TestWeight.Create(DType.Int8, 0, 3, 1)));
    }

    [Fact]
    public void Rows_may_have_gaps_between_them()
    {
        const int Rows = 9, Inputs = 30;
        foreach (DType type in new[] { DType.Float32, DType.Int8 })
        {
            TestWeight weight = TestWeight.Create(type, 20, Inputs, seed: 1);
            using var backend = new CpuBackend(Ladder.Best, 1);
            using Weight packed = backend.Pack([weight.Host]);
            float[] wide = Run.Floats(Rows * 50, seed: 2);
            float[] narrow =
                [.. Enumerable.Range(0, Rows).SelectMany(row => wide.AsSpan((row * 50) + 7, Inputs).ToArray())];
            float[] expected = Run.Linear(backend, narrow, Rows, packed);
            backend.BeginFrame();
            Tensor x = backend.Rent(new Shape(Rows, 50), DType.Float32);
            backend.Write(x, wide);
            var found = new float[expected.Length];
            backend.Read(backend.Linear(x.ColumnRange(7, Inputs), new LinearWeights(packed, Tensor.None)), found);
            Assert.Equal(Run.Bits(expected), Run.Bits(found));
        }
    }

    [Theory, MemberData(nameof(AllTypes))]
    public unsafe void Nothing_is_written_beyond_the_outputs(DType type)
    {
        const int Room = 1 << 16;
        const float Sentinel = 12345.678f;
        foreach (Rung rung in new[] { Rung.Portable, Rung.Avx2, Rung.Avx512 })
        {
            (int Rows, int Outputs)[] shapes =
                [(1, 1), (1, 17), (2, 65), (3, 130), (5, 15), (12, 33), (13, 31), (70, 17)];
            foreach ((int rows, int outputs) in shapes)
            {
                const int Inputs = 20;
                TestWeight weight = TestWeight.Create(type, outputs, Inputs, seed: 1);
                using var backend = new CpuBackend(rung, 1);
                using Weight packed = backend.Pack([weight.Host]);
                backend.BeginFrame();
                Tensor all = backend.Rent(new Shape(1, Room), DType.Float32);
                var memory = new Span<float>((float*)all.Handle, Room);
                memory.Fill(Sentinel);
                backend.EndFrame();
                backend.BeginFrame();
                Tensor x = backend.Rent(new Shape(rows, Inputs), DType.Float32);
                backend.Write(x, Run.Floats(rows * Inputs, seed: 2));
                Tensor y = backend.Linear(x, new LinearWeights(packed, Tensor.None));
                int end = (int)(((float*)y.Handle - (float*)all.Handle) + y.Shape.Count), line = (end + 15) / 16 * 16;
                Assert.True(end < Room);
                foreach (float value in memory[end..line]) Assert.Equal(Sentinel, value);

                // Behind the outputs lies scratch memory: at most the rows, quantised or not, and a number for each.
                int scratch = ((rows * Inputs) + 15) / 16 * 16, factors = (rows + 15) / 16 * 16;
                foreach (float value in memory[(line + scratch + factors)..]) Assert.Equal(Sentinel, value);
                backend.EndFrame();
            }
        }
    }

    [Fact]
    public void The_largest_int8_sum_is_exact()
    {
        const int Inputs = 131_071;
        var bytes = new byte[Inputs];
        bytes.AsSpan().Fill(0x80);                                       // −128, the largest magnitude
        var weight = new HostTensor("w", DType.Int8, new Shape(1, Inputs), new MemorySource("m", bytes), 0, [1f]);
        var x = new float[Inputs];
        x.AsSpan().Fill(-1f);
        foreach (Rung rung in new[] { Rung.Portable, Rung.Avx2, Rung.Avx512 })
        {
            using var backend = new CpuBackend(rung, 1);
            using Weight packed = backend.Pack([weight]);
            float sum = 127L * 128 * Inputs;
            Assert.Equal([sum * (1f / 127f)], Run.Linear(backend, x, 1, packed));
        }
    }

    [Fact]
    public void Int16_sums_wrap_as_32_bits_do()
    {
        var elements = new byte[] { 0x00, 0x80, 0x00, 0x80, 0x00, 0x80 };
        var weight = new HostTensor("w", DType.Int16, new Shape(1, 3), new MemorySource("m", elements), 0, [1f]);
        foreach (Rung rung in new[] { Rung.Portable, Rung.Avx2, Rung.Avx512 })
        {
            using var backend = new CpuBackend(rung, 1);
            using Weight packed = backend.Pack([weight]);
            int sum = unchecked(3 * (-32768 * -32768));                  // x is saturated to −32768
            Assert.Equal([sum * (1f / (1000f * 1f))], Run.Linear(backend, [-1000, -1000, -1000], 1, packed));
        }
    }

    [Fact]
    public void Arguments_are_checked()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        using Weight weight = backend.Pack([TestWeight.Create(DType.Float32, 5, 3, 1).Host]);
        backend.BeginFrame();
        Tensor narrow = backend.Rent(new Shape(2, 4), DType.Float32), x = backend.Rent(new Shape(2, 3), DType.Float32);
        Tensor integers = backend.Rent(new Shape(2, 3), DType.Int32);
        Tensor bias = backend.Rent(new Shape(1, 4), DType.Float32);
        var linear = new LinearWeights(weight, Tensor.None);
        var error = Assert.Throws<ArgumentException>(() => backend.Linear(narrow, linear));
        Assert.Contains("4 columns, expected 3", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => backend.Linear(integers, linear));
        Assert.Throws<ArgumentException>(() => backend.Linear(x, new LinearWeights(weight, bias)));
        Assert.Throws<ArgumentException>(() => backend.Linear(x, linear, (Activation)99));
        weight.Dispose();
        Assert.Throws<ObjectDisposedException>(() => backend.Linear(x, linear));
    }

    // A chain of K fused multiply-adds and the addition of the bias (Higham 2002, 3.1).
    private static void AssertClose(float[] x, int rows, TestWeight weight, float[] bias, float[] found)
    {
        double[] wide = ErrorBound.Widen(x);
        double[] sizes = Array.ConvertAll(wide, Math.Abs), weightSizes = Array.ConvertAll(weight.Values, Math.Abs);
        double[] expected = LinearReference.Rows(
            wide, weight.Values, ErrorBound.Widen(bias), rows, weight.Inputs, weight.Outputs);
        double[] size = LinearReference.Rows(
            sizes, weightSizes, Array.ConvertAll(bias, b => (double)Math.Abs(b)), rows, weight.Inputs, weight.Outputs);
        double gamma = ErrorBound.Gamma(weight.Inputs + 1);
        for (int i = 0; i < found.Length; i++)
        {
            double error = Math.Abs(expected[i] - found[i]), bound = (gamma * size[i]) + ErrorBound.Underflow;
            if (!(error <= bound))
            {
                Assert.Fail(
                    $"[{rows}, {weight.Inputs}] x [{weight.Outputs}]: output {i} is {found[i]}, not {expected[i]}.");
            }
        }
    }

    private static float[] ExpectedIntegers(
        float[] x, int rows, TestWeight weight, float[] bias, ActivationRounding rounding)
    {
        var y = new float[rows * weight.Outputs];
        for (int row = 0; row < rows; row++)
        {
            double[] values = ErrorBound.Widen(x.AsSpan(row * weight.Inputs, weight.Inputs));
            bool isInt8 = weight.Host.Type == DType.Int8;
            float scale = LinearReference.Int8Scale(values);
            int[] quantised = isInt8
                ? LinearReference.QuantiseInt8(values, scale, rounding)
                : LinearReference.QuantiseInt16(values, rounding);
            for (int output = 0; output < weight.Outputs; output++)
            {
                int sum = 0;
                for (int k = 0; k < weight.Inputs; k++)
                    sum += quantised[k] * (int)weight.Values[(output * weight.Inputs) + k];
                float scaled = isInt8
                    ? sum * (1f / scale) / weight.Scales[output]
                    : sum * (1f / (1000f * weight.Scales[output]));
                y[(row * weight.Outputs) + output] = scaled + bias[output];
            }
        }

        return y;
    }
}
