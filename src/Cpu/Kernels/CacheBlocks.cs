// The cache's layout, and how keys and values get into it.
using Engine.Backends;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>
/// The memory of a cache. A block's keys are [heads][headDim][16], so that the panel of a head is ready to be scored; its values
/// are [heads][16][valueDim]: what a head reads of a block are two runs.
/// </summary>
internal readonly unsafe struct CacheBlocks(in KeyValueCache cache)
{
    public readonly float* Keys = (float*)cache.Keys.Handle, Values = (float*)cache.Values.Handle;
    public readonly int KeyColumns = cache.KeyColumns, ValueColumns = cache.ValueColumns, Heads = cache.Heads;
    public readonly int ValueDim = cache.ValueColumns / cache.Heads;

    /// <summary>Floats of a block's keys.</summary>
    public long KeySize => (long)KeyColumns * KeyValueCache.BlockPositions;

    /// <summary>Floats of a block's values.</summary>
    public long ValueSize => (long)ValueColumns * KeyValueCache.BlockPositions;

    /// <summary>Keys of a block, from a column on.</summary>
    public float* Key(int block, int column) => Keys + (block * KeySize) + ((long)column * KeyValueCache.BlockPositions);

    /// <summary>Values of a position of a block, for a head; those of the next position follow.</summary>
    public float* Value(int block, int position, int head) =>
        Values + (block * ValueSize) + (((long)(head * KeyValueCache.BlockPositions) + position) * ValueDim);
}

/// <summary>Writes rows to slots, some rows a tile.</summary>
internal unsafe struct AppendRows(
    CacheBlocks cache, float* keys, long keyStride, float* values, long valueStride, int* slots, int rows, int rowsOfTile)
    : ITileKernel
{
    public readonly int Tiles => (rows + rowsOfTile - 1) / rowsOfTile;

    public readonly void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        int end = Math.Min((tile + 1) * rowsOfTile, rows);
        for (int row = tile * rowsOfTile; row < end;)
        {
            if (slots[row] < 0)
            {
                row++;
                continue;
            }

            int block = slots[row] / KeyValueCache.BlockPositions, position = slots[row] % KeyValueCache.BlockPositions;
            int run = 1;    // neighbours in the block are transposed together
            while (row + run < end && position + run < KeyValueCache.BlockPositions && slots[row + run] == slots[row] + run) run++;
            Panel.Put(keys + (row * keyStride), keyStride, run, cache.KeyColumns, cache.Key(block, 0) + position);
            for (int head = 0; head < cache.Heads; head++)
            {
                for (int i = 0; i < run; i++)
                {
                    float* from = values + ((row + i) * valueStride) + ((nint)head * cache.ValueDim);
                    new ReadOnlySpan<float>(from, cache.ValueDim)
                        .CopyTo(new Span<float>(cache.Value(block, position + i, head), cache.ValueDim));
                }
            }

            row += run;
        }
    }
}

/// <summary>Copies one block a tile.</summary>
internal unsafe struct CopyCacheBlocks(CacheBlocks cache, int* pairs, long pairStride) : ITileKernel
{
    public readonly void Run<TSimd>(int tile, int worker) where TSimd : unmanaged, ISimd<TSimd>
    {
        int from = pairs[tile * pairStride], to = pairs[(tile * pairStride) + 1];
        if (from < 0) return;
        Copy(cache.Key(from, 0), cache.Key(to, 0), cache.KeySize);
        Copy(cache.Value(from, 0, 0), cache.Value(to, 0, 0), cache.ValueSize);
    }

    private static void Copy(float* from, float* to, long floats) =>
        Buffer.MemoryCopy(from, to, floats * sizeof(float), floats * sizeof(float));
}
