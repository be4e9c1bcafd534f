// What training asks of the CPU: weights that change, a backward for each forward operator, the loss, the optimizer's step.
using Engine.Backends;
using Engine.Cpu.Assembler;
using Engine.Cpu.Kernels;
using Engine.Cpu.Memory;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;
using Engine.Tensors;

namespace Engine.Cpu;

public sealed unsafe partial class CpuBackend
{
    // Random numbers, or exponentials, for each element.
    private const int ElementsOfDropout = 8_192;

    // A mark is a chunk of the arena and a place in it, which is below 16 TiB.
    private const int ChunkShift = 44;

    // A gradient of so few rows may be a product of tiles that stream, which do not begin with what is there.
    private const int FewRows = 3;

    /// <inheritdoc />
    public Weight AllocateWeight(int outputs, int inputs, DType type = DType.Float32)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckShape(new Shape(outputs, inputs));
        CheckPrecision(type);
        bool isPaired = IsPaired(type);
        return Empty(outputs, inputs, type, new NativePanels(PackedWeight.BytesOfPanels(outputs, inputs, type, isPaired)));
    }

    /// <inheritdoc />
    public void Refresh(Weight weight, in Tensor values, bool transposed)
    {
        PackedWeight packed = Packed(weight, nameof(weight));
        RowChecks.Floats(values, nameof(values));
        CheckPrecision(packed.Type);
        Shape expected = transposed ? new Shape(packed.Inputs, packed.Outputs) : new Shape(packed.Outputs, packed.Inputs);
        if (values.Shape != expected) throw new ArgumentException($"values is {values}, expected {expected}.", nameof(values));
        if (values.Shape.Count == 0) return;
        if (transposed) LayColumns(values, packed);
        else LayRows(values, packed);
    }

    /// <inheritdoc />
    public long Mark()
    {
        if (!_frameOpen) throw new InvalidOperationException("No frame is open.");
        (int chunk, long used) = _arena.Mark();
        return ((long)chunk << ChunkShift) | used;
    }

    /// <inheritdoc />
    public void Release(long mark, Span<Tensor> kept)
    {
        if (!_frameOpen) throw new InvalidOperationException("No frame is open.");
        (int Chunk, long Used) from = ((int)(mark >> ChunkShift), mark & ((1L << ChunkShift) - 1));
        var moved = new List<(int Chunk, long Used, int Place)>();
        for (int i = 0; i < kept.Length; i++)
        {
            if (_arena.Find(kept[i].Handle) is not { } place || place.CompareTo(from) < 0) continue;
            if (kept[i].Offset != 0) throw new ArgumentException($"{kept[i]} is a part of a tensor, expected a whole one.", nameof(kept));
            moved.Add((place.Chunk, place.Used, i));
        }

        // In the order in which they lie: where one goes is then never beyond where it is, nor where a later one is.
        moved.Sort();
        _arena.Release(from);
        foreach (var (_, _, i) in moved)
        {
            Tensor tensor = kept[i];
            long bytes = (long)tensor.Rows * tensor.Stride * tensor.Type.Bytes();
            void* to = _arena.Take(bytes);
            Buffer.MemoryCopy((void*)tensor.Handle, to, bytes, bytes);
            kept[i] = tensor with { Handle = (nint)to };
        }
    }

    /// <inheritdoc />
    public void Clear(in Tensor tensor)
    {
        if (tensor.IsNone) throw new ArgumentException("There is no tensor to clear.", nameof(tensor));
        int bytes = tensor.Type.Bytes();
        for (int row = 0; row < tensor.Rows; row++)
        {
            byte* first = (byte*)tensor.Handle + ((tensor.Offset + ((long)row * tensor.Stride)) * bytes);
            System.Runtime.CompilerServices.Unsafe.InitBlockUnaligned(first, 0, checked((uint)((long)tensor.Columns * bytes)));
        }
    }

    /// <inheritdoc />
    public Tensor Activate(in Tensor x, Activation activation)
    {
        RowChecks.Floats(x, nameof(x));
        return activation switch
        {
            Activation.None => Map<Identity>(x),
            Activation.Relu => Map<Relu>(x),
            Activation.Gelu => Map<Gelu>(x),
            Activation.GeluTanh => Map<GeluTanh>(x),
            Activation.GeluSigmoid => Map<GeluSigmoid>(x),
            Activation.Silu => Map<Silu>(x),
            Activation.Tanh => Map<HyperbolicTangent>(x),
            Activation.Sigmoid => Map<Sigmoid>(x),
            _ => throw new ArgumentException($"The activation is {activation}, which is unknown.", nameof(activation)),
        };
    }

    /// <inheritdoc />
    public Tensor ActivationBackward(in Tensor x, in Tensor dy, Activation activation) => activation switch
    {
        Activation.None => RunElementwise<Second>(x, dy),
        Activation.Relu => RunElementwise<ReluGradient>(x, dy),
        Activation.Gelu => RunElementwise<GeluGradient>(x, dy),
        Activation.GeluTanh => RunElementwise<GeluTanhGradient>(x, dy),
        Activation.GeluSigmoid => RunElementwise<GeluSigmoidGradient>(x, dy),
        Activation.Silu => RunElementwise<SiluGradient>(x, dy),
        Activation.Tanh => RunElementwise<HyperbolicTangentGradient>(x, dy),
        Activation.Sigmoid => RunElementwise<SigmoidGradient>(x, dy),
        _ => throw new ArgumentException($"The activation is {activation}, which is unknown.", nameof(activation)),
    };

    /// <inheritdoc />
    public Tensor Dropout(in Tensor x, in Dropout dropout)
    {
        RowChecks.Floats(x, nameof(x));
        CheckDropout(dropout);
        Tensor y = Rent(x.Shape, DType.Float32);
        RunRows(new DropoutRows(Rows(x), Rows(y), x.Columns, new DropoutFactors(dropout)), x.Shape, ElementsOfDropout);
        return y;
    }

    /// <inheritdoc />
    public void EmbedBackward(
        in Tensor ids, in Tensor dy, float scale, in Tensor tableGradient, in Tensor positionIds, in Tensor positionGradient)
    {
        RowChecks.Floats(dy, nameof(dy));
        AddRows(ids, dy, scale, tableGradient, lowest: -1, nameof(ids), nameof(tableGradient));
        if (!positionGradient.IsNone)
            AddRows(positionIds, dy, 1f, positionGradient, lowest: 0, nameof(positionIds), nameof(positionGradient));
    }

    /// <inheritdoc />
    public void LinearBackward(
        in Tensor x, in Tensor dy, in Tensor weightGradient, in Tensor biasGradient, DType type = DType.Float32)
    {
        CheckPrecision(type);
        RowChecks.Floats(x, nameof(x));
        RowChecks.Floats(dy, nameof(dy));
        RowChecks.Floats(weightGradient, nameof(weightGradient));
        if (dy.Rows != x.Rows) throw new ArgumentException($"dy is {dy}, expected the {x.Rows} rows of x.", nameof(dy));
        if (weightGradient.Shape != new Shape(dy.Columns, x.Columns))
        {
            throw new ArgumentException(
                $"weightGradient is {weightGradient}, expected {new Shape(dy.Columns, x.Columns)}.", nameof(weightGradient));
        }

        if (!biasGradient.IsNone) RowChecks.Vector(biasGradient, DType.Float32, dy.Columns, nameof(biasGradient));
        if (x.Rows == 0 || dy.Columns == 0) return;
        if (!biasGradient.IsNone) SumColumns(Rows(dy), dy.Shape, Row<float>(biasGradient, 0));
        if (x.Columns > 0) AddProduct(dy, x, weightGradient, type);
    }

    /// <inheritdoc />
    public Tensor NormBackward(
        in Tensor x, in NormWeights weights, in Tensor dy, in Tensor passed, in Tensor gainGradient, in Tensor biasGradient)
    {
        RowChecks.Pair(x, nameof(x), dy, nameof(dy));
        RowChecks.Norm(weights, x.Columns);
        if (!passed.IsNone) RowChecks.Pair(x, nameof(x), passed, nameof(passed));
        RowChecks.Vector(gainGradient, DType.Float32, x.Columns, nameof(gainGradient));
        if (!biasGradient.IsNone) RowChecks.Vector(biasGradient, DType.Float32, x.Columns, nameof(biasGradient));
        Tensor dx = Rent(x.Shape, DType.Float32);
        if (x.Shape.Count == 0) return dx;
        (int, long) mark = _arena.Mark();
        int tiles = LayerNormGradient.TilesOf(x.Rows), floats = LayerNormGradient.PartialFloats(x.Columns);
        var partial = (float*)_arena.Take((long)tiles * floats * sizeof(float));
        var kernel = new LayerNormGradient(
            Rows(x), Rows(dy), passed.IsNone ? default : Rows(passed), !passed.IsNone, Rows(dx), Row<float>(weights.Gain, 0), partial,
            x.Rows, x.Columns, weights.Epsilon, weights.IsRms);
        TileKernel.Run(_pool, _rung, kernel, tiles);
        var sums = new Shape(tiles, x.Columns);
        SumColumns(new FloatRows(partial, floats), sums, Row<float>(gainGradient, 0));
        if (!biasGradient.IsNone)
            SumColumns(new FloatRows(partial + Lanes.RoundUp(x.Columns), floats), sums, Row<float>(biasGradient, 0));
        _arena.Release(mark);
        return dx;
    }

    /// <inheritdoc />
    public Tensor Attention(
        in Tensor query, in Tensor key, in Tensor value, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout)
    {
        CheckDropout(dropout);
        return AttendSentences<DotProductScore>(query, key, value, Tensor.None, queries, keys, spec, dropout);
    }

    /// <inheritdoc />
    public void AttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor dy, in Ragged queries, in Ragged keys, in AttentionSpec spec,
        in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient)
    {
        AttentionGradientArguments arguments = GradientArguments(
            query, key, value, Tensor.None, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient);
        if (query.Rows == 0 || key.Rows == 0) return;
        (int, long) mark = _arena.Mark();
        RunGradient<DotProductGradient>(arguments, keys.Longest);
        _arena.Release(mark);
    }

    /// <inheritdoc />
    public Tensor AdditiveAttention(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout)
    {
        if (score.IsNone) throw new ArgumentException("score is none, expected the vector of additive attention.", nameof(score));
        CheckDropout(dropout);
        return AttendSentences<AdditiveScore>(query, key, value, score, queries, keys, spec, dropout);
    }

    /// <inheritdoc />
    public void AdditiveAttentionBackward(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Tensor dy, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient,
        in Tensor scoreGradient)
    {
        if (score.IsNone) throw new ArgumentException("score is none, expected the vector of additive attention.", nameof(score));
        RowChecks.Vector(scoreGradient, DType.Float32, key.Columns, nameof(scoreGradient));
        AttentionGradientArguments arguments = GradientArguments(
            query, key, value, score, dy, queries, keys, spec, dropout, queryGradient, keyGradient, valueGradient);
        if (query.Rows == 0 || key.Rows == 0 || key.Columns == 0) return;
        (int, long) mark = _arena.Mark();
        arguments.ScorePartials = (float*)_arena.Take((long)queries.Sentences * key.Columns * sizeof(float));
        RunGradient<AdditiveGradient>(arguments, keys.Longest);
        SumColumns(
            new FloatRows(arguments.ScorePartials, key.Columns), new Shape(queries.Sentences, key.Columns),
            Row<float>(scoreGradient, 0));
        _arena.Release(mark);
    }

    /// <inheritdoc />
    public Tensor CrossEntropy(in Tensor logits, in Tensor targets, float smoothing, float scale)
    {
        RowChecks.Floats(logits, nameof(logits));
        RowChecks.Vector(targets, DType.Int32, logits.Rows, nameof(targets));
        if (!(smoothing >= 0f && smoothing <= 1f))
            throw new ArgumentException($"smoothing is {smoothing}, expected 0 to 1.", nameof(smoothing));
        int* ids = Row<int>(targets, 0);
        for (int row = 0; row < logits.Rows; row++)
        {
            if (ids[row] < -1 || ids[row] >= logits.Columns)
            {
                throw new ArgumentException(
                    $"Target {row} is {ids[row]}, expected -1 to {logits.Columns - 1}.", nameof(targets));
            }
        }

        Tensor losses = Rent(new Shape(logits.Rows, 2), DType.Float32);
        var kernel = new CrossEntropy(Rows(logits), ids, Rows(losses), logits.Columns, smoothing, scale);
        if (logits.Columns == 0) Clear(losses);
        else RunRows(kernel, logits.Shape, ElementsOfSoftmax);
        return losses;
    }

    /// <inheritdoc />
    public double SumOfSquares(in Tensor x)
    {
        CheckRow(x, nameof(x));
        (int, long) mark = _arena.Mark();
        int blocks = (int)(((long)x.Columns + BlockSquares.Block - 1) / BlockSquares.Block);
        var sums = (float*)_arena.Take((long)blocks * sizeof(float));
        var kernel = new BlockSquares(Row<float>(x, 0), x.Columns, sums);
        TileKernel.Run(_pool, _rung, kernel, blocks);
        double sum = 0;
        for (int i = 0; i < blocks; i++) sum += sums[i];
        _arena.Release(mark);
        return sum;
    }

    /// <inheritdoc />
    public void AdamStep(
        in Tensor values, in Tensor gradients, in Tensor firstMoment, in Tensor secondMoment, in AdamStep rates)
    {
        CheckRow(values, nameof(values));
        RowChecks.Pair(values, nameof(values), gradients, nameof(gradients));
        RowChecks.Pair(values, nameof(values), firstMoment, nameof(firstMoment));
        RowChecks.Pair(values, nameof(values), secondMoment, nameof(secondMoment));
        var kernel = new AdamUpdate(
            Row<float>(values, 0), Row<float>(gradients, 0), Row<float>(firstMoment, 0), Row<float>(secondMoment, 0), values.Columns,
            rates);
        TileKernel.Run(_pool, _rung, kernel, kernel.Tiles);
    }

    private static void CheckRow(in Tensor x, string name)
    {
        RowChecks.Floats(x, name);
        if (x.Rows != 1) throw new ArgumentException($"{name} is {x}, expected float32 [1, n].", name);
    }

    private static void CheckDropout(in Dropout dropout)
    {
        if (!(dropout.Rate >= 0f && dropout.Rate < 1f) || dropout.Threshold > ushort.MaxValue)
            throw new ArgumentException($"The dropout rate is {dropout.Rate}, expected 0 to below 1.", nameof(dropout));
    }

    private Tensor Map<TMap>(in Tensor x) where TMap : unmanaged, IMap
    {
        Tensor y = Rent(x.Shape, DType.Float32);
        RunRows(new Mapped<TMap>(Rows(x), Rows(y), x.Columns), x.Shape, ElementsOfSoftmax);
        return y;
    }

    private void AddRows(
        in Tensor ids, in Tensor dy, float scale, in Tensor table, int lowest, string idsName, string tableName)
    {
        RowChecks.Vector(ids, DType.Int32, dy.Rows, idsName);
        RowChecks.Floats(table, tableName);
        if (table.Columns != dy.Columns)
            throw new ArgumentException($"{tableName} is {table}, expected {dy.Columns} columns, those of dy.", tableName);
        int* first = Row<int>(ids, 0);
        for (int row = 0; row < dy.Rows; row++)
        {
            if (first[row] < lowest || first[row] >= table.Rows)
                throw new ArgumentException($"Id {row} is {first[row]}, expected {lowest} to {table.Rows - 1}.", idsName);
        }

        var kernel = new EmbeddingGradient(first, Rows(dy), dy.Rows, dy.Columns, scale, Rows(table));
        TileKernel.Run(_pool, _rung, kernel, kernel.Tiles);
    }

    private void SumColumns(FloatRows rows, Shape shape, float* sums)
    {
        var kernel = new ColumnSums(rows, shape.Rows, shape.Columns, sums);
        TileKernel.Run(_pool, _rung, kernel, kernel.Tiles);
    }

    // c += aᵀ b, for a [k, m], b [k, n]: the product of the rows of aᵀ with a weight whose outputs are the columns of b.
    private void AddProduct(in Tensor a, in Tensor b, in Tensor c, DType type)
    {
        (int, long) mark = _arena.Mark();
        bool isPaired = IsPaired(type);
        PackedWeight weight = Empty(
            b.Columns, b.Rows, type, new BorrowedPanels(_arena.Take(PackedWeight.BytesOfPanels(b.Columns, b.Rows, type, isPaired))));
        LayColumns(b, weight);
        if (c.Rows > FewRows) MultiplyTransposed(a, weight, c, adds: true);
        else
        {
            var product = new Tensor((nint)_arena.Take(c.Shape.Count * sizeof(float)), 0, c.Shape, c.Columns, DType.Float32);
            MultiplyTransposed(a, weight, product, adds: false);
            RunRows(new Elementwise<Addition>(Rows(c), Rows(product), Rows(c), c.Columns), c.Shape, ElementsOfArithmetic);
        }

        _arena.Release(mark);
    }

    private void MultiplyTransposed(in Tensor a, PackedWeight weight, in Tensor c, bool adds)
    {
        if (weight.IsPaired)
        {
            // Pairs of rows become rows of words, and these are transposed: half of what floats would be.
            int pairs = (a.Rows + 1) / 2, width = Lanes.RoundUp(a.Columns);
            var words = (uint*)_arena.Take((long)pairs * width * sizeof(uint));
            var pairing = new PairedColumnPanels
            {
                Values = Row<float>(a, 0),
                Stride = a.Stride,
                Outputs = a.Columns,
                Inputs = a.Rows,
                Words = words,
                PairStride = width,
                GroupStride = Lanes.Count,
            };
            Share(pairing, pairing.Tiles, a.Shape.Count);
            Tensor turned = Transpose((float*)words, width, pairs, a.Columns);
            MultiplyTiles(
                TileKind.BFloat16, (byte*)Row<float>(turned, 0), turned.Stride * sizeof(float), null, weight, default, c, adds);
            return;
        }

        Tensor x = Transpose(Row<float>(a, 0), a.Stride, a.Rows, a.Columns);
        if (weight.Type == DType.BFloat16) MultiplyFloats<BFloat16Element>(RoundToBFloat16(x), weight, default, c, adds);
        else if (Tiles(TileKind.Float32) != null)
            MultiplyTiles(TileKind.Float32, (byte*)Row<float>(x, 0), x.Stride * sizeof(float), null, weight, default, c, adds);
        else MultiplyFloats<Float32Element>(x, weight, default, c, adds);
    }

    // [columns, rows], or rather [columns, words] where a word is a pair of rows.
    private Tensor Transpose(float* from, nint stride, int rows, int columns)
    {
        int toStride = RowStride.Bytes(rows * sizeof(float)) / sizeof(float);
        var turned = new Tensor(
            (nint)_arena.Take((long)columns * toStride * sizeof(float)), 0, new Shape(columns, rows), toStride, DType.Float32);
        var turn = new Transposition
        {
            From = from,
            FromStride = stride,
            To = Row<float>(turned, 0),
            ToStride = toStride,
            Rows = rows,
            Columns = columns,
        };
        Share(turn, turn.Tiles, turned.Shape.Count);
        return turned;
    }

    private static void CheckPrecision(DType type)
    {
        if (type is not (DType.Float32 or DType.BFloat16))
            throw new ArgumentException($"The type is {type.Word()}, expected float32 or bfloat16.", nameof(type));
    }

    private bool IsPaired(DType type) => type == DType.BFloat16 && Tiles(TileKind.BFloat16) != null;

    private PackedWeight Empty(int outputs, int inputs, DType type, IPanelMemory memory) => new(
        outputs, inputs, type, type == DType.BFloat16 ? ActivationRounding.BFloat16 : ActivationRounding.Nearest, IsPaired(type), memory);

    // Panels of the rows of some values.
    private void LayRows(in Tensor values, PackedWeight weight)
    {
        if (weight.Type == DType.BFloat16 && !weight.IsPaired)
        {
            LayHalves(values, weight, values.Stride, 1);
            return;
        }

        (int, long)? mark = null;
        var rows = new RowPanels
        {
            Values = Row<float>(values, 0),
            Stride = values.Stride,
            Outputs = weight.Outputs,
            Inputs = weight.Inputs,
            Panels = (float*)weight.Panels,
        };
        if (weight.IsPaired)
        {
            // A pair is moved like a float.
            mark = _arena.Mark();
            BFloat16Rows rounded = RoundRows(values);
            rows.Values = (float*)rounded.Halves;
            rows.Stride = rounded.HalfStride / 2;
            rows.Inputs = (weight.Inputs + 1) / 2;
        }

        Share(rows, Panels(weight), values.Shape.Count);
        if (mark is { } from) _arena.Release(from);
    }

    // Panels of the columns of some values.
    private void LayColumns(in Tensor values, PackedWeight weight)
    {
        if (weight.IsPaired)
        {
            var pairs = new PairedColumnPanels
            {
                Values = Row<float>(values, 0),
                Stride = values.Stride,
                Outputs = weight.Outputs,
                Inputs = weight.Inputs,
                Words = (uint*)weight.Panels,
                PairStride = Lanes.Count,
                GroupStride = (nint)(weight.PanelBytes / sizeof(uint)),
            };
            Share(pairs, pairs.Tiles, values.Shape.Count);
        }
        else if (weight.Type == DType.BFloat16) LayHalves(values, weight, 1, values.Stride);
        else
        {
            var columns = new ColumnPanels
            {
                Values = Row<float>(values, 0),
                Stride = values.Stride,
                Outputs = weight.Outputs,
                Inputs = weight.Inputs,
                Panels = (float*)weight.Panels,
            };
            Share(columns, columns.Tiles, values.Shape.Count);
        }
    }

    private void LayHalves(in Tensor values, PackedWeight weight, nint outputStride, nint inputStride)
    {
        var halves = new HalfPanels
        {
            Values = Row<float>(values, 0),
            OutputStride = outputStride,
            InputStride = inputStride,
            Outputs = weight.Outputs,
            Inputs = weight.Inputs,
            Panels = (ushort*)weight.Panels,
        };
        Share(halves, Panels(weight), values.Shape.Count);
    }

    private static int Panels(PackedWeight weight) => Lanes.RoundUp(weight.Outputs) / Lanes.Count;

    private static AttentionGradientArguments GradientArguments(
        in Tensor query, in Tensor key, in Tensor value, in Tensor score, in Tensor dy, in Ragged queries, in Ragged keys,
        in AttentionSpec spec, in Dropout dropout, in Tensor queryGradient, in Tensor keyGradient, in Tensor valueGradient)
    {
        AttentionChecks.Sentences(query, key, value, score, queries, keys, spec);
        CheckDropout(dropout);
        RowChecks.Floats(dy, nameof(dy));
        if (dy.Shape != new Shape(query.Rows, value.Columns))
            throw new ArgumentException($"dy is {dy}, expected {new Shape(query.Rows, value.Columns)}.", nameof(dy));
        RowChecks.Pair(query, nameof(query), queryGradient, nameof(queryGradient));
        RowChecks.Pair(key, nameof(key), keyGradient, nameof(keyGradient));
        RowChecks.Pair(value, nameof(value), valueGradient, nameof(valueGradient));
        return new AttentionGradientArguments
        {
            Forward = Arguments(query, key, value, score, queries, keys, spec, dropout),
            OutputGradient = Row<float>(dy, 0),
            OutputGradientStride = dy.Stride,
            QueryGradient = Row<float>(queryGradient, 0),
            QueryGradientStride = queryGradient.Stride,
            KeyGradient = Row<float>(keyGradient, 0),
            KeyGradientStride = keyGradient.Stride,
            ValueGradient = Row<float>(valueGradient, 0),
            ValueGradientStride = valueGradient.Stride,
        };
    }

    private void RunGradient<TGradient>(in AttentionGradientArguments arguments, int longest)
        where TGradient : unmanaged, IScoreGradient
    {
        float* scratch = Scratch(GradientTile.Floats(arguments.Forward, Lanes.RoundUp(longest)));
        var kernel = new AttentionGradient<TGradient>(arguments, scratch, longest);
        TileKernel.Run(_pool, _rung, kernel, kernel.Tiles);
    }
}
