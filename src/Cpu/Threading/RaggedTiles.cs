// From the number of a tile to a place in a ragged batch, without a list of tiles.
namespace Engine.Cpu.Threading;

/// <summary>
/// Cuts each sentence of a ragged batch in tiles of some rows. Sentence s owns the numbers from ⌊offset(s) / size⌋ + s on;
/// that leaves at most one number a sentence without rows, and it is found by bisection.
/// </summary>
/// <param name="offsets">[sentences + 1].</param>
/// <param name="sentences">Number of sentences.</param>
/// <param name="size">Rows of a tile.</param>
internal readonly unsafe struct RaggedTiles(int* offsets, int sentences, int size)
{
    private readonly int* _offsets = offsets;

    /// <summary>How many numbers there are.</summary>
    public int Count => (_offsets[sentences] / size) + sentences;

    /// <summary>The number of a sentence's first tile.</summary>
    public int First(int sentence) => (_offsets[sentence] / size) + sentence;

    /// <summary>Finds a tile; false where the number has no rows.</summary>
    /// <param name="tile">0 .. Count − 1.</param>
    /// <param name="sentence">Its sentence.</param>
    /// <param name="row">Its first row in the sentence.</param>
    /// <param name="rows">Its number of rows.</param>
    public bool Find(int tile, out int sentence, out int row, out int rows)
    {
        int low = 0, high = sentences - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            if (First(middle) <= tile) low = middle;
            else high = middle - 1;
        }

        sentence = low;
        row = (tile - First(low)) * size;
        rows = Math.Min(size, _offsets[low + 1] - _offsets[low] - row);
        return rows > 0;
    }
}
