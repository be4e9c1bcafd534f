// What attention's arguments must be: checked once, at the seam, because the kernels trust them.
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
        Floats(query, nameof(query));
        Floats(key, nameof(key));
        Floats(value, nameof(value));
        Spec(spec, key.Columns, value.Columns);
        if (query.Columns != key.Columns)
            throw new ArgumentException($"query is {query.Shape} and key {key.Shape}, expected one width.", nameof(query));
        if (key.Rows != value.Rows)
            throw new ArgumentException($"key is {key.Shape} and value {value.Shape}, expected as many rows.", nameof(value));
        if (queries.Sentences != keys.Sentences)
        {
            throw new ArgumentException(
                $"The queries are of {queries.Sentences} sentences and the keys of {keys.Sentences}, expected as many.",
                nameof(keys));
        }

        Score(score, key.Columns);
        Offsets(queries, query.Rows, nameof(queries));
        Offsets(keys, key.Rows, nameof(keys));
    }

    /// <summary>Checks the size of a cache.</summary>
    public static void Cache(int blocks, int keyColumns, int valueColumns, int heads)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(blocks);
        Heads(keyColumns, valueColumns, heads);
        long most = int.MaxValue / KeyValueCache.BlockPositions;
        if (keyColumns > most || valueColumns > most || blocks > most)
        {
            throw new ArgumentException(
                $"The cache has {blocks} blocks of {keyColumns} and {valueColumns} columns, expected at most {most} of each.",
                nameof(blocks));
        }
    }

    /// <summary>Checks rows and slots that are written to a cache.</summary>
    public static void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots)
    {
        Floats(keys, nameof(keys));
        Floats(values, nameof(values));
        if (keys.Columns != cache.KeyColumns || values.Columns != cache.ValueColumns)
        {
            throw new ArgumentException(
                $"keys is {keys.Shape} and values {values.Shape}, expected {cache.KeyColumns} and {cache.ValueColumns} columns.",
                nameof(keys));
        }

        Integers(slots, nameof(slots));
        if (slots.Rows != 1 || keys.Rows != slots.Columns || values.Rows != slots.Columns)
        {
            throw new ArgumentException(
                $"slots is {slots.Shape} for {keys.Rows} keys and {values.Rows} values, expected one slot for each.", nameof(slots));
        }

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
        Integers(pairs, nameof(pairs));
        if (pairs.Columns != 2) throw new ArgumentException($"pairs is {pairs.Shape}, expected 2 columns.", nameof(pairs));
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
        Floats(query, nameof(query));
        Spec(spec, cache.KeyColumns, cache.ValueColumns);
        if (spec.Heads != cache.Heads)
            throw new ArgumentException($"Heads is {spec.Heads}, expected {cache.Heads}, as the cache has.", nameof(spec));
        if (query.Columns != cache.KeyColumns)
        {
            throw new ArgumentException(
                $"query is {query.Shape}, expected {cache.KeyColumns} columns, as the cache has.", nameof(query));
        }

        Score(score, cache.KeyColumns);
        Integers(view.Blocks, nameof(view));
        Integers(view.Lengths, nameof(view));
        if (view.Blocks.Rows != query.Rows || view.Lengths.Rows != 1 || view.Lengths.Columns != query.Rows)
        {
            throw new ArgumentException(
                $"The blocks are {view.Blocks.Shape} and the lengths {view.Lengths.Shape}, expected {query.Rows} of each.",
                nameof(view));
        }

        for (int row = 0; row < query.Rows; row++)
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

    /// <summary>The first element of a tensor of integers.</summary>
    public static int* First(in Tensor tensor) => (int*)tensor.Handle + tensor.Offset;

    private static void Spec(in AttentionSpec spec, int keyColumns, int valueColumns)
    {
        Heads(keyColumns, valueColumns, spec.Heads);
        if (spec.Mask.Left < 0 || spec.Mask.Right < 0)
            throw new ArgumentException($"The mask is {spec.Mask}, expected no negative distance.", nameof(spec));
    }

    private static void Heads(int keyColumns, int valueColumns, int heads)
    {
        if (heads < 1 || keyColumns < 0 || valueColumns < 0 || keyColumns % heads != 0 || valueColumns % heads != 0)
        {
            throw new ArgumentException(
                $"The keys have {keyColumns} columns and the values {valueColumns}, expected multiples of {heads}, the heads.",
                nameof(heads));
        }
    }

    private static void Score(in Tensor score, int columns)
    {
        if (score.IsNone) return;
        Floats(score, nameof(score));
        if (score.Shape != new Shape(1, columns))
            throw new ArgumentException($"score is {score.Shape}, expected {new Shape(1, columns)}.", nameof(score));
    }

    private static void Offsets(in Ragged ragged, int rows, string name)
    {
        Integers(ragged.Offsets, name);
        if (ragged.Sentences < 0 || ragged.Offsets.Shape != new Shape(1, ragged.Sentences + 1))
        {
            throw new ArgumentException(
                $"The offsets are {ragged.Offsets.Shape} for {ragged.Sentences} sentences, expected one more than sentences.", name);
        }

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

    private static void Floats(in Tensor tensor, string name)
    {
        if (tensor.IsNone || tensor.Type != DType.Float32)
            throw new ArgumentException($"{name} is {tensor}, expected {DType.Float32.Word()}.", name);
    }

    private static void Integers(in Tensor tensor, string name)
    {
        if (tensor.IsNone || tensor.Type != DType.Int32)
            throw new ArgumentException($"{name} is {tensor}, expected {DType.Int32.Word()}.", name);
    }
}
