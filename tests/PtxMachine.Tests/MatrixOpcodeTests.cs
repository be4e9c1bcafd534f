// mma.sync and ldmatrix: fragments are laid out here by the tables of the PTX manual, the product by three plain loops.
using Xunit;

namespace PtxMachine.Tests;

public sealed class MatrixOpcodeTests
{
    [Theory]
    [InlineData("bf16", 16)]
    [InlineData("f16", 16)]
    [InlineData("bf16", 8)]
    [InlineData("f16", 8)]
    public void Products_of_sixteen_bit_floats(string type, int depth)
    {
        float[,] a = Random(16, depth, 1), b = Random(depth, 8, 2), c = Random(16, 8, 3);
        uint Pair(float low, float high) => (uint)Bits(type, low) | ((uint)Bits(type, high) << 16);
        int halves = depth / 8;
        var memory = new List<uint[]>();
        for (int half = 0; half < halves; half++)
        {
            int k = 8 * half;
            memory.Add(Lanes((g, t) => Pair(a[g, (2 * t) + k], a[g, (2 * t) + 1 + k])));
            memory.Add(Lanes((g, t) => Pair(a[g + 8, (2 * t) + k], a[g + 8, (2 * t) + 1 + k])));
        }

        for (int half = 0; half < halves; half++)
        {
            int k = 8 * half;
            memory.Add(Lanes((g, t) => Pair(b[(2 * t) + k, g], b[(2 * t) + 1 + k, g])));
        }

        Check(memory, a, b, c, depth, $"m16n8k{depth}.row.col.f32.{type}.{type}.f32", x => (double)Value(type, Bits(type, x)));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    public void Products_of_tf32(int depth)
    {
        float[,] a = Random(16, depth, 4), b = Random(depth, 8, 5), c = Random(16, 8, 6);
        var memory = new List<uint[]>();
        for (int k = 0; k < depth; k += 4)
        {
            int from = k;
            memory.Add(Lanes((g, t) => BitConverter.SingleToUInt32Bits(a[g, t + from])));
            memory.Add(Lanes((g, t) => BitConverter.SingleToUInt32Bits(a[g + 8, t + from])));
        }

        for (int k = 0; k < depth; k += 4)
        {
            int from = k;
            memory.Add(Lanes((g, t) => BitConverter.SingleToUInt32Bits(b[t + from, g])));
        }

        Check(memory, a, b, c, depth, $"m16n8k{depth}.row.col.f32.tf32.tf32.f32", x => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(x) & 0xFFFFE000));
    }

    [Theory]
    [InlineData(32, "s8", "s8")]
    [InlineData(16, "s8", "s8")]
    [InlineData(32, "u8", "s8")]
    public void Products_of_bytes_are_exact(int depth, string typeA, string typeB)
    {
        var random = new Random(7);
        int[,] a = new int[16, depth], b = new int[depth, 8], c = new int[16, 8];
        for (int i = 0; i < 16; i++) for (int k = 0; k < depth; k++) a[i, k] = typeA == "s8" ? random.Next(-128, 128) : random.Next(256);
        for (int k = 0; k < depth; k++) for (int j = 0; j < 8; j++) b[k, j] = random.Next(-128, 128);
        for (int i = 0; i < 16; i++) for (int j = 0; j < 8; j++) c[i, j] = random.Next();
        uint Four(Func<int, int> at) => (uint)((at(0) & 255) | ((at(1) & 255) << 8) | ((at(2) & 255) << 16) | ((at(3) & 255) << 24));
        var memory = new List<uint[]>();
        for (int k = 0; k < depth; k += 16)
        {
            int from = k;
            memory.Add(Lanes((g, t) => Four(e => a[g, (4 * t) + e + from])));
            memory.Add(Lanes((g, t) => Four(e => a[g + 8, (4 * t) + e + from])));
        }

        for (int k = 0; k < depth; k += 16)
        {
            int from = k;
            memory.Add(Lanes((g, t) => Four(e => b[(4 * t) + e + from, g])));
        }

        for (int i = 0; i < 4; i++)
        {
            int at = i;
            memory.Add(Lanes((g, t) => (uint)c[g + (8 * (at / 2)), (2 * t) + (at & 1)]));
        }

        uint[] found = Multiply(memory, $"m16n8k{depth}.row.col.s32.{typeA}.{typeB}.s32");
        for (int i = 0; i < 16; i++)
        {
            for (int j = 0; j < 8; j++)
            {
                int sum = c[i, j];
                for (int k = 0; k < depth; k++) sum = unchecked(sum + (a[i, k] * b[k, j]));
                Assert.Equal(sum, (int)found[Place(i, j)]);
            }
        }
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(4, false)]
    [InlineData(2, true)]
    [InlineData(4, true)]
    public void Matrices_are_loaded_row_by_row(int count, bool transposed)
    {
        // Shared memory holds halves 0, 1, 2 ... in rows of 8; lane l names row l.
        string registers = string.Join(", ", Enumerable.Range(1, count).Select(i => $"%t{i}"));
        string store = string.Concat(Enumerable.Range(0, count).Select(i => $"st.global.u32 [%z1+{128 * i}], %t{i + 1};"));
        uint[] found = Snippet.InPlace($$"""
            mul.wide.u32 %w0, %i0, 16; mov.u64 %w1, s; add.s64 %w0, %w0, %w1; mul.lo.u32 %t0, %i0, 8;
            {{string.Concat(Enumerable.Range(0, 8).Select(i => $"add.u32 %t9, %t0, {i}; cvt.u16.u32 %h0, %t9; st.shared.u16 [%w0+{2 * i}], %h0;"))}}
            bar.sync 0; cvt.u32.u64 %t8, %w0;
            ldmatrix.sync.aligned.m8n8.x{{count}}{{(transposed ? ".trans" : "")}}.shared.b16 { {{registers}} }, [%t8];
            mad.wide.u32 %z1, %i0, 4, %z0; {{store}}
            """, new uint[32 * count], 32, before: ".shared .align 16 .b8 s[512];");
        for (int m = 0; m < count; m++)
        {
            for (int lane = 0; lane < 32; lane++)
            {
                int g = lane / 4, t = lane % 4;
                int low = transposed ? (64 * m) + (8 * 2 * t) + g : (64 * m) + (8 * g) + (2 * t);
                int high = transposed ? low + 8 : low + 1;
                Assert.Equal((uint)(low | (high << 16)), found[(32 * m) + lane]);
            }
        }
    }

