// What every row-wise operator promises: the same bits on each rung, with any number of threads, alone or in a batch, from
// contiguous rows or columns of a wider tensor; nothing written beyond its result; nothing allocated.
using Cpu.Tests.Simd;
using Engine.Cpu;
using Engine.Cpu.Memory;
using Engine.Cpu.Simd;
using Engine.Tensors;
using Xunit;

namespace Cpu.Tests.Rows;

[Collection("Native memory")]
public sealed unsafe class RowContractTests
{
    private static readonly int[] Widths = [0, 1, 15, 16, 17, 63, 64, 65, 100, 512, 513, 1024, 32_000];

    public static TheoryData<string> Operators => [.. RowOperators.Names];

    [Theory, MemberData(nameof(Operators))]
    public void Every_rung_gives_the_same_bits(string name)
    {
        foreach ((int rows, int columns) in Shapes(name))
        {
            if (rows > 7) continue;
            (float[] x, float[] r) = Values(rows, columns);
            int[]? expected = null;
            foreach (Rung rung in Rungs.All)
            {
                using var backend = new CpuBackend(rung, 1);
                int[] found = RowOperators.Run(backend, name, x, r, rows, columns);
                Assert.Equal(expected ??= found, found);
            }
        }
    }

    [Theory, MemberData(nameof(Operators))]
    public void Any_number_of_threads_gives_the_same_bits(string name)
    {
        using var one = new CpuBackend(Ladder.Best, 1);
        using var two = new CpuBackend(Ladder.Best, 2);
        using var five = new CpuBackend(Ladder.Best, 5);
        foreach ((int rows, int columns) in Shapes(name).Append((131, 512)))
        {
            (float[] x, float[] r) = Values(rows, columns);
            int[] expected = RowOperators.Run(one, name, x, r, rows, columns);
            Assert.Equal(expected, RowOperators.Run(two, name, x, r, rows, columns));
            Assert.Equal(expected, RowOperators.Run(five, name, x, r, rows, columns));
        }
    }

    /// <summary>From 8 MiB on a table is written past the caches, by another loop; 4,112 columns are no multiple of 64.</summary>
    [Theory, MemberData(nameof(Operators))]
    public void A_table_that_no_cache_keeps_has_the_bits_of_small_ones(string name)
    {
        foreach ((int rows, int columns) in ((int, int)[])[(4099, 512), (521, 4112), (1031, 2048)])
        {
            int half = rows / 2;
            (float[] x, float[] r) = Values(rows, columns);
            int[]? expectedFirst = null, expectedSecond = null;
            foreach (Rung rung in Rungs.All)
            {
                using var backend = new CpuBackend(rung, 2);
                (int[] first, int[] second) = RowOperators.RunBoth(backend, name, x, r, rows, columns);
                if (expectedFirst == null)
                {
                    (int[] First, int[] Second) upper = Part(backend, 0, half), lower = Part(backend, half, rows);
                    expectedFirst = [.. upper.First, .. lower.First];
                    expectedSecond = [.. upper.Second, .. lower.Second];
                }

                Assert.True(expectedFirst.AsSpan().SequenceEqual(first), $"{rows}×{columns} {rung}");
                Assert.True(expectedSecond.AsSpan().SequenceEqual(second), $"{rows}×{columns} {rung}");
            }

            (int[] First, int[] Second) Part(CpuBackend backend, int start, int end) => RowOperators.RunBoth(
                backend, name, x[(start * columns)..(end * columns)], r[(start * columns)..(end * columns)], end - start, columns);
        }
    }

