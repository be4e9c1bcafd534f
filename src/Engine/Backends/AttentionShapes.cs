// What attention's arguments must be as far as their shapes and types say it, checked once for all backends; a backend that sees the
// numbers looks at those too.
using Engine.Tensors;

namespace Engine.Backends;

/// <summary>Throws <see cref="ArgumentException"/> where shapes or types of arguments of attention do not fit together.</summary>
public static class AttentionShapes
{
    /// <summary>Checks the arguments of attention of whole sentences; score: <see cref="Tensor.None"/>, or the vector of additive attention.</summary>
    public static void Sentences(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec)
    {
        RowChecks.Floats(query, nameof(query));
        RowChecks.Floats(key, nameof(key));
        RowChecks.Floats(value, nameof(value));
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
        RowChecks.Floats(keys, nameof(keys));
        RowChecks.Floats(values, nameof(values));
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
                $"slots is {slots.Shape} for {keys.Rows} keys and {values.Rows} values, expected one slot for each.",
                nameof(slots));
        }
    }

    /// <summary>Checks pairs of blocks.</summary>
    public static void Pairs(in Tensor pairs)
    {
        Integers(pairs, nameof(pairs));
        if (pairs.Columns != 2) throw new ArgumentException($"pairs is {pairs.Shape}, expected 2 columns.", nameof(pairs));
    }

    /// <summary>Checks the arguments of attention to a cache.</summary>
    public static void Cached(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        RowChecks.Floats(query, nameof(query));
        Spec(spec, cache.KeyColumns, cache.ValueColumns);
        if (spec.Heads != cache.Heads)
            throw new ArgumentException($"Heads is {spec.Heads}, expected {cache.Heads}, as the cache has.", nameof(spec));
        if (query.Columns != cache.KeyColumns)
        {
            throw new ArgumentException(
                $"query is {query.Shape}, expected {cache.KeyColumns} columns, as the cache has.", nameof(query));
        }

        Score(score, cache.KeyColumns);
        View(view, query.Rows);
    }

    /// <summary>Checks what rows see of a cache.</summary>
    internal static void View(in CacheView view, int rows)
    {
        Integers(view.Blocks, nameof(view));
        Integers(view.Lengths, nameof(view));
        if (view.Blocks.Rows != rows || view.Lengths.Rows != 1 || view.Lengths.Columns != rows)
        {
            throw new ArgumentException(
                $"The blocks are {view.Blocks.Shape} and the lengths {view.Lengths.Shape}, expected {rows} of each.",
                nameof(view));
        }
    }

    /// <summary>Checks where sentences begin.</summary>
    internal static void Offsets(in Ragged ragged, int rows, string name)
    {
        Integers(ragged.Offsets, name);
        if (ragged.Sentences < 0 || ragged.Offsets.Shape != new Shape(1, ragged.Sentences + 1))
        {
            throw new ArgumentException(
                $"The offsets are {ragged.Offsets.Shape} for {ragged.Sentences} sentences, expected one more than sentences.",
                name);
        }

        if (ragged.Rows != rows)
            throw new ArgumentException($"The sentences have {ragged.Rows} rows, expected {rows}.", name);
    }

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
        RowChecks.Floats(score, nameof(score));
        if (score.Shape != new Shape(1, columns))
            throw new ArgumentException($"score is {score.Shape}, expected {new Shape(1, columns)}.", nameof(score));
    }

    private static void Integers(in Tensor tensor, string name)
    {
        if (tensor.IsNone || tensor.Type != DType.Int32)
            throw new ArgumentException($"{name} is {tensor}, expected {DType.Int32.Word()}.", name);
    }
}
