// Sixteen rows as a panel, for every size of a unit, against the definition.
using Engine.Cpu.Kernels;
using Xunit;

namespace Cpu.Tests.Linear;

public unsafe class PanelTransposeTests
{
    private const ulong Sentinel = 0xA5A5A5A5A5A5A5A5;

    public static TheoryData<int> Widths => [0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 1009];

    [Theory, MemberData(nameof(Widths))]
    public void Units_of_16_bits(int columns)
    {
        foreach (int stride in (int[])[columns, columns + 1, columns + 2])
        {
            ushort[] rows = [.. Enumerable.Range(0, 16 * stride).Select(i => (ushort)((i * 40503) >> 3))];
            var panel = new ushort[(16 * columns) + 16];
            panel.AsSpan(16 * columns).Fill((ushort)(Sentinel & 0xFFFF));
            fixed (ushort* from = rows, to = panel) PanelTranspose.Halves(from, stride, columns, to);
            AssertTransposed(rows, stride, columns, panel, (ushort)(Sentinel & 0xFFFF));
        }
    }

    [Theory, MemberData(nameof(Widths))]
    public void Units_of_32_bits(int columns)
    {
        foreach (int stride in (int[])[columns, columns + 1])
        {
            uint[] rows = [.. Enumerable.Range(0, 16 * stride).Select(i => (uint)i * 2654435761)];
            var panel = new uint[(16 * columns) + 16];
            panel.AsSpan(16 * columns).Fill((uint)(Sentinel & 0xFFFFFFFF));
            fixed (uint* from = rows, to = panel) PanelTranspose.Words(from, stride, columns, to);
            AssertTransposed(rows, stride, columns, panel, (uint)(Sentinel & 0xFFFFFFFF));
        }
    }

    [Theory, MemberData(nameof(Widths))]
    public void Units_of_64_bits(int columns)
    {
        ulong[] rows = [.. Enumerable.Range(0, 16 * columns).Select(i => (ulong)i * 0x9E3779B97F4A7C15)];
        var panel = new ulong[(16 * columns) + 16];
        panel.AsSpan(16 * columns).Fill(Sentinel);
        fixed (ulong* from = rows, to = panel) PanelTranspose.Doubles(from, columns, columns, to);
        AssertTransposed(rows, columns, columns, panel, Sentinel);
    }

    private static void AssertTransposed<T>(T[] rows, int stride, int columns, T[] panel, T sentinel)
    {
        for (int k = 0; k < columns; k++)
            for (int row = 0; row < 16; row++) Assert.Equal(rows[(row * stride) + k], panel[(k * 16) + row]);
        Assert.All(panel[(16 * columns)..], value => Assert.Equal(sentinel, value));
    }
}