    [Theory, MemberData(nameof(Operators))]
    public void A_row_alone_is_the_row_in_a_batch(string name)
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        foreach ((int rows, int columns) in Shapes(name))
        {
            if (rows == 0 || columns > 1024) continue;
            (float[] x, float[] r) = Values(rows, columns);
            (int[] expectedFirst, int[] expectedSecond) = RowOperators.RunBoth(backend, name, x, r, rows, columns);
            List<int> first = [], second = [];
            for (int row = 0; row < rows; row++)
            {
                (float[] rowOfX, float[] rowOfR) = (Tensors.Row(x, row, columns), Tensors.Row(r, row, columns));
                (int[] aloneFirst, int[] aloneSecond) = RowOperators.RunBoth(backend, name, rowOfX, rowOfR, 1, columns);
                first.AddRange(aloneFirst);
                second.AddRange(aloneSecond);
            }

            Assert.Equal(expectedFirst, first.ToArray());
            Assert.Equal(expectedSecond, second.ToArray());
        }
    }

    [Theory, MemberData(nameof(Operators))]
    public void Columns_of_a_wider_tensor_give_the_same_bits(string name)
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        foreach ((int rows, int columns) in Shapes(name))
        {
            (float[] x, float[] r) = Values(rows, columns);
            int[] expected = RowOperators.Run(backend, name, x, r, rows, columns);
            Assert.Equal(expected, RowOperators.Run(backend, name, x, r, rows, columns, gap: 3));
            Assert.Equal(expected, RowOperators.Run(backend, name, x, r, rows, columns, gap: 16));
        }
    }

    [Theory, MemberData(nameof(Operators))]
    public void Nothing_is_written_beyond_the_result(string name)
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        foreach ((int rows, int columns) in Shapes(name))
        {
            if (rows > 7) continue;
            (float[] x, float[] r) = Values(rows, columns);
            backend.BeginFrame();
            Tensor all = backend.Rent(new Shape(1, 1 << 21), DType.Int32);
            new Span<int>((void*)all.Handle, all.Columns).Fill(0x5A5A5A5A);
            backend.EndFrame();
            backend.BeginFrame();
            RowArguments arguments = RowOperators.Arguments(backend, x, r, rows, columns, 0);
            RowResults results = default;
            RowOperators.All[name](backend, arguments, ref results);
            AssertUntouched(results.First);
            AssertUntouched(results.Second);
            backend.EndFrame();
        }

        // To the end of the cache line: what lies behind may be another result.
        static void AssertUntouched(Tensor tensor)
        {
            if (tensor.IsNone) return;
            int* beyond = (int*)tensor.Handle + tensor.Shape.Count;
            for (; ((nint)beyond & 63) != 0; beyond++) Assert.Equal(0x5A5A5A5A, *beyond);
        }
    }

    [Theory, MemberData(nameof(Operators))]
    public void Steady_state_allocates_nothing(string name)
    {
        using var backend = new CpuBackend(Ladder.Best, 2);
        foreach ((int rows, int columns) in new[] { (33, 1024), (3, 100) })
        {
            (float[] x, float[] r) = Values(rows, columns);
            RowOperator operation = RowOperators.All[name];
            backend.BeginFrame();
            RowArguments outside = RowOperators.Arguments(backend, x, r, rows, columns, 0);
            backend.EndFrame();
            long managed = 0, native = 0;
            for (int frame = 0; frame < 20; frame++)
            {
                if (frame == 10) (managed, native) = (GC.GetAllocatedBytesForCurrentThread(), NativeBuffer.Allocations);
                backend.BeginFrame();
                backend.Rent(new Shape(1, 1 << 17), DType.Float32);   // where the arguments are
                RowResults results = default;
                operation(backend, outside, ref results);
                backend.EndFrame();
            }

            Assert.Equal(managed, GC.GetAllocatedBytesForCurrentThread());
            Assert.Equal(native, NativeBuffer.Allocations);
        }
    }

    // TopK and Sample need a column to choose, LogProbability one to look at.
    private static IEnumerable<(int Rows, int Columns)> Shapes(string name)
    {
        foreach (int columns in Widths)
        {
            if (columns == 0 && name is "TopK" or "LogProbability" or "Sample") continue;
            foreach (int rows in new[] { 0, 1, 2, 3, 7, 33 })
            {
                if (columns < 32_000 || rows is 1 or 3) yield return (rows, columns);
            }
        }
    }

    private static (float[] X, float[] R) Values(int rows, int columns) =>
        (Tensors.Random(rows * columns, 1 + rows + (100 * columns)), Tensors.Random(rows * columns, 2 + rows + (100 * columns)));
}
