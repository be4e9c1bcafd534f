// Look-ups: exactly the specified float operations, whatever the type of the table.
using Engine.Backends;
using Engine.Cpu;
using Engine.Cpu.Simd;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Linear;

public class EmbedTests
{
    public static TheoryData<DType> AllTypes => LinearTests.AllTypes;

    [Theory, MemberData(nameof(AllTypes))]
    public void A_row_is_scaled_and_its_position_added(DType type)
    {
        foreach (int width in new[] { 1, 4, 15, 16, 17, 64 })
        {
            TestWeight table = TestWeight.Create(type, 37, width, seed: width);
            int[] ids = [0, 36, -1, 16, 15, 5, 5], positionIds = [0, 1, 2, 8, 7, 0, 3];
            float[] positions = Run.Floats(9 * width, seed: 2);
            float scale = MathF.Sqrt(width);
            var expected = new float[ids.Length * width];
            for (int i = 0; i < expected.Length; i++)
            {
                int id = ids[i / width], k = i % width;
                float value = 0f;
                if (id >= 0)
                {
                    value = (float)table.Values[(id * width) + k];
                    if (table.Scales.Length > 0) value *= 1f / table.Scales[id];
                    value *= scale;
                }

                expected[i] = value + positions[(positionIds[i / width] * width) + k];
            }

            foreach (int threads in new[] { 1, 3 })
            {
                Assert.Equal(Run.Bits(expected), Run.Bits(Embed(table, ids, scale, positions, positionIds, threads)));
            }
        }
    }

    [Fact]
    public void Without_positions_an_absent_token_is_zeros()
    {
        TestWeight table = TestWeight.Create(DType.Float32, 3, 5, seed: 1);
        float[] found = Embed(table, [-1, 2], 3f, null, null, 1);
        Assert.Equal(new float[5], found[..5]);
        Assert.Equal([.. table.Values[10..].Select(value => (float)value * 3f)], found[5..]);
        Assert.Empty(Embed(table, [], 3f, null, null, 1));
    }

    [Fact]
    public void Arguments_are_checked()
    {
        using var backend = new CpuBackend(Ladder.Best, 1);
        using Weight table = backend.Pack([TestWeight.Create(DType.Float32, 3, 5, 1).Host]);
        backend.BeginFrame();
        Tensor none = Tensor.None;
        Tensor ids = backend.Rent(new Shape(1, 2), DType.Int32), places = backend.Rent(new Shape(1, 2), DType.Int32);
        Tensor one = backend.Rent(new Shape(1, 1), DType.Int32);
        Tensor positions = backend.Rent(new Shape(4, 5), DType.Float32);
        Tensor wide = backend.Rent(new Shape(4, 6), DType.Float32);
        backend.Write(ids, [0, 3]);
        var error = Assert.Throws<ArgumentException>(() => backend.Embed(ids, table, 1f, none, none));
        Assert.Contains("Id 3 of row 1 is not in the table, expected -1 to 2", error.Message, StringComparison.Ordinal);
        backend.Write(ids, [0, -2]);
        Assert.Throws<ArgumentException>(() => backend.Embed(ids, table, 1f, none, none));
        backend.Write(ids, [0, 1]);
        backend.Write(places, [4, 0]);
        error = Assert.Throws<ArgumentException>(() => backend.Embed(ids, table, 1f, positions, places));
        Assert.Contains(
            "Position id 4 of row 0 is not in the table, expected 0 to 3", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => backend.Embed(ids, table, 1f, wide, places));
        Assert.Throws<ArgumentException>(() => backend.Embed(ids, table, 1f, positions, one));
        Assert.Throws<ArgumentException>(() => backend.Embed(ids, table, 1f, positions, none));
        Assert.Throws<ArgumentException>(() => backend.Embed(positions, table, 1f, none, none));
    }

    private static float[] Embed(
        TestWeight table, int[] ids, float scale, float[]? positions, int[]? positionIds, int threads)
    {
        using var backend = new CpuBackend(Ladder.Best, threads);
        using Weight packed = backend.Pack([table.Host]);
        backend.BeginFrame();
        Tensor rows = backend.Rent(new Shape(1, ids.Length), DType.Int32);
        Tensor places = Tensor.None, encodings = Tensor.None;
        backend.Write(rows, ids);
        if (positions != null && positionIds != null)
        {
            places = backend.Rent(new Shape(1, positionIds.Length), DType.Int32);
            backend.Write(places, positionIds);
            encodings = backend.Rent(new Shape(positions.Length / table.Inputs, table.Inputs), DType.Float32);
            backend.Write(encodings, positions);
        }

        Tensor y = backend.Embed(rows, packed, scale, encodings, places);
        var values = new float[ids.Length * table.Inputs];
        backend.Read(y, values);
        return values;
    }
}
