// The operators of the reference backend: each checks its arguments and calls the function that defines it.
using System.Buffers.Binary;
using Engine.Backends;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc />
    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding = ActivationRounding.Nearest)
    {
        Require(parts.Length > 0, "There is no part, expected one at least.");
        (DType type, int inputs) = (parts[0].Type, parts[0].Shape.Columns);
        Require(type is not DType.Int32, $"{parts[0].Name} is {type.Word()}, expected a type of weights.");
        int outputs = 0;
        foreach (HostTensor part in parts)
        {
            Require(
                part.Type == type && part.Shape.Columns == inputs,
                $"{part.Name} is {part.Type.Word()} {part.Shape}, "
                + $"expected {type.Word()} with {inputs} columns as {parts[0].Name}.");
            outputs += part.Shape.Rows;
        }

        var weight = new ReferenceWeight(type, outputs, inputs, rounding);
        int row = 0;
        foreach (HostTensor part in parts)
        {
            int scales = type == DType.Int8 ? part.Shape.Rows : type == DType.Int16 ? 1 : 0;
            if ((part.Scales?.Length ?? 0) != scales)
                throw new ModelFormatException(
                    part.File, $"the number of scales of {part.Name}", $"{part.Scales?.Length ?? 0}", $"{scales}");
            float[] values = part.ReadFloats();   // checks that all are finite
            var bytes = new byte[part.Bytes];
            part.ReadBytes(0, bytes);
            for (int i = 0; i < values.Length; i++)
            {
                int place = (row * inputs) + i;
                weight.Values[place] = values[i];
                if (type.IsFloat()) continue;
                weight.Integers[place] = type == DType.Int8
                    ? (sbyte)bytes[i]
                    : BinaryPrimitives.ReadInt16LittleEndian(bytes.AsSpan(2 * i));
            }

            for (int i = 0; i < part.Shape.Rows; i++, row++)
                weight.Scales[row] = part.Scales is null ? 1f : part.Scales[type == DType.Int8 ? i : 0];
        }

        // The quotient in double precision: the float32 of ReadFloats is already rounded.
        for (int i = 0; i < weight.Integers.Length; i++)
            weight.Values[i] = (double)weight.Integers[i] / weight.Scales[i / inputs];
        return weight;
    }

    /// <inheritdoc />
    public Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs)
    {
        ReferenceWeight whole = Own(weight);
        int inputs = whole.Inputs;
        var selected = new ReferenceWeight(whole.Type, outputs.Length, inputs, whole.Rounding);
        for (int i = 0; i < outputs.Length; i++)
        {
            int output = outputs[i];
            Require(output >= 0 && output < whole.Outputs, $"The output is {output}, expected 0 to {whole.Outputs - 1}.");
            whole.Values.AsSpan(output * inputs, inputs).CopyTo(selected.Values.AsSpan(i * inputs));
            if (!whole.Type.IsFloat())
                whole.Integers.AsSpan(output * inputs, inputs).CopyTo(selected.Integers.AsSpan(i * inputs));
            selected.Scales[i] = whole.Scales[output];
        }

        return selected;
    }

    /// <inheritdoc />
    public Tensor SelectColumns(in Tensor x, in Tensor columns)
    {
        double[] values = Numbers(x);
        int[] ids = Integers(columns);
        int width = x.Columns;
        Require(columns.Rows == 1, $"columns is {columns.Shape}, expected one row.");
        foreach (int id in ids) Require(id >= 0 && id < width, $"The column is {id}, expected 0 to {width - 1}.");
        return Result(
            new Shape(x.Rows, ids.Length),
            [.. Enumerable.Range(0, x.Rows).SelectMany(row => ids.Select(id => values[(row * width) + id]))]);
    }

    /// <inheritdoc />
    public Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds)
    {
        ReferenceWeight weight = Own(table);
        int[] tokens = Integers(ids), places = Integers(positionIds);
        Require(ids.Rows == 1, $"ids is {ids.Shape}, expected one row.");
        Require(positions.IsNone == positionIds.IsNone, "positions and positionIds stand together or not at all.");
        foreach (int id in tokens)
            Require(id >= -1 && id < weight.Outputs, $"The id is {id}, expected -1 to {weight.Outputs - 1}.");
        if (!positions.IsNone)
        {
            Require(positions.Columns == weight.Inputs,
                $"positions is {positions.Shape}, expected {weight.Inputs} columns.");
            Require(places.Length == tokens.Length, $"There are {places.Length} positions for {tokens.Length} ids.");
            foreach (int place in places)
                Require(place >= 0 && place < positions.Rows,
                    $"The position is {place}, expected 0 to {positions.Rows - 1}.");
        }

        return Result(
            new Shape(tokens.Length, weight.Inputs),
            EmbedReference.Rows(tokens, weight.Values, weight.Inputs, scale, Numbers(positions), places));
    }

    /// <inheritdoc />
    public Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation = Activation.None)
    {
        ReferenceWeight weight = Own(weights.Weight);
        double[] values = Numbers(x), bias = Numbers(weights.Bias);
        Require(x.Columns == weight.Inputs,
            $"x is {x.Shape}, expected {weight.Inputs} columns, the inputs of the weight.");
        CheckVector(weights.Bias, weight.Outputs, "The bias");
        if (weight.Type == DType.BFloat16 && weight.Rounding == ActivationRounding.BFloat16)
            values = LinearReference.ToBFloat16(values);
        return Result(
            new Shape(x.Rows, weight.Outputs),
            weight.Type.IsFloat()
                ? LinearReference.Rows(values, weight.Values, bias, x.Rows, weight.Inputs, weight.Outputs, activation)
                : LinearReference.QuantisedRows(
                    values, weight.Integers, weight.Scales, bias, x.Rows, weight.Inputs, weight.Outputs,
                    weight.Type == DType.Int8, weight.Rounding, activation));
    }

    /// <inheritdoc />
    public Tensor Norm(in Tensor x, in NormWeights weights)
    {
        double[] values = Numbers(x), gain = Numbers(weights.Gain), bias = Numbers(weights.Bias);
        Require(!weights.Gain.IsNone, "A norm has a gain.");
        CheckVector(weights.Gain, x.Columns, "The gain");
        CheckVector(weights.Bias, x.Columns, "The bias");
        float epsilon = weights.Epsilon;
        return weights.IsRms
            ? ByRow(x.Shape, values, row => NormReference.Rms(row, gain, bias, epsilon))
            : ByRow(x.Shape, values, row => NormReference.Layer(row, gain, bias, epsilon));
    }

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights) => Norm(Add(x, residual), weights);

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum)
    {
        sum = Add(x, residual);
        return Norm(sum, weights);
    }

    /// <inheritdoc />
    public Tensor Add(in Tensor x, in Tensor y)
    {
        Require(x.Shape == y.Shape, $"The tensors are {x.Shape} and {y.Shape}, expected one shape.");
        return Result(x.Shape, [.. Numbers(x).Zip(Numbers(y), static (left, right) => left + right)]);
    }

    /// <inheritdoc />
    public Tensor Multiply(in Tensor x, in Tensor y)
    {
        Require(x.Shape == y.Shape, $"The tensors are {x.Shape} and {y.Shape}, expected one shape.");
        return Result(x.Shape, [.. Numbers(x).Zip(Numbers(y), static (left, right) => left * right)]);
    }

    /// <inheritdoc />
    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec) =>
        RaggedAttention(query, key, value, Tensor.None, queries, keys, spec, default);

    /// <inheritdoc />
    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec)
    {
        Require(!score.IsNone, "Additive attention has a score vector.");
        return RaggedAttention(query, key, value, score, queries, keys, spec, default);
    }

    /// <inheritdoc />
    public Tensor AttentionWeights(
        in Tensor query, in Tensor key, in Tensor score, in Ragged queries, in Ragged keys, in AttentionSpec spec)
    {
        CheckRagged(query, key, key, score, queries, keys, spec);
        return Result(
            new Shape(query.Rows * spec.Heads, keys.Longest),
            AttentionReference.WeightRows(
                Numbers(query), Numbers(key), Numbers(score), Integers(queries.Offsets), Integers(keys.Offsets), key.Columns,
                keys.Longest, spec));
    }

    /// <inheritdoc />
    public KeyValueCache AllocateCache(int blocks, int keyColumns, int valueColumns, int heads)
    {
        CheckHeads(keyColumns, valueColumns, heads);
        int positions = checked(blocks * KeyValueCache.BlockPositions);
        return new KeyValueCache(
            Allocate(new Shape(positions, keyColumns), DType.Float32),
            Allocate(new Shape(positions, valueColumns), DType.Float32),
            blocks, keyColumns, valueColumns, heads);
    }

    /// <inheritdoc />
    public void FreeCache(in KeyValueCache cache)
    {
        Free(cache.Keys);
        Free(cache.Values);
    }

    /// <inheritdoc />
    public KeyValueCache GrowCache(in KeyValueCache cache, int blocks)
    {
        Require(blocks >= cache.Blocks, $"The cache would have {blocks} blocks, expected {cache.Blocks} at least.");
        KeyValueCache larger = AllocateCache(blocks, cache.KeyColumns, cache.ValueColumns, cache.Heads);
        Store(larger.Keys.RowRange(0, cache.Keys.Rows), Numbers(cache.Keys));
        Store(larger.Values.RowRange(0, cache.Values.Rows), Numbers(cache.Values));
        FreeCache(cache);
        return larger;
    }

    /// <inheritdoc />
    public void Append(in KeyValueCache cache, in Tensor keys, in Tensor values, in Tensor slots)
    {
        int[] places = Integers(slots);
        Require(
            keys.Columns == cache.KeyColumns && values.Columns == cache.ValueColumns,
            $"keys is {keys.Shape} and values {values.Shape}, "
            + $"expected {cache.KeyColumns} and {cache.ValueColumns} columns.");
        Require(
            keys.Rows == places.Length && values.Rows == places.Length,
            $"There are {places.Length} slots for {keys.Rows} keys and {values.Rows} values.");
        Require(places.Where(static slot => slot != -1).CountBy(static slot => slot).All(static slot => slot.Value == 1), "A slot stands twice, expected different ones.");
        for (int row = 0; row < places.Length; row++)
        {
            if (places[row] == -1) continue;
            Require(
                places[row] >= 0 && places[row] < cache.Keys.Rows,
                $"The slot is {places[row]}, expected 0 to {cache.Keys.Rows - 1}.");
            Store(cache.Keys.RowRange(places[row], 1), Numbers(keys.RowRange(row, 1)));
            Store(cache.Values.RowRange(places[row], 1), Numbers(values.RowRange(row, 1)));
        }
    }

    /// <inheritdoc />
    public void CopyBlocks(in KeyValueCache cache, in Tensor pairs)
    {
        int[] blocks = Integers(pairs);
        Require(pairs.Columns == 2, $"pairs is {pairs.Shape}, expected 2 columns.");
        const int Positions = KeyValueCache.BlockPositions;
        for (int pair = 0; pair < pairs.Rows; pair++)
        {
            (int from, int to) = (blocks[2 * pair], blocks[(2 * pair) + 1]);
            if (from == -1 && to == -1) continue;
            Require(
                from >= 0 && from < cache.Blocks && to >= 0 && to < cache.Blocks,
                $"The blocks are {from} and {to}, expected 0 to {cache.Blocks - 1}.");
            Store(cache.Keys.RowRange(to * Positions, Positions),
                Numbers(cache.Keys.RowRange(from * Positions, Positions)));
            Store(cache.Values.RowRange(to * Positions, Positions),
                Numbers(cache.Values.RowRange(from * Positions, Positions)));
        }
    }

    /// <inheritdoc />
    public Tensor CachedAttention(in Tensor query, in KeyValueCache cache, in CacheView view, in AttentionSpec spec) =>
        AttentionToCache(query, Tensor.None, cache, view, spec);

    /// <inheritdoc />
    public Tensor CachedAdditiveAttention(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        Require(!score.IsNone, "Additive attention has a score vector.");
        return AttentionToCache(query, score, cache, view, spec);
    }

    /// <inheritdoc />
    public Tensor CachedAttentionWeights(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec,
        int firstHeads)
    {
        CheckCached(query, score, cache, view, spec);
        Require(firstHeads >= 1 && firstHeads <= spec.Heads,
            $"firstHeads is {firstHeads}, expected 1 to {spec.Heads}.");
        double[] vector = Numbers(score), y = new double[query.Rows * view.Longest];
        for (int row = 0; row < query.Rows; row++)
        {
            double[] keys = History(cache.Keys, view, row), q = Numbers(query.RowRange(row, 1));
            int length = keys.Length / q.Length;
            for (int head = 0; head < firstHeads; head++)
            {
                double[] weights = AttentionReference.Weights(q, keys, vector, head, length - 1, spec);
                for (int j = 0; j < length; j++) y[(row * view.Longest) + j] += weights[j] / firstHeads;
            }
        }

        return Result(new Shape(query.Rows, view.Longest), y);
    }

    /// <inheritdoc />
    public void Suppress(in Tensor logits, in Tensor places)
    {
        double[] values = Numbers(logits);
        foreach (int place in Places(logits, places)) values[place] = float.MinValue;
        Store(logits, values);
    }

    /// <inheritdoc />
    public void Penalize(in Tensor logits, in Tensor places, in Tensor penalties)
    {
        double[] values = Numbers(logits), factors = Numbers(penalties);
        int[] at = Places(logits, places);
        CheckVector(penalties, at.Length, "The row of penalties");
        for (int i = 0; i < at.Length; i++)
        {
            Require(factors[i] > 0, $"The penalty is {factors[i]}, expected more than 0.");
            values[at[i]] = values[at[i]] < 0 ? values[at[i]] * factors[i] : values[at[i]] / factors[i];
        }

        Store(logits, values);
    }

    /// <inheritdoc />
    public Tensor LogSoftmax(in Tensor logits) =>
        ByRow(logits.Shape, Numbers(logits), static row => SoftmaxReference.LogSoftmax(row));

    /// <inheritdoc />
    public Tensor TopK(in Tensor logits, int k, out Tensor tokens)
    {
        Require(k >= 1 && k <= logits.Columns, $"k is {k}, expected 1 to {logits.Columns}, the vocabulary.");
        double[] values = Numbers(LogSoftmax(logits)), best = new double[logits.Rows * k];
        var places = new int[logits.Rows * k];
        for (int row = 0; row < logits.Rows; row++)
        {
            double[] all = values[(row * logits.Columns)..((row + 1) * logits.Columns)];
            int[] chosen = TopKReference.Row(all, k);
            for (int i = 0; i < k; i++) (places[(row * k) + i], best[(row * k) + i]) = (chosen[i], all[chosen[i]]);
        }

        tokens = Rent(new Shape(logits.Rows, k), DType.Int32);
        Store(tokens, places);
        return Result(new Shape(logits.Rows, k), best);
    }

    /// <inheritdoc />
    public Tensor LogProbability(in Tensor logits, in Tensor tokens)
    {
        int[] chosen = Integers(tokens);
        Require(chosen.Length == logits.Rows, $"There are {chosen.Length} tokens for {logits.Rows} rows of logits.");
        double[] values = Numbers(LogSoftmax(logits)), y = new double[logits.Rows];
        for (int row = 0; row < y.Length; row++)
        {
            Require(
                chosen[row] >= 0 && chosen[row] < logits.Columns,
                $"The token is {chosen[row]}, expected 0 to {logits.Columns - 1}.");
            y[row] = values[(row * logits.Columns) + chosen[row]];
        }

        return Result(new Shape(logits.Rows, 1), y);
    }

    /// <inheritdoc />
    public Tensor Sample(in Tensor logits, in Tensor draws, float temperature, out Tensor tokens)
    {
        RowChecks.Sample(logits, draws, temperature);
        double[] x = Numbers(logits), all = Numbers(LogSoftmax(logits)), y = new double[logits.Rows];
        int[] keys = Integers(draws), chosen = new int[logits.Rows];
        for (int row = 0; row < y.Length; row++)
        {
            var draw = TokenDraw.From(keys.AsSpan(row * TokenDraw.Columns, TokenDraw.Columns));
            int first = row * logits.Columns;
            chosen[row] = TopKReference.Row(SampleReference.Scores(x.AsSpan(first, logits.Columns), draw, temperature), 1)[0];
            y[row] = all[first + chosen[row]];
        }

        tokens = Rent(new Shape(logits.Rows, 1), DType.Int32);
        Store(tokens, chosen);
        return Result(new Shape(logits.Rows, 1), y);
    }

    /// <inheritdoc />
    public void AdvanceBeams(in Tensor scores, in Tensor tokens, in BeamState state)
    {
        state.Check(scores, tokens);
        var beams = new BeamReference
        {
            Scores = [.. Numbers(scores).Select(static score => (float)score)],
            Tokens = Integers(tokens),
            Found = scores.Columns,
            Sentences = Integers(state.Sentences),
            Ends = Integers(state.Ends),
            Sums = Integers(state.Sums),
            Ids = Integers(state.Ids),
            Positions = Integers(state.Positions),
            Slots = Integers(state.Slots),
            Lengths = Integers(state.Lengths),
            Blocks = Integers(state.Blocks),
            Copies = Integers(state.Copies),
            Spare = Integers(state.Spare),
            Moves = Integers(state.Moves),
            Steps = state.Steps,
        };
        for (int s = 0; s < state.Sentences.Rows; s++)
        {
            if (beams.IsLive(s) && !state.Holds(beams.Sentence(s), scores.Columns))
                throw new ArgumentException($"Sentence {s} has rows, candidates or steps that are not there.", nameof(state));
        }

        for (int s = 0; s < state.Sentences.Rows; s++)
        {
            if (beams.IsLive(s)) beams.Advance(s);
        }

        Store(state.Sentences, beams.Sentences);
        Store(state.Sums, beams.Sums);
        Store(state.Ids, beams.Ids);
        Store(state.Positions, beams.Positions);
        Store(state.Slots, beams.Slots);
        Store(state.Lengths, beams.Lengths);
        Store(state.Blocks, beams.Blocks);
        Store(state.Copies, beams.Copies);
        Store(state.Moves, beams.Moves);
    }

    private Tensor RaggedAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout)
    {
        CheckRagged(query, key, value, score, queries, keys, spec);
        return Result(
            new Shape(query.Rows, value.Columns),
            AttentionReference.Rows(
                Numbers(query), Numbers(key), Numbers(value), Numbers(score), Integers(queries.Offsets),
                Integers(keys.Offsets),
                key.Columns, value.Columns, spec, dropout));
    }

    private Tensor AttentionToCache(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        CheckCached(query, score, cache, view, spec);
        double[] vector = Numbers(score), y = new double[query.Rows * cache.ValueColumns];
        for (int row = 0; row < query.Rows; row++)
        {
            double[] keys = History(cache.Keys, view, row), values = History(cache.Values, view, row);
            int position = (keys.Length / query.Columns) - 1;
            AttentionReference.Row(Numbers(query.RowRange(row, 1)), keys, values, vector, position, spec)
                .CopyTo(y, row * cache.ValueColumns);
        }

        return Result(new Shape(query.Rows, cache.ValueColumns), y);
    }

    // The rows of a cache that a query row sees, position 0 first.
    private double[] History(in Tensor table, in CacheView view, int row)
    {
        const int Positions = KeyValueCache.BlockPositions;
        int[] blocks = Integers(view.Blocks.RowRange(row, 1));
        int length = Integers(view.Lengths)[row];
        Require(length >= 1 && length <= view.Longest, $"The length is {length}, expected 1 to {view.Longest}.");
        var history = new double[length * table.Columns];
        for (int position = 0; position < length; position++)
        {
            int slot = (blocks[position / Positions] * Positions) + (position % Positions);
            Numbers(table.RowRange(slot, 1)).CopyTo(history, position * table.Columns);
        }

        return history;
    }

    private Tensor ByRow(Shape shape, double[] values, Func<double[], double[]> function)
    {
        var y = new double[values.Length];
        for (int row = 0; row < shape.Rows; row++)
            function(values[(row * shape.Columns)..((row + 1) * shape.Columns)]).CopyTo(y, row * shape.Columns);
        return Result(shape, y);
    }

    // The elements that pairs of row and token name.
    private int[] Places(in Tensor logits, in Tensor places)
    {
        int[] pairs = Integers(places), at = new int[places.Rows];
        Require(places.Columns == 2, $"places is {places.Shape}, expected 2 columns.");
        for (int i = 0; i < at.Length; i++)
        {
            (int row, int token) = (pairs[2 * i], pairs[(2 * i) + 1]);
            Require(
                row >= 0 && row < logits.Rows && token >= 0 && token < logits.Columns,
                $"The place is row {row}, token {token}; the logits are {logits.Shape}.");
            at[i] = (row * logits.Columns) + token;
        }

        return at;
    }

    private static ReferenceWeight Own(Weight weight)
    {
        if (weight is not ReferenceWeight own)
            throw new ArgumentException(
                $"The weight is a {weight.GetType().Name}, expected one that this backend packed.", nameof(weight));
        ObjectDisposedException.ThrowIf(own.IsDisposed, weight);
        return own;
    }

    private static void CheckCached(
        in Tensor query, in Tensor score, in KeyValueCache cache, in CacheView view, in AttentionSpec spec)
    {
        Require(spec.Heads == cache.Heads, $"Heads is {spec.Heads}, expected {cache.Heads}, as the cache has.");
        Require(query.Columns == cache.KeyColumns,
            $"query is {query.Shape}, expected {cache.KeyColumns} columns, as the cache has.");
        Require(
            view.Blocks.Rows == query.Rows && view.Lengths.Columns == query.Rows,
            $"The view is of {view.Blocks.Rows} rows and {view.Lengths.Columns} lengths, expected {query.Rows}.");
        CheckVector(score, cache.KeyColumns, "The score vector");
    }

    private static void CheckRagged(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec)
    {
        CheckHeads(key.Columns, value.Columns, spec.Heads);
        Require(query.Columns == key.Columns, $"query is {query.Shape} and key {key.Shape}, expected one width.");
        Require(key.Rows == value.Rows, $"key is {key.Shape} and value {value.Shape}, expected as many rows.");
        Require(
            query.Rows == queries.Rows && key.Rows == keys.Rows,
            $"There are {query.Rows} queries and {key.Rows} keys, "
            + $"expected {queries.Rows} and {keys.Rows}, as the sentences have.");
        Require(
            queries.Sentences == keys.Sentences,
            $"The queries are of {queries.Sentences} sentences and the keys of {keys.Sentences}, expected as many.");
        CheckVector(score, key.Columns, "The score vector");
    }

    private static void CheckHeads(int keyColumns, int valueColumns, int heads) =>
        Require(
            heads >= 1 && keyColumns % heads == 0 && valueColumns % heads == 0,
            $"The keys have {keyColumns} columns and the values {valueColumns}, "
            + $"expected multiples of {heads}, the heads.");

    private static void CheckVector(in Tensor vector, int columns, string what) =>
        Require(
            vector.IsNone || vector.Shape == new Shape(1, columns),
            $"{what} is {vector.Shape}, expected {new Shape(1, columns)}.");

    private static void Require(bool condition, string otherwise)
    {
        if (!condition) throw new ArgumentException(otherwise);
    }
}
