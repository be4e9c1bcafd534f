// The numbers of tiles cover a ragged batch: every row once, in order.
using CsCheck;
using Engine.Cpu.Threading;
using Xunit;

namespace Cpu.Tests.Threading;

public sealed unsafe class RaggedTilesTests
{
    [Fact]
    public void Every_row_of_every_sentence_is_in_one_tile() =>
        Gen.Select(Gen.Int[0, 100].Array[0, 20], Gen.Int[1, 50]).Sample(
            static (lengths, size) =>
            {
                var offsets = new int[lengths.Length + 1];
                for (int s = 0; s < lengths.Length; s++) offsets[s + 1] = offsets[s] + lengths[s];
                List<(int, int)> expected = [], found = [];
                for (int s = 0; s < lengths.Length; s++)
                    for (int row = 0; row < lengths[s]; row++) expected.Add((s, row));
                fixed (int* first = offsets)
                {
                    var tiles = new RaggedTiles(first, lengths.Length, size);
                    for (int tile = 0; tile < tiles.Count; tile++)
                    {
                        if (!tiles.Find(tile, out int sentence, out int row, out int rows)) continue;
                        Assert.InRange(rows, 1, size);
                        Assert.Equal(tile, tiles.First(sentence) + (row / size));
                        for (int i = 0; i < rows; i++) found.Add((sentence, row + i));
                    }
                }

                Assert.Equal(expected, found);
            },
            seed: "0N0XIzNsQ0O2", threads: 1);
}
