// The backward of embeddings, linear layers, norms and attention. Nothing is added atomically, so results are the same bits each time.
using Engine.Backends;
using Engine.Cuda.Device;
using Engine.Cuda.Driver;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const int CountersOfGroup = 16;         // that serve 128 columns
    private const int RowsOfNormTile = 32;
    private const int ColumnsOfSums = 32;
    private const int RowsOfGradientTile = 16;
    private const int NotesOfQuery = 3;

    // The CPU computes a gradient of so few rows apart, and adds it then.
    private const int FewOutputs = 3;

    /// <inheritdoc />
    public void EmbedBackward(
        in Tensor ids, in Tensor dy, float scale, in Tensor tableGradient, in Tensor positionIds, in Tensor positionGradient)
    {
        RowChecks.Floats(dy, nameof(dy));
        Checks.EmbedGradient(ids, nameof(ids), dy, tableGradient, nameof(tableGradient));
        if (!positionGradient.IsNone)
            Checks.EmbedGradient(positionIds, nameof(positionIds), dy, positionGradient, nameof(positionGradient));
        AddRows(ids, dy, scale, tableGradient);
        if (!positionGradient.IsNone) AddRows(positionIds, dy, 1f, positionGradient);
    }

    /// <inheritdoc />
    public void LinearBackward(
        in Tensor x, in Tensor dy, in Tensor weightGradient, in Tensor biasGradient, DType type = DType.Float32)
    {
        Checks.Precision(type);
        Checks.LinearGradient(x, dy, weightGradient, biasGradient);
        if (dy.Shape.Count == 0) return;
        if (!biasGradient.IsNone) SumColumns(Address(dy), dy.Stride, dy.Shape, Address(biasGradient));
        if (x.Columns == 0) return;
        (int, long) mark = _arena.Mark();
        if (_usesOwnProducts)
        {
            bool isRounded = type == DType.BFloat16;
            AddProduct(isRounded ? RoundToBFloat16(dy) : dy, isRounded ? RoundToBFloat16(x) : x, weightGradient);
        }
        else if (PrecisionOf(type) == DType.BFloat16)
        {
            (nint of, int ofStride) = ToBFloat16(x);
            (nint by, int byStride) = ToBFloat16(dy);
            AddGemm(CublasCalls.BFloat16, of, ofStride, by, byStride, x.Rows, weightGradient);
        }
        else
        {
            AddGemm(CublasCalls.Float32, Address(x), x.Stride, Address(dy), dy.Stride, x.Rows, weightGradient);
        }

        _arena.Release(mark);
    }

    /// <inheritdoc />
    public Tensor NormBackward(
        in Tensor x, in NormWeights weights, in Tensor dy, in Tensor passed, in Tensor gainGradient, in Tensor biasGradient)
    {
        Checks.NormGradient(x, weights, dy, passed, gainGradient, biasGradient);
        Tensor dx = Rent(x.Shape, DType.Float32);
        if (x.Shape.Count == 0) return dx;
        (int, long) mark = _arena.Mark();
        var tiles = new Shape((int)Blocks(x.Rows, RowsOfNormTile), x.Columns);
        nint partial = _arena.Take(2 * tiles.Count * sizeof(float));
        Seam seam = Seam.Of(x) | Seam.Of(dy) | Seam.Of(passed) | Seam.Of(dx);
        if (x.Columns <= MostOfShort && IsPaired(seam, x.Columns))
        {
            Launch(
                x.Columns <= MostOfShort / 2 ? Training.NormGradient512 : Training.NormGradient1024, (uint)tiles.Rows, 1, 1,
                ThreadsOfRow, 0,
                Address(x), (long)x.Stride, Address(dy), (long)dy.Stride, Address(passed), (long)passed.Stride, Address(dx),
                (long)dx.Stride, Address(weights.Gain), partial, x.Rows, x.Columns, weights.Epsilon, weights.IsRms ? 1 : 0);
        }
        else
        {
            nint measured = _arena.Take(2L * x.Rows * sizeof(float));
            Launch(
                Training.NormGradient, Blocks(x.Rows, RowsOfNorm), 1, 1, ThreadsOfRow, 0,
                Address(x), (long)x.Stride, Address(dy), (long)dy.Stride, Address(passed), (long)passed.Stride, Address(dx),
                (long)dx.Stride, Address(weights.Gain), measured, x.Rows, x.Columns, weights.Epsilon, weights.IsRms ? 1 : 0);
            Launch(
                Training.NormPartials, (uint)tiles.Rows, Blocks(x.Columns, ThreadsOfRow), 1, ThreadsOfRow, 0,
                Address(x), (long)x.Stride, Address(dy), (long)dy.Stride, measured, partial, x.Rows, x.Columns);
        }

        SumColumns(partial, 2L * x.Columns, tiles, Address(gainGradient));
        if (!biasGradient.IsNone)
            SumColumns(partial + ((nint)x.Columns * sizeof(float)), 2L * x.Columns, tiles, Address(biasGradient));
        _arena.Release(mark);
        return dx;
    }

    /// <inheritdoc />
    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout)
    {
        Checks.Dropout(dropout);
        return AttendSentences(query, key, value, Tensor.None, queries, keys, spec, dropout);
    }

    /// <inheritdoc />
    public void AttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor dy, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient)
    {
        Checks.SentencesGradient(
            query, key, value, Tensor.None, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient);
        AddAttentionGradients(
            query, key, value, Tensor.None, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient, Tensor.None);
    }

    /// <inheritdoc />
    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout)
    {
        if (score.IsNone) throw new ArgumentException("score is none, expected the vector of additive attention.", nameof(score));
        Checks.Dropout(dropout);
        return AttendSentences(query, key, value, score, queries, keys, spec, dropout);
    }

    /// <inheritdoc />
    public void AdditiveAttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Tensor dy, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient,
        in Tensor scoreGradient)
    {
        if (score.IsNone) throw new ArgumentException("score is none, expected the vector of additive attention.", nameof(score));
        RowChecks.Vector(scoreGradient, DType.Float32, key.Columns, nameof(scoreGradient));
        Checks.SentencesGradient(
            query, key, value, score, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient);
        AddAttentionGradients(
            query, key, value, score, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient, scoreGradient);
    }

    private void AddAttentionGradients(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Tensor dy, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient,
        in Tensor scoreGradient)
    {
        bool isAdditive = !score.IsNone;
        if (query.Rows == 0 || key.Rows == 0 || value.Columns == 0 || (isAdditive && key.Columns == 0)) return;
        int headDim = key.Columns / spec.Heads, valueDim = value.Columns / spec.Heads;
        (uint keyLow, uint keyHigh) = ((uint)dropout.Key, (uint)(dropout.Key >> 32));
        (int, long) mark = _arena.Mark();
        nint notes = _arena.Take((long)spec.Heads * query.Rows * NotesOfQuery * sizeof(float));

        int tiles = (int)Blocks(queries.Longest, RowsOfGradientTile);
        var partials = new Shape(checked(queries.Sentences * tiles), key.Columns);
        nint ofScore = isAdditive ? _arena.Take(partials.Count * sizeof(float)) : 0;
        (int columns, uint slices) = GradientSlices(headDim, isAdditive);
        Launch(
            Training.GradientOfQueries(isAdditive, columns), (uint)partials.Rows, (uint)spec.Heads, slices, ThreadsOfAttention, 0,
            Address(query), (long)query.Stride, Address(key), (long)key.Stride, Address(value), (long)value.Stride, Address(score),
            Address(dy), (long)dy.Stride, Address(queries.Offsets), Address(keys.Offsets), query.Rows, key.Rows, tiles, headDim,
            valueDim, spec.Scale, spec.Mask.Left, spec.Mask.Right, Address(queryGradient), (long)queryGradient.Stride, notes, ofScore,
            keyLow, keyHigh, dropout.Site, dropout.Threshold, dropout.Scale);

        tiles = (int)Blocks(keys.Longest, RowsOfGradientTile);
        (columns, slices) = GradientSlices(Math.Max(headDim, valueDim), isAdditive);
        Launch(
            Training.GradientOfKeys(isAdditive, columns), checked((uint)queries.Sentences * (uint)tiles), (uint)spec.Heads, slices,
            ThreadsOfAttention, 0,
            Address(query), (long)query.Stride, Address(key), (long)key.Stride, Address(value), (long)value.Stride, Address(score),
            Address(dy), (long)dy.Stride, Address(queries.Offsets), Address(keys.Offsets), query.Rows, key.Rows, tiles, headDim,
            valueDim, spec.Scale, spec.Mask.Left, spec.Mask.Right, Address(keyGradient), (long)keyGradient.Stride,
            Address(valueGradient), (long)valueGradient.Stride, notes, keyLow, keyHigh, dropout.Site, dropout.Threshold,
            dropout.Scale);
        if (isAdditive) SumColumns(ofScore, key.Columns, partials, Address(scoreGradient));
        _arena.Release(mark);
    }

    // Columns of a gradient that a lane has, and how many blocks share a row; each of them computes the weights.
    private static (int Columns, uint Slices) GradientSlices(int dim, bool isAdditive)
    {
        int columns = dim <= Lanes ? 1 : dim <= 2 * Lanes || isAdditive ? 2 : 4;
        return (columns, Math.Max(1, Blocks(dim, columns * Lanes)));
    }

    private void AddRows(in Tensor ids, in Tensor dy, float scale, in Tensor table)
    {
        if (dy.Shape.Count == 0) return;
        Launch(
            Training.EmbedGradient, (uint)dy.Rows, Blocks(dy.Columns, ThreadsOfRow), 1, ThreadsOfRow, 0,
            Address(ids), Address(dy), (long)dy.Stride, dy.Rows, dy.Columns, scale, Address(table), (long)table.Stride, table.Rows);
    }

    // sums [columns] += the column sums of x.
    private void SumColumns(nint x, long stride, Shape shape, nint sums)
    {
        if (shape.Count == 0) return;
        Launch(
            Training.ColumnSums, Blocks(shape.Columns, ColumnsOfSums), 1, 1, ThreadsOfWide, 0,
            x, stride, shape.Rows, shape.Columns, sums);
    }

    // c += aᵀ b, each element one chain over the rows.
    private void AddProduct(in Tensor a, in Tensor b, in Tensor c) =>
        Launch(
            Training.GemmGradient, Blocks(c.Columns, TileOfGemm), GridRows(Blocks(c.Rows, TileOfGemm)), 1, ThreadsOfWide, 0,
            Address(a), (long)a.Stride, Address(b), (long)b.Stride, Address(c), (long)c.Stride, a.Rows, c.Rows, c.Columns,
            c.Rows <= FewOutputs ? 1 : 0);

    // dW += dyᵀ x in row-major order is dWᵀ += xᵀ dy in cuBLAS's column-major order, where it takes x for xᵀ and dy for dyᵀ.
    private void AddGemm(int elements, nint x, int ldx, nint dy, int ldy, int rows, in Tensor into) =>
        _context.Stream.Multiply(new BlasProduct
        {
            TransposeA = CublasCalls.AsStored,
            TransposeB = CublasCalls.Transposed,
            M = into.Columns,
            N = into.Rows,
            K = rows,
            A = new BlasMatrix(x, elements, ldx),
            B = new BlasMatrix(dy, elements, ldy),
            C = new BlasMatrix(Address(into), CublasCalls.Float32, into.Stride),
            Compute = elements == CublasCalls.Float32 ? ComputeOfFloats : CublasCalls.ComputeFloat32,
            Accumulates = true,
        });

    // Rounded rows in scratch memory, padded with zeros.
    private (nint Rows, int Stride) ToBFloat16(in Tensor x)
    {
        int stride = SumStride(x.Columns);
        nint rounded = _arena.Take((long)x.Rows * stride * sizeof(ushort));
        LaunchPadded(_kernels.ToBFloat16, x, rounded, stride);
        return (rounded, stride);
    }
}
