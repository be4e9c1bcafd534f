// What training asks of the device beside gradients: weights that change, marks in the frame's memory, activations and dropout by
// themselves, the loss, the optimizer's step.
using Engine.Backends;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const int ElementsOfSquares = 16_384;
    private const int TileOfPacking = 32;
    private const uint ThreadsOfSquares = 32;

    // A mark is a chunk of the arena and a place in it, which is below 16 TiB.
    private const int ChunkShift = 44;

    private TrainingKernels? _trainingKernels;

    private TrainingKernels Training => _trainingKernels ??= new TrainingKernels(_context.Find);

    /// <inheritdoc />
    public Weight AllocateWeight(int outputs, int inputs, DType type = DType.Float32)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckShape(new Shape(outputs, inputs));
        Checks.Precision(type);
        type = PrecisionOf(type);
        return new CudaWeight(
            _context, outputs, inputs, type, type == DType.BFloat16 ? ActivationRounding.BFloat16 : ActivationRounding.Nearest);
    }

    /// <inheritdoc />
    public void Refresh(Weight weight, in Tensor values, bool transposed)
    {
        CudaWeight packed = Packed(weight, nameof(weight));
        RowChecks.Floats(values, nameof(values));
        Checks.Precision(packed.Type);
        Shape expected = transposed ? new Shape(packed.Inputs, packed.Outputs) : new Shape(packed.Outputs, packed.Inputs);
        if (values.Shape != expected) throw new ArgumentException($"values is {values}, expected {expected}.", nameof(values));
        if (values.Shape.Count == 0) return;
        bool isHalf = packed.Type == DType.BFloat16;
        if (!transposed)
        {
            LaunchPadded(isHalf ? _kernels.ToBFloat16 : Training.PackFloat32, values, packed.Data, packed.Stride);
            return;
        }

        Launch(
            isHalf ? Training.PackTurnedBFloat16 : Training.PackTurnedFloat32, Blocks(packed.Outputs, TileOfPacking),
            Blocks(packed.Stride, TileOfPacking), 1, ThreadsOfWide, 0,
            Address(values), (long)values.Stride, packed.Data, (long)packed.Stride, packed.Outputs, packed.Inputs, packed.Stride);
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
        long most = 0;
        for (int i = 0; i < kept.Length; i++)
        {
            if (_arena.Find(kept[i].Handle) is not { } place || place.CompareTo(from) < 0) continue;
            if (kept[i].Offset != 0) throw new ArgumentException($"{kept[i]} is a part of a tensor, expected a whole one.", nameof(kept));
            moved.Add((place.Chunk, place.Used, i));
            most = Math.Max(most, Bytes(kept[i]));
        }

        // In the order in which they lie: where one goes is then never beyond where it is, nor where a later one is. A copy must not
        // overlap with itself, so one that would goes through memory behind everything.
        moved.Sort();
        (int, long) end = _arena.Mark();
        _arena.Release(from);
        nint beside = 0;
        foreach (var (_, _, i) in moved)
        {
            Tensor tensor = kept[i];
            long bytes = Bytes(tensor);
            nint to = _arena.Take(bytes);
            if (to != tensor.Handle && Math.Abs(to - tensor.Handle) >= bytes) _context.Stream.Copy(to, tensor.Handle, bytes);
            else if (to != tensor.Handle)
            {
                if (beside == 0) beside = TakeBehind(end, most);
                _context.Stream.Copy(beside, tensor.Handle, bytes);
                _context.Stream.Copy(to, beside, bytes);
            }

            kept[i] = tensor with { Handle = to };
        }
    }

    /// <inheritdoc />
    public void Clear(in Tensor tensor)
    {
        if (tensor.IsNone) throw new ArgumentException("There is no tensor to clear.", nameof(tensor));
        if (tensor.Shape.Count == 0) return;
        int bytes = tensor.Type.Bytes();
        if (tensor.IsContiguous) _context.Stream.Clear(Address(tensor), tensor.Shape.Count * bytes);
        else if (bytes == sizeof(int))
        {
            Launch(
                Training.Clear, Blocks(tensor.Columns, ThreadsOfWide), GridRows(tensor.Rows), 1, ThreadsOfWide, 0,
                Address(tensor), (long)tensor.Stride, tensor.Rows, tensor.Columns);
        }
        else
        {
            for (int row = 0; row < tensor.Rows; row++)
                _context.Stream.Clear(Address(tensor) + (nint)((long)row * tensor.Stride * bytes), (long)tensor.Columns * bytes);
        }
    }

    /// <inheritdoc />
    public Tensor Activate(in Tensor x, Activation activation)
    {
        RowChecks.Floats(x, nameof(x));
        Checks.Known(activation);
        Tensor y = Rent(x.Shape, DType.Float32);
        if (y.Shape.Count == 0) return y;
        Spread spread = Spread.Over(y.Shape, Seam.Of(x) | Seam.Of(y));
        Launch(
            _kernels.BiasActivation, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(x), (long)x.Stride, (nint)0, Address(y), (long)y.Stride, spread.Rows, spread.Columns, (int)activation,
            spread.IsAligned);
        return y;
    }

    /// <inheritdoc />
    public Tensor ActivationBackward(in Tensor x, in Tensor dy, Activation activation)
    {
        RowChecks.Pair(x, nameof(x), dy, nameof(dy));
        Checks.Known(activation);
        Tensor dx = Rent(x.Shape, DType.Float32);
        if (dx.Shape.Count == 0) return dx;
        Spread spread = Spread.Over(dx.Shape, Seam.Of(x) | Seam.Of(dy) | Seam.Of(dx));
        Launch(
            Training.ActivationGradient, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(x), (long)x.Stride, Address(dy), (long)dy.Stride, Address(dx), (long)dx.Stride, spread.Rows, spread.Columns,
            (int)activation, spread.IsAligned);
        return dx;
    }

    /// <inheritdoc />
    public Tensor Dropout(in Tensor x, in Dropout dropout)
    {
        RowChecks.Floats(x, nameof(x));
        Checks.Dropout(dropout);
        Tensor y = Rent(x.Shape, DType.Float32);
        if (y.Shape.Count == 0) return y;
        uint counters = Blocks(x.Columns, Backends.Dropout.GroupColumns) * CountersOfGroup;
        uint rowsOfBlock = Math.Max(1, ThreadsOfWide / counters);
        Launch(
            Training.Dropout, Blocks(counters, ThreadsOfWide), GridRows(Blocks(x.Rows, rowsOfBlock)), 1, ThreadsOfWide, 0,
            Address(x), (long)x.Stride, Address(y), (long)y.Stride, x.Rows, x.Columns, (uint)dropout.Key, (uint)(dropout.Key >> 32),
            dropout.Site, dropout.Threshold, dropout.Scale);
        return y;
    }

    /// <inheritdoc />
    /// <remarks>Waits, because a target that is not in the vocabulary must not pass.</remarks>
    public Tensor CrossEntropy(in Tensor logits, in Tensor targets, float smoothing, float scale)
    {
        RowChecks.Floats(logits, nameof(logits));
        RowChecks.Vector(targets, DType.Int32, logits.Rows, nameof(targets));
        if (!(smoothing >= 0f && smoothing <= 1f))
            throw new ArgumentException($"smoothing is {smoothing}, expected 0 to 1.", nameof(smoothing));
        var ids = new int[logits.Rows];
        Read(targets, ids);
        for (int row = 0; row < ids.Length; row++)
        {
            if (ids[row] < -1 || ids[row] >= logits.Columns)
            {
                throw new ArgumentException(
                    $"Target {row} is {ids[row]}, expected -1 to {logits.Columns - 1}.", nameof(targets));
            }
        }

        Tensor losses = Rent(new Shape(logits.Rows, 2), DType.Float32);
        if (logits.Columns == 0) Clear(losses);
        if (logits.Shape.Count == 0) return losses;
        Launch(
            Training.CrossEntropy, (uint)logits.Rows, 1, 1, ThreadsOfSoftmax, 0,
            Address(logits), (long)logits.Stride, Address(targets), Address(losses), (long)losses.Stride, logits.Columns, smoothing,
            scale);
        return losses;
    }

    /// <inheritdoc />
    public double SumOfSquares(in Tensor x)
    {
        Checks.Row(x, nameof(x));
        if (x.Columns == 0) return 0;
        (int, long) mark = _arena.Mark();
        var sums = new float[(int)Blocks(x.Columns, ElementsOfSquares)];
        nint place = _arena.Take((long)sums.Length * sizeof(float));
        Launch(
            Training.BlockSquares, (uint)sums.Length, 1, 1, ThreadsOfSquares, 0,
            Address(x), x.Columns, place, IsPaired(Seam.Of(x), x.Columns) ? 1 : 0);
        _staging.Read<float>(place, sums);
        _arena.Release(mark);
        double sum = 0;
        foreach (float of in sums) sum += of;
        return sum;
    }

    /// <inheritdoc />
    public void AdamStep(
        in Tensor values, in Tensor gradients, in Tensor firstMoment, in Tensor secondMoment, in AdamStep rates)
    {
        Checks.Row(values, nameof(values));
        RowChecks.Pair(values, nameof(values), gradients, nameof(gradients));
        RowChecks.Pair(values, nameof(values), firstMoment, nameof(firstMoment));
        RowChecks.Pair(values, nameof(values), secondMoment, nameof(secondMoment));
        if (values.Columns == 0) return;
        Seam seam = Seam.Of(values) | Seam.Of(gradients) | Seam.Of(firstMoment) | Seam.Of(secondMoment);
        Spread spread = Spread.Over(values.Shape, seam);
        Launch(
            Training.AdamStep, spread.Across, 1, 1, ThreadsOfWide, 0,
            Address(values), Address(gradients), Address(firstMoment), Address(secondMoment), values.Columns, rates.GradientScale,
            rates.Beta1, 1f - rates.Beta1, rates.Beta2, 1f - rates.Beta2, rates.FirstCorrection, rates.SecondCorrection,
            rates.Epsilon, rates.LearningRate, 1f - (rates.LearningRate * rates.Decay), spread.IsAligned);
    }

    // What products of a training that asks for a type are done in.
    private DType PrecisionOf(DType type) => _arithmetic == Arithmetic.BFloat16 ? DType.BFloat16 : type;

    private static long Bytes(in Tensor tensor) => (long)tensor.Rows * tensor.Stride * tensor.Type.Bytes();

    // Scratch memory behind a mark, without moving where the arena stands.
    private nint TakeBehind((int Chunk, long Used) mark, long bytes)
    {
        (int Chunk, long Used) stands = _arena.Mark();
        _arena.Release(mark);
        nint memory = _arena.Take(bytes);
        _arena.Release(stands);
        return memory;
    }
}
