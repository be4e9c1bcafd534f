// What the numbers in attention's arguments must be: checked once, at the seam, because the kernels trust them.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Cpu;

/// <summary>Throws where arguments of attention do not fit together.</summary>
internal static unsafe class AttentionChecks
{
    /// <summary>Checks the arguments of attention of whole sentences.</summary>
    public static void Sentences(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec)
    {
        AttentionShapes.Sentences(query, key, value, score, queries, keys, spec);
        Offsets(queries, query.Rows, nameof(queries));
        Offsets(keys, key.Rows, nameof(keys));
    }

    /// <summary>Checks rows and slots that are written to a cache.</summary>
    public static void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots)
    {
        AttentionShapes.Append(cache, keys, values, slots);
        long end = (long)cache.Blocks * KeyValueCache.BlockPositions;
        foreach (int slot in new ReadOnlySpan<int>(First(slots), slots.Columns))
        {
            if (slot < -1 || slot >= end)
                throw new ArgumentException($"The slot is {slot}, expected 0 to {end - 1}, or −1.", nameof(slots));
        }
    }

    /// <summary>Checks pairs of blocks.</summary>
    public static void Pairs(in KeyValueCache cache, in Tensor pairs)
    {
        AttentionShapes.Pairs(pairs);
        for (int row = 0; row < pairs.Rows; row++)
        {
            int* pair = First(pairs) + ((long)row * pairs.Stride);
            if (pair[0] == -1 && pair[1] == -1) continue;
            if ((uint)pair[0] >= (uint)cache.Blocks || (uint)pair[1] >= (uint)cache.Blocks)
            {
                throw new ArgumentException(
                    $"The blocks are {pair[0]} and {pair[1]}, expected 0 to {cache.Blocks - 1}.", nameof(pairs));
            }
        }
    }

    /// <summary>Checks the arguments of attention to a cache.</summary>
    public static void Cached(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        AttentionShapes.Cached(query, score, cache, view, spec);
        View(cache, view);
    }

    /// <summary>Checks what rows see of a cache.</summary>
    public static void View(in KeyValueCache cache, in CacheView view)
    {
        for (int row = 0; row < view.Lengths.Columns; row++)
        {
            int length = First(view.Lengths)[row];
            long most = Math.Min(view.Longest, (long)view.Blocks.Columns * KeyValueCache.BlockPositions);
            if (length < 1 || length > most)
                throw new ArgumentException($"The length of row {row} is {length}, expected 1 to {most}.", nameof(view));
            int* blocks = First(view.Blocks) + ((long)row * view.Blocks.Stride);
            for (int i = 0; i <= (length - 1) / KeyValueCache.BlockPositions; i++)
            {
                if ((uint)blocks[i] < (uint)cache.Blocks) continue;
                throw new ArgumentException(
                    $"Block {i} of row {row} is {blocks[i]}, expected 0 to {cache.Blocks - 1}.", nameof(view));
            }
        }
    }

    /// <summary>Checks where sentences begin.</summary>
    public static void Offsets(in Ragged ragged, int rows, string name)
    {
        int* offsets = First(ragged.Offsets);
        if (offsets[0] != 0 || offsets[ragged.Sentences] != rows || ragged.Rows != rows)
        {
            throw new ArgumentException(
                $"The sentences are the rows {offsets[0]} to {offsets[ragged.Sentences]} of {ragged.Rows}, expected 0 to {rows}.",
                name);
        }

        for (int s = 0; s < ragged.Sentences; s++)
        {
            long length = (long)offsets[s + 1] - offsets[s];
            if (length < 0 || length > ragged.Longest)
                throw new ArgumentException($"Sentence {s} has {length} rows, expected 0 to {ragged.Longest}.", name);
        }
    }

    /// <summary>The first element of a tensor of integers.</summary>
    public static int* First(in Tensor tensor) => (int*)tensor.Handle + tensor.Offset;
}
