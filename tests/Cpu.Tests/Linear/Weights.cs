// Weights of every type for the tests, and what they are worth in double precision.
using System.Runtime.InteropServices;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Simd;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Linear;

/// <summary>A weight matrix as a file holds it, with its numbers.</summary>
internal sealed class TestWeight
{
    public required HostTensor Host { get; init; }

    /// <summary>[outputs, inputs], what each element stands for; for integers the stored integers.</summary>
    public required double[] Values { get; init; }

    /// <summary>[outputs] for integers.</summary>
    public float[] Scales { get; init; } = [];

    public int Outputs => Host.Shape.Rows;

    public int Inputs => Host.Shape.Columns;

    public static TestWeight Create(DType type, int outputs, int inputs, int seed, string name = "weight")
    {
        var random = new Random(seed);
        var shape = new Shape(outputs, inputs);
        int count = outputs * inputs;
        var values = new double[count];
        switch (type)
        {
            case DType.Float32:
                var singles = new float[count];
                for (int i = 0; i < count; i++) values[i] = singles[i] = (float)((2 * random.NextDouble()) - 1);
                return new TestWeight { Host = HostTensor.FromValues(name, shape, singles), Values = values };
            case DType.Float16:
                var halves = new Half[count];
                for (int i = 0; i < count; i++)
                {
                    // One in eight is subnormal: those take another way through the widening.
                    double size = i % 8 == 0 ? 6e-5 : 1;
                    halves[i] = (Half)(((2 * random.NextDouble()) - 1) * size);
                    values[i] = (double)halves[i];
                }

                return new TestWeight { Host = Tensor(name, type, shape, halves), Values = values };
            case DType.BFloat16:
                var upper = new ushort[count];
                for (int i = 0; i < count; i++)
                {
                    upper[i] = (ushort)(BitConverter.SingleToUInt32Bits((float)((2 * random.NextDouble()) - 1)) >> 16);
                    values[i] = BitConverter.UInt32BitsToSingle((uint)upper[i] << 16);
                }

                return new TestWeight { Host = Tensor(name, type, shape, upper), Values = values };
            case DType.Int8:
                var bytes = new sbyte[count];
                for (int i = 0; i < count; i++) values[i] = bytes[i] = (sbyte)random.Next(-128, 128);
                float[] scales = [.. Enumerable.Range(0, outputs).Select(_ => 100 + (400 * random.NextSingle()))];
                HostTensor host = Tensor(name, type, shape, bytes, scales);
                return new TestWeight { Host = host, Values = values, Scales = scales };
            default:
                var words = new short[count];
                for (int i = 0; i < count; i++) values[i] = words[i] = (short)random.Next(-1024, 1025);
                float scale = 500 + (1000 * random.NextSingle());
                return new TestWeight
                {
                    Host = Tensor(name, DType.Int16, shape, words, [scale]),
                    Values = values,
                    Scales = [.. Enumerable.Repeat(scale, outputs)],
                };
        }
    }

    private static HostTensor Tensor<T>(string name, DType type, Shape shape, T[] elements, float[]? scales = null)
        where T : unmanaged =>
        new(name, type, shape, new MemorySource("test.bin", MemoryMarshal.AsBytes<T>(elements).ToArray()), 0, scales);
}

/// <summary>Runs operators on a rung that the machine may lack.</summary>
internal static class Run
{
    public static float[] Floats(int count, int seed, float size = 1)
    {
        var random = new Random(seed);
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = ((2 * random.NextSingle()) - 1) * size;
        return values;
    }

    public static float[] Linear(
        Rung rung, int threads, float[] x, int rows, TestWeight weight, float[]? bias = null,
        Activation activation = Activation.None, ActivationRounding rounding = ActivationRounding.Nearest,
        bool machineCode = true)
    {
        using var backend = new CpuBackend(rung, threads, machineCode);
        using Weight packed = backend.Pack([weight.Host], rounding);
        return Linear(backend, x, rows, packed, bias, activation);
    }

    public static float[] Linear(
        CpuBackend backend, float[] x, int rows, Weight weight, float[]? bias = null,
        Activation activation = Activation.None)
    {
        backend.BeginFrame();
        Tensor input = backend.Rent(new Shape(rows, weight.Inputs), DType.Float32);
        backend.Write(input, x);
        Tensor b = Tensor.None;
        if (bias != null)
        {
            b = backend.Rent(new Shape(1, bias.Length), DType.Float32);
            backend.Write(b, bias);
        }

        Tensor y = backend.Linear(input, new LinearWeights(weight, b), activation);
        Assert.Equal(new Shape(rows, weight.Outputs), y.Shape);
        var values = new float[rows * weight.Outputs];
        backend.Read(y, values);
        backend.EndFrame();
        return values;
    }

    public static int[] Bits(float[] values) => Array.ConvertAll(values, BitConverter.SingleToInt32Bits);
}
