// Weights: packed once, multiplied, looked up. The kernels are in Kernels/; here arguments are checked and work is cut.
using Engine.Backends;
using Engine.Cpu.Assembler;
using Engine.Cpu.Kernels;
using Engine.Cpu.Memory;
using Engine.Tensors;

namespace Engine.Cpu;

public sealed unsafe partial class CpuBackend
{
    // Laying so few numbers side by side costs less than waking the other threads for it.
    private const long SmallestSharedPacking = 1 << 15;

    /// <inheritdoc />
    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding = ActivationRounding.Nearest)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        bool isPaired = rounding == ActivationRounding.BFloat16 && Tiles(TileKind.BFloat16) != null;
        return WeightPacker.Pack(parts, rounding, isPaired, _weights, _pool);
    }

    /// <inheritdoc />
    public Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs)
    {
        PackedWeight whole = Packed(weight, nameof(weight));
        foreach (int output in outputs)
        {
            if ((uint)output >= (uint)whole.Outputs)
            {
                throw new ArgumentException(
                    $"The output is {output}, expected 0 to {whole.Outputs - 1:N0}.", nameof(outputs));
            }
        }

        var memory = new NativePanels(
            PackedWeight.BytesOfPanels(outputs.Length, whole.Inputs, whole.Type, whole.IsPaired));
        var selected = new PackedWeight(
            outputs.Length, whole.Inputs, whole.Type, whole.Rounding, whole.IsPaired, memory);
        fixed (int* first = outputs)
        {
            var selection = new PanelSelection
            {
                Outputs = first,
                Count = outputs.Length,
                From = whole.Panels,
                To = selected.Panels,
                PanelBytes = (nint)whole.PanelBytes,
                UnitBytes = whole.GroupInputs * whole.Type.Bytes(),
            };
            if (whole.Inputs > 0) _pool.Run(selection, (int)(((long)outputs.Length + Simd.Lanes.Count - 1) / Simd.Lanes.Count));
        }

        if (whole.IsInteger) for (int i = 0; i < outputs.Length; i++) selected.Scales[i] = whole.Scales[outputs[i]];
        return selected;
    }

    /// <inheritdoc />
    public Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds)
    {
        PackedWeight packed = Packed(table, nameof(table));
        CheckIds(ids, nameof(ids));
        for (int row = 0; row < ids.Columns; row++)
        {
            int id = Row<int>(ids, 0)[row];
            if (id < -1 || id >= packed.Outputs)
            {
                throw new ArgumentException(
                    $"Id {id} of row {row} is not in the table, expected -1 to {packed.Outputs - 1:N0}.", nameof(ids));
            }
        }

        if (!positions.IsNone) CheckPositions(ids, packed, positions, positionIds);
        Tensor y = Rent(new Shape(ids.Columns, packed.Inputs), DType.Float32);
        var job = new Embedding
        {
            Ids = Row<int>(ids, 0),
            Type = packed.Type,
            IsPaired = packed.IsPaired,
            Panels = packed.Panels,
            PanelBytes = (nint)packed.PanelBytes,
            Scales = packed.Scales,
            Width = packed.Inputs,
            Scale = scale,
            Positions = positions.IsNone ? null : Row<float>(positions, 0),
            PositionStride = positions.Stride,
            PositionIds = positions.IsNone ? null : Row<int>(positionIds, 0),
            Y = Row<float>(y, 0),
        };
        _pool.Run(job, y.Rows);
        return y;
    }

    /// <inheritdoc />
    public Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation = Activation.None)
    {
        PackedWeight packed = Packed(weights.Weight, nameof(weights));
        CheckLinear(x, packed, weights.Bias, activation);
        Tensor y = Rent(new Shape(x.Rows, packed.Outputs), DType.Float32);
        if (y.Shape.Count == 0) return y;
        (int, long) mark = _arena.Mark();
        var epilogue = new Epilogue
        {
            Bias = weights.Bias.IsNone ? null : Row<float>(weights.Bias, 0),
            Scales = packed.Scales,
            Activation = activation,
        };
        switch (packed.Type)
        {
            case DType.Float32 when Tiles(TileKind.Float32) != null: Multiply(x, packed, epilogue, y); break;
            case DType.BFloat16 when packed.IsPaired: MultiplyBFloat16(x, packed, epilogue, y); break;
            case DType.Int8 when Tiles(TileKind.Int8) != null: MultiplyBytes(x, packed, epilogue, y); break;
            case DType.Float32: MultiplyFloats<Float32Element>(x, packed, epilogue, y); break;
            case DType.BFloat16 when packed.Rounding == ActivationRounding.BFloat16:
                MultiplyFloats<BFloat16Element>(RoundToBFloat16(x), packed, epilogue, y);
                break;
            case DType.BFloat16: MultiplyFloats<BFloat16Element>(x, packed, epilogue, y); break;
            case DType.Float16: MultiplyFloats<Float16Element>(x, packed, epilogue, y); break;
            case DType.Int8: MultiplyIntegers<Int8Element>(x, packed, epilogue, y); break;
            default: MultiplyIntegers<Int16Element>(x, packed, epilogue, y); break;
        }

        _arena.Release(mark);
        return y;
    }

    // Addresses of the machine-made tiles of a kind; null: there are none, and the kernels in C# serve.
    private nint* Tiles(TileKind kind) => _usesMachineCode ? TileSet.Of(kind).Functions : null;

    private void Multiply(in Tensor x, PackedWeight weight, in Epilogue epilogue, in Tensor y) =>
        MultiplyTiles(TileKind.Float32, (byte*)Row<float>(x, 0), x.Stride * sizeof(float), null, weight, epilogue, y);

    private void MultiplyBytes(in Tensor x, PackedWeight weight, Epilogue epilogue, in Tensor y)
    {
        int stride = RowStride.Bytes(weight.Inputs);
        epilogue.RowFactors = (float*)_arena.Take((long)x.Rows * sizeof(float));
        var rounding = new ByteRows
        {
            Rows = x.Rows,
            Inputs = weight.Inputs,
            X = Row<float>(x, 0),
            Stride = x.Stride,
            Bytes = (byte*)_arena.Take((long)x.Rows * stride),
            ByteStride = stride,
            RowFactors = epilogue.RowFactors,
            Rounding = weight.Rounding,
        };
        Share(rounding, TileRow.Tiles(x.Rows), x.Shape.Count);
        MultiplyTiles(TileKind.Int8, rounding.Bytes, stride, (byte*)weight.Compensation, weight, epilogue, y);
    }

    private void MultiplyBFloat16(in Tensor x, PackedWeight weight, in Epilogue epilogue, in Tensor y)
    {
        BFloat16Rows rounding = RoundRows(x);
        MultiplyTiles(TileKind.BFloat16, (byte*)rounding.Halves, rounding.HalfStride * sizeof(ushort), null, weight, epilogue, y);
    }

    // Rows of paired bfloat16 in the arena, each on a cache line.
    private BFloat16Rows RoundRows(in Tensor x)
    {
        int stride = RowStride.Bytes(x.Columns * sizeof(ushort));
        var rounding = new BFloat16Rows
        {
            Rows = x.Rows,
            Inputs = x.Columns,
            X = Row<float>(x, 0),
            Stride = x.Stride,
            Halves = (ushort*)_arena.Take((long)x.Rows * stride),
            HalfStride = stride / sizeof(ushort),
        };
        Share(rounding, TileRow.Tiles(x.Rows), x.Shape.Count);
        return rounding;
    }

    private Tensor RoundToBFloat16(in Tensor x)
    {
        var y = new Tensor((nint)_arena.Take(x.Shape.Count * sizeof(float)), 0, x.Shape, x.Columns, DType.Float32);
        var rounding = new RoundedRows
        {
            Rows = x.Rows,
            Inputs = x.Columns,
            X = Row<float>(x, 0),
            Stride = x.Stride,
            Y = Row<float>(y, 0),
        };
        Share(rounding, TileRow.Tiles(x.Rows), x.Shape.Count);
        return y;
    }

    private void MultiplyTiles(
        TileKind kind, byte* x, nint xStride, byte* start, PackedWeight weight, in Epilogue epilogue, in Tensor y,
        bool adds = false)
    {
        GemmShape shape = GemmShape.Assembled(kind);
        int steps = (int)(weight.PanelBytes / (Simd.Lanes.Count * sizeof(float)));
        var plan = new GemmPlan(y.Rows, steps, weight.Outputs, shape, _pool.Threads);
        var product = new AssembledGemm
        {
            Rung = _rung,
            Plan = plan,
            Epilogue = epilogue,
            Functions = TileSet.Of(kind).Functions,
            Steps = steps,
            Depth = shape.Depth,
            Outputs = weight.Outputs,
            Adds = adds,
            X = x,
            XStride = xStride,
            W = weight.Panels,
            Start = start == null ? TileSet.Zeros : start,
            StartStep = start == null ? 0 : Simd.Lanes.Count * sizeof(int),
            Y = Row<float>(y, 0),
            Stride = y.Stride,
        };
        _pool.Run(product, plan.Tiles);
    }

    private void MultiplyFloats<TElement>(in Tensor x, PackedWeight weight, in Epilogue epilogue, in Tensor y, bool adds = false)
        where TElement : unmanaged, IElement
    {
        GemmShape shape = GemmShape.Float(_rung);
        var plan = new GemmPlan(x.Rows, weight.Inputs, weight.Outputs, shape, _pool.Threads);
        float* strips = Row<float>(x, 0);
        if (x.Rows > 1)                                          // a single row is a strip as it is
        {
            strips = (float*)_arena.Take(x.Shape.Count * sizeof(float));
            var packing = new PackRows
            {
                Plan = plan,
                Inputs = weight.Inputs,
                X = Row<float>(x, 0),
                Stride = x.Stride,
                Strips = strips,
            };
            Share(packing, plan.Strips, x.Shape.Count);
        }

        var product = new FloatGemm<TElement>
        {
            Rung = _rung,
            Shape = shape,
            Plan = plan,
            Epilogue = epilogue,
            Inputs = weight.Inputs,
            Outputs = weight.Outputs,
            Adds = adds,
            X = strips,
            W = weight.Panels,
            Y = Row<float>(y, 0),
            Stride = y.Stride,
        };
        _pool.Run(product, plan.Tiles);
    }

    private void MultiplyIntegers<TElement>(in Tensor x, PackedWeight weight, Epilogue epilogue, in Tensor y)
        where TElement : unmanaged, IIntegerElement
    {
        GemmShape shape = GemmShape.Integer(_rung);
        var plan = new GemmPlan(x.Rows, weight.Inputs, weight.Outputs, shape, _pool.Threads);
        int groups = IntegerGroup.Count(weight.Inputs);
        var strips = (short*)_arena.Take((long)x.Rows * groups * IntegerGroup.Inputs * sizeof(short));
        if (weight.Type == DType.Int8) epilogue.RowFactors = (float*)_arena.Take((long)x.Rows * sizeof(float));
        var quantisation = new Quantisation
        {
            Rung = _rung,
            Plan = plan,
            Inputs = weight.Inputs,
            X = Row<float>(x, 0),
            Stride = x.Stride,
            Strips = strips,
            RowFactors = epilogue.RowFactors,
            Rounding = weight.Rounding,
        };
        Share(quantisation, plan.Strips, x.Shape.Count);
        var product = new IntegerGemm<TElement>
        {
            Rung = _rung,
            Plan = plan,
            Epilogue = epilogue,
            Groups = groups,
            Outputs = weight.Outputs,
            X = strips,
            W = weight.Panels,
            Y = Row<float>(y, 0),
            Stride = y.Stride,
        };
        _pool.Run(product, plan.Tiles);
    }

    private void Share<TJob>(in TJob job, int tiles, long numbers) where TJob : unmanaged, Threading.IJob
    {
        if (numbers >= SmallestSharedPacking) _pool.Run(job, tiles);
        else
        {
            TJob copy = job;
            for (int tile = 0; tile < tiles; tile++) copy.Execute(tile, 0);
        }
    }

    private static PackedWeight Packed(Weight weight, string name)
    {
        if (weight is not PackedWeight packed)
        {
            throw new ArgumentException(
                $"The weight is {weight?.GetType().Name ?? "null"}, expected one that this backend packed.", name);
        }

        ObjectDisposedException.ThrowIf(packed.IsDisposed, packed);
        return packed;
    }

    private static void CheckLinear(in Tensor x, PackedWeight weight, in Tensor bias, Activation activation)
    {
        if (x.Type != DType.Float32) throw new ArgumentException($"x is {x}, expected float32.", nameof(x));
        if (x.Columns != weight.Inputs)
        {
            throw new ArgumentException(
                $"x has {x.Columns:N0} columns, expected {weight.Inputs:N0}, the inputs of the weight.", nameof(x));
        }

        if (!bias.IsNone && (bias.Type != DType.Float32 || bias.Shape != new Shape(1, weight.Outputs)))
            throw new ArgumentException($"The bias is {bias}, expected float32 [1, {weight.Outputs}].", nameof(bias));
        if (activation is < Activation.None or > Activation.Sigmoid)
            throw new ArgumentException($"The activation is {activation}, which is unknown.", nameof(activation));
    }

    private static void CheckIds(in Tensor ids, string name)
    {
        if (ids.Type != DType.Int32 || ids.Rows != 1)
            throw new ArgumentException($"The ids are {ids}, expected int32 [1, rows].", name);
    }

    private static void CheckPositions(in Tensor ids, PackedWeight table, in Tensor positions, in Tensor positionIds)
    {
        if (positions.Type != DType.Float32 || positions.Columns != table.Inputs)
        {
            throw new ArgumentException(
                $"The positions are {positions}, expected float32 with {table.Inputs:N0} columns.", nameof(positions));
        }

        CheckIds(positionIds, nameof(positionIds));
        if (positionIds.Columns != ids.Columns)
        {
            throw new ArgumentException(
                $"There are {positionIds.Columns:N0} position ids for {ids.Columns:N0} ids.", nameof(positionIds));
        }

        for (int row = 0; row < positionIds.Columns; row++)
        {
            int id = Row<int>(positionIds, 0)[row];
            if ((uint)id >= (uint)positions.Rows)
            {
                throw new ArgumentException(
                    $"Position id {id} of row {row} is not in the table, expected 0 to {positions.Rows - 1:N0}.",
                    nameof(positionIds));
            }
        }
    }
}
