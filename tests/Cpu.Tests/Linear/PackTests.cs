// What may be packed, what is refused, and that memory is given back.
using System.Runtime.InteropServices;
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Memory;
using Engine.Cpu.Simd;
using Engine.Formats;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Linear;

[Collection(nameof(NativeMemoryTests))]
public class PackTests
{
    public static TheoryData<DType> AllTypes => LinearTests.AllTypes;

    [Theory, MemberData(nameof(AllTypes))]
    public void Stacked_parts_are_as_one_matrix(DType type)
    {
        const int Inputs = 21, Rows = 4;
        TestWeight[] parts =
        [
            TestWeight.Create(type, 5, Inputs, 1), TestWeight.Create(type, 0, Inputs, 2),
            TestWeight.Create(type, 30, Inputs, 3), TestWeight.Create(type, 1, Inputs, 4),
        ];
        float[] x = Run.Floats(Rows * Inputs, seed: 5);
        using var backend = new CpuBackend(Ladder.Best, 1);
        using Weight together = backend.Pack([.. parts.Select(part => part.Host)]);
        Assert.Equal(36, together.Outputs);
        Assert.Equal(Inputs, together.Inputs);
        Assert.Equal(type, together.Type);
        float[] found = Run.Linear(backend, x, Rows, together);
        int output = 0;
        foreach (TestWeight part in parts)
        {
            using Weight alone = backend.Pack([part.Host]);
            float[] expected = Run.Linear(backend, x, Rows, alone);
            for (int row = 0; row < Rows; row++)
            {
                Assert.Equal(
                    Run.Bits(expected[(row * part.Outputs)..((row + 1) * part.Outputs)]),
                    Run.Bits(found[((row * 36) + output)..((row * 36) + output + part.Outputs)]));
            }

            output += part.Outputs;
        }
    }

    [Fact]
    public void Parts_of_different_type_or_width_are_refused()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        HostTensor a = TestWeight.Create(DType.Float32, 2, 3, 1, "a").Host;
        Assert.Throws<ArgumentException>(() => backend.Pack([]));
        Assert.Throws<ArgumentException>(() => backend.Pack([a, TestWeight.Create(DType.Float32, 2, 4, 1, "b").Host]));
        var error = Assert.Throws<ArgumentException>(
            () => backend.Pack([a, TestWeight.Create(DType.Float16, 2, 3, 1, "b").Host]));
        Assert.Contains("b float16 [2, 3] stands under a float32 [2, 3]", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(DType.Float32, 0x7FC00000, "NaN")]
    [InlineData(DType.Float32, 0xFF800000, "infinite")]
    [InlineData(DType.Float32, 0x7F800001, "NaN")]
    [InlineData(DType.Float16, 0x7E00, "NaN")]
    [InlineData(DType.Float16, 0xFC00, "infinite")]
    [InlineData(DType.BFloat16, 0x7FC0, "NaN")]
    [InlineData(DType.BFloat16, 0x7F80, "infinite")]
    public void A_number_that_is_not_finite_is_refused_by_its_place(DType type, uint bits, string found)
    {
        const int Rows = 40, Columns = 7, Row = 19, Column = 3;
        int size = type.Bytes();
        var bytes = new byte[Rows * Columns * size];
        MemoryMarshal.AsBytes([bits])[..size].CopyTo(bytes.AsSpan(((Row * Columns) + Column) * size));
        var source = new MemorySource("a.bin", bytes);
        var tensor = new HostTensor("layer.weight", type, new Shape(Rows, Columns), source, 0);
        using var backend = new CpuBackend(Ladder.Best, 1);
        long before = NativeBuffer.LiveBytes;
        var error = Assert.Throws<ModelFormatException>(() => backend.Pack([tensor]));
        Assert.Equal($"a.bin: layer.weight[19, 3] is {found}, expected a finite number.", error.Message);
        Assert.Equal(before, NativeBuffer.LiveBytes);
    }

    [Fact]
    public void The_largest_finite_numbers_are_taken()
    {
        float[] values = [float.MaxValue, float.MinValue, float.Epsilon, -0f];
        using var backend = new CpuBackend(Ladder.Best, 1);
        using Weight weight = backend.Pack([HostTensor.FromValues("w", new Shape(4, 1), values)]);
        Assert.Equal(values, Run.Linear(backend, [1f], 1, weight));
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_scale_that_is_no_positive_number_is_refused(float scale)
    {
        var source = new MemorySource("a.bin", new byte[6]);
        var tensor = new HostTensor("w", DType.Int8, new Shape(2, 3), source, 0, [1f, scale]);
        using var backend = new CpuBackend(Ladder.Best, 1);
        var error = Assert.Throws<ModelFormatException>(() => backend.Pack([tensor]));
        Assert.Contains("scale 1 of w", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_number_of_scales_is_checked()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        var source = new MemorySource("a.bin", new byte[12]);
        var shape = new Shape(2, 3);
        HostTensor[] wrong =
        [
            new("w", DType.Int8, shape, source, 0, [1f]), new("w", DType.Int8, shape, source, 0, [1f, 1f, 1f]),
            new("w", DType.Int16, shape, source, 0, []), new("w", DType.Int16, shape, source, 0, [1f, 1f]),
        ];
        foreach (HostTensor tensor in wrong) Assert.Throws<ModelFormatException>(() => backend.Pack([tensor]));
    }

    [Fact]
    public void Integers_without_scales_mean_themselves()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        var source = new MemorySource("a.bin", new byte[] { 3, 0 });
        using Weight bytes = backend.Pack([new HostTensor("w", DType.Int8, new Shape(1, 1), source, 0)]);
        using Weight words = backend.Pack([new HostTensor("w", DType.Int16, new Shape(1, 1), source, 0)]);
        Assert.Equal([127f * 3 * (1f / 127f)], Run.Linear(backend, [1f], 1, bytes));
        Assert.Equal([1000f * 3 * (1f / 1000f)], Run.Linear(backend, [1f], 1, words));
    }

    [Fact]
    public void An_int8_width_whose_sums_could_overflow_is_refused()
    {
        var tensor = new HostTensor(
            "w", DType.Int8, new Shape(1, 131_072), new MemorySource("a.bin", new byte[131_072]), 0, [1f]);
        using var backend = new CpuBackend(Ladder.Best, 1);
        Assert.Throws<ModelFormatException>(() => backend.Pack([tensor]));
    }

    [Theory, MemberData(nameof(AllTypes))]
    public void Disposal_gives_the_memory_back_once(DType type)
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        long before = NativeBuffer.LiveBytes;
        Weight weight = backend.Pack([TestWeight.Create(type, 33, 10, 1).Host]);
        Assert.Equal(before + weight.Bytes, NativeBuffer.LiveBytes);
        weight.Dispose();
        weight.Dispose();
        Assert.Equal(before, NativeBuffer.LiveBytes);
    }
}

/// <summary>Tests that count native memory do not run beside others.</summary>
[CollectionDefinition(nameof(NativeMemoryTests), DisableParallelization = true)]
public class NativeMemoryTests;