    // Sums of at most 32 products of numbers below 1: 40 roundings of at most 2^-24 of the sum of magnitudes, below 32.
    private static void Check(List<uint[]> memory, float[,] a, float[,] b, float[,] c, int depth, string shape, Func<float, double> rounded)
    {
        for (int i = 0; i < 4; i++)
        {
            int at = i;
            memory.Add(Lanes((g, t) => BitConverter.SingleToUInt32Bits(c[g + (8 * (at / 2)), (2 * t) + (at & 1)])));
        }

        uint[] found = Multiply(memory, shape);
        for (int i = 0; i < 16; i++)
        {
            for (int j = 0; j < 8; j++)
            {
                double sum = c[i, j], size = Math.Abs(c[i, j]);
                for (int k = 0; k < depth; k++)
                {
                    sum += rounded(a[i, k]) * rounded(b[k, j]);
                    size += Math.Abs(rounded(a[i, k]) * rounded(b[k, j]));
                }

                Assert.InRange(Edges.Single(found[Place(i, j)]) - sum, -40 * size / (1 << 24), 40 * size / (1 << 24));
            }
        }
    }

    // The fragments lie one register after another, 32 lanes each; the result replaces the first four.
    private static uint[] Multiply(List<uint[]> memory, string shape)
    {
        int registers = memory.Count - 4, registersA = registers * 2 / 3;
        string load = string.Concat(Enumerable.Range(0, memory.Count).Select(i => i < registers
            ? $"ld.global.u32 %t{i}, [%z1+{128 * i}];" : $"ld.global.u32 %{(shape.Contains("s32") ? $"t{i}" : $"x{i - registers}")}, [%z1+{128 * i}];"));
        string List(string name, int from, int count) => "{" + string.Join(", ", Enumerable.Range(from, count).Select(i => $"%{name}{i}")) + "}";
        string sums = shape.Contains("s32") ? List("t", registers, 4) : List("x", 0, 4);
        string store = string.Concat(Enumerable.Range(0, 4).Select(i => $"st.global.u32 [%z1+{128 * i}], %{(shape.Contains("s32") ? $"t{registers + i}" : $"x{i}")};"));
        uint[] found = Snippet.InPlace($"mad.wide.u32 %z1, %i0, 4, %z0; {load} mma.sync.aligned.{shape} {sums}, {List("t", 0, registersA)}, {List("t", registersA, registers - registersA)}, {sums}; {store}",
            [.. memory.SelectMany(m => m)], 32);
        return found[..128];
    }

    private static uint[] Lanes(Func<int, int, uint> at) => [.. Enumerable.Range(0, 32).Select(lane => at(lane / 4, lane % 4))];

    private static int Place(int row, int column) => (32 * ((2 * (row / 8)) + (column & 1))) + (4 * (row % 8)) + (column / 2);

    private static float[,] Random(int rows, int columns, int seed)
    {
        var random = new Random(seed);
        float[,] matrix = new float[rows, columns];
        for (int i = 0; i < rows; i++) for (int j = 0; j < columns; j++) matrix[i, j] = (float)((random.NextDouble() * 2) - 1);
        return matrix;
    }

    private static ushort Bits(string type, float x) => type == "f16"
        ? BitConverter.HalfToUInt16Bits((Half)x)
        : (ushort)((BitConverter.SingleToUInt32Bits(x) + 0x8000) >> 16);

    private static float Value(string type, ushort bits) => type == "f16"
        ? (float)BitConverter.UInt16BitsToHalf(bits)
        : BitConverter.UInt32BitsToSingle((uint)bits << 16);
}
