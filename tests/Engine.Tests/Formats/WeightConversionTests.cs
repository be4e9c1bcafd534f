// Conversion of weights: the rules by their formulas; that they give the reference converter's bits is tested with its
// models.
using CsCheck;
using Engine.Backends;
using Engine.Formats;
using Engine.Tensors;
using Xunit;

namespace Engine.Tests.Formats;

public class WeightConversionTests
{
    [Fact]
    public void Int8_rows_are_rounded_to_the_nearest_of_255_steps()
    {
        HostTensor tensor = Tensor(3, 4, 0.5f, -1, 0.25f, 1, 0, 0, 0, 0, 1e-39f, -2e-40f, 0, 0);
        HostTensor converted = WeightConversion.Convert(tensor, DType.Int8);
        Assert.Equal([127, 1, 1], converted.Scales!);   // a row of zeros; a row too small for a finite scale
        Assert.Equal([64, -127, 32, 127, 0, 0, 0, 0, 0, 0, 0, 0], Signed(converted));   // 63.5 and 31.75
        HostTensor cut = WeightConversion.Convert(tensor, DType.Int8, ActivationRounding.Legacy);
        Assert.Equal([63, -127, 31, 127, 0, 0, 0, 0, 0, 0, 0, 0], Signed(cut));
    }

    [Fact]
    public void Ties_go_to_the_even_integer()
    {
        HostTensor converted = WeightConversion.Convert(Tensor(1, 5, 127, 0.5f, 1.5f, 2.5f, -2.5f), DType.Int8);
        Assert.Equal([127, 0, 2, 2, -2], Signed(converted));
    }

    [Fact]
    public void Int16_has_one_scale_for_the_matrix_and_for_all_parts_of_one()
    {
        HostTensor first = Tensor(1, 2, 0.5f, -0.25f), second = Tensor(1, 2, 2, 1);
        HostTensor alone = WeightConversion.Convert(first, DType.Int16);
        Assert.Equal([2048f], alone.Scales!);
        Assert.Equal([1024, -512], TinyModel.Int16s(TinyModel.ReadBytes(alone)));
        HostTensor[] together = WeightConversion.Convert([first, second], DType.Int16);
        Assert.All(together, part => Assert.Equal([512f], part.Scales!));
        Assert.Equal([256, -128], TinyModel.Int16s(TinyModel.ReadBytes(together[0])));
        Assert.Equal([1024, 512], TinyModel.Int16s(TinyModel.ReadBytes(together[1])));
    }

    [Fact]
    public void The_type_that_it_has_is_no_conversion()
    {
        HostTensor tensor = Tensor(1, 2, 1, 2);
        Assert.Same(tensor, WeightConversion.Convert(tensor, DType.Float32));
        Assert.Throws<ArgumentOutOfRangeException>(() => WeightConversion.Convert(tensor, DType.Int32));
    }

    [Fact]
    public void Bfloat16_is_the_nearest_even_one()
    {
        // Halfway between 1 and its next, and between that and the one after it; just above halfway.
        HostTensor converted = WeightConversion.Convert(Tensor(1, 4, 1 + (1f / 256), 1 + (3f / 256), 1 + (1.01f / 256),
            -1e-41f), DType.BFloat16);
        Assert.Equal([1, 1 + (4f / 256), 1 + (2f / 256), -1e-41f], converted.ReadFloats(), (a, b) =>
            MathF.Abs(a - b) <= 1e-40f);
        ModelFormatException error = Assert.Throws<ModelFormatException>(
            () => WeightConversion.Convert(Tensor(2, 1, 1, float.MaxValue), DType.BFloat16).ReadFloats());
        Assert.Equal("w[1, 0]", error.Field);
    }

    [Fact]
    public void Float16_refuses_what_it_cannot_hold()
    {
        Assert.Equal([65_504, -65_504], WeightConversion.Convert(Tensor(1, 2, 65_519, -65_519), DType.Float16)
            .ReadFloats());
        Assert.Throws<ModelFormatException>(() => WeightConversion.Convert(Tensor(1, 2, 65_520, 0), DType.Float16)
            .ReadFloats());
    }

    [Fact]
    public void What_is_not_finite_is_refused()
    {
        foreach (DType type in (DType[])[DType.Int8, DType.Int16, DType.Float16, DType.BFloat16])
            Assert.Throws<ModelFormatException>(() => WeightConversion.Convert(Tensor(1, 2, 1, float.NaN), type)
                .ReadFloats());
        Assert.Throws<ModelFormatException>(() => WeightConversion.Convert(Tensor(1, 1, 3e38f), DType.Int16));
    }

    // Half a step is |row| / 254; the quotient of a rounded scale adds a last bit.
    [Fact]
    public void Integers_stand_for_the_nearest_weights()
    {
        Gen.Select(Gen.Int[1, 9], Gen.Int[1, 40], Gen.Int, Gen.Float[1e-6f, 1e6f]).Sample((rows, columns, seed, size) =>
        {
            float[] values = [.. TinyModel.Values(new Random(seed), rows * columns).Select(value => value * size)];
            HostTensor tensor = Tensor(rows, columns, values);
            float largest = values.Max(MathF.Abs);
            float[] int8 = WeightConversion.Convert(tensor, DType.Int8).ReadFloats();
            float[] int16 = WeightConversion.Convert(tensor, DType.Int16).ReadFloats();
            for (int i = 0; i < values.Length; i++)
            {
                float row = values.Skip(i / columns * columns).Take(columns).Max(MathF.Abs);
                Assert.InRange(int8[i], values[i] - (row / 253.9f), values[i] + (row / 253.9f));
                Assert.InRange(int16[i], values[i] - (largest / 2047.9f), values[i] + (largest / 2047.9f));
            }
        });
    }

    [Fact]
    public void Any_range_of_rows_and_bytes_gives_the_same_elements()
    {
        var random = new Random(7);
        float[] values = TinyModel.Values(random, 301 * 67);   // more than one chunk of 16,384
        HostTensor tensor = Tensor(301, 67, values);
        foreach (DType type in (DType[])[DType.Int8, DType.Int16, DType.Float16, DType.BFloat16])
        {
            HostTensor converted = WeightConversion.Convert(tensor, type);
            byte[] all = TinyModel.ReadBytes(converted);
            float[] floats = converted.ReadFloats();
            for (int i = 0; i < 20; i++)
            {
                int start = random.Next(301), count = random.Next(301 - start + 1);
                HostTensor part = converted.RowRange(start, count);
                Assert.Equal(all[(start * 67 * type.Bytes())..((start + count) * 67 * type.Bytes())],
                    TinyModel.ReadBytes(part));
                Assert.Equal(floats[(start * 67)..((start + count) * 67)], part.ReadFloats());
            }
            HostTensor row = converted.RowRange(5, 1).ColumnRange(3, 20);
            Assert.Equal(floats[((5 * 67) + 3)..((5 * 67) + 23)], row.ReadFloats());
        }
        Assert.Equal(values, tensor.ReadFloats());
        Assert.Throws<InvalidOperationException>(() => tensor.ColumnRange(0, 1));
    }

    private static HostTensor Tensor(int rows, int columns, params float[] values) =>
        HostTensor.FromValues("w", new Shape(rows, columns), values);

    private static sbyte[] Signed(HostTensor tensor) => [.. TinyModel.ReadBytes(tensor).Select(value => (sbyte)value)];
}
