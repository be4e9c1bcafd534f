// The row-wise operators: norms, element-wise arithmetic, and what decoding asks of logits.
using Engine.Backends;
using Engine.Cpu.Kernels;
using Engine.Cpu.Threading;
using Engine.Cpu.Simd;
using Engine.Tensors;

namespace Engine.Cpu;

public sealed unsafe partial class CpuBackend
{
    // Elements of a tile: about 2 µs of one thread, some times what it costs to hand a tile to another. Below two tiles the
    // caller does all by itself.
    private const int ElementsOfNorm = 16_384;
    private const int ElementsOfArithmetic = 32_768;
    private const int ElementsOfSoftmax = 4_096;

    /// <inheritdoc />
    public Tensor Norm(in Tensor x, in NormWeights weights)
    {
        RowChecks.Floats(x, nameof(x));
        RowChecks.Norm(weights, x.Columns);
        Tensor y = Rent(x.Shape, DType.Float32);
        var kernel = new LayerNorm(
            Rows(x), Rows(y), Row<float>(weights.Gain, 0), Bias(weights), x.Columns, weights.Epsilon, weights.IsRms,
            StoresThrough(y));
        RunRows(kernel, x.Shape, ElementsOfNorm);
        return y;
    }

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights)
    {
        RowChecks.Pair(x, nameof(x), residual, nameof(residual));
        RowChecks.Norm(weights, x.Columns);
        Tensor y = Rent(x.Shape, DType.Float32);
        RunAddNorm(x, residual, weights, y, y);
        return y;
    }

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum)
    {
        RowChecks.Pair(x, nameof(x), residual, nameof(residual));
        RowChecks.Norm(weights, x.Columns);
        Tensor added = Rent(x.Shape, DType.Float32);   // sum is set last: a caller may pass one variable as x and as sum
        Tensor y = Rent(x.Shape, DType.Float32);
        RunAddNorm(x, residual, weights, added, y);
        sum = added;
        return y;
    }

    /// <inheritdoc />
    public Tensor Add(in Tensor x, in Tensor y) => RunElementwise<Addition>(x, y);

    /// <inheritdoc />
    public Tensor Multiply(in Tensor x, in Tensor y) => RunElementwise<Multiplication>(x, y);

    /// <inheritdoc />
    public void Suppress(in Tensor logits, in Tensor places)
    {
        RowChecks.Floats(logits, nameof(logits));
        CheckPlaces(logits, places);
        LogitEdits.Suppress(Rows(logits), Row<int>(places, 0), places.Stride, places.Rows);
    }

    /// <inheritdoc />
    public void Penalize(in Tensor logits, in Tensor places, in Tensor penalties)
    {
        RowChecks.Floats(logits, nameof(logits));
        CheckPlaces(logits, places);
        RowChecks.Vector(penalties, DType.Float32, places.Rows, nameof(penalties));
        float* values = Row<float>(penalties, 0);
        for (int i = 0; i < places.Rows; i++)
        {
            if (!(values[i] > 0f))
                throw new ArgumentException($"Penalty {i} is {values[i]}, expected greater than 0.", nameof(penalties));
        }

        LogitEdits.Penalize(Rows(logits), Row<int>(places, 0), places.Stride, values, places.Rows);
    }

    /// <inheritdoc />
    public Tensor SelectColumns(in Tensor x, in Tensor columns)
    {
        RowChecks.Floats(x, nameof(x));
        if (columns.IsNone || columns.Type != DType.Int32 || columns.Rows != 1)
            throw new ArgumentException($"The columns are {columns}, expected int32 [1, n].", nameof(columns));
        int* ids = Row<int>(columns, 0);
        for (int j = 0; j < columns.Columns; j++)
        {
            if ((uint)ids[j] >= (uint)x.Columns)
                throw new ArgumentException($"Column {j} is {ids[j]}, expected 0 to {x.Columns - 1}.", nameof(columns));
        }

        Tensor y = Rent(new Shape(x.Rows, columns.Columns), DType.Float32);
        RunRows(new ColumnSelection(Rows(x), Rows(y), ids, y.Columns), y.Shape, ElementsOfArithmetic);
        return y;
    }

    /// <inheritdoc />
    public Tensor LogSoftmax(in Tensor logits)
    {
        RowChecks.Floats(logits, nameof(logits));
        Tensor y = Rent(logits.Shape, DType.Float32);
        RunRows(new LogSoftmax(Rows(logits), Rows(y), logits.Columns, StoresThrough(y)), logits.Shape, ElementsOfSoftmax);
        return y;
    }

    /// <inheritdoc />
    public Tensor TopK(in Tensor logits, int k, out Tensor tokens)
    {
        RowChecks.Floats(logits, nameof(logits));
        if (k < 1 || k > logits.Columns)
            throw new ArgumentException($"k is {k}, expected 1 to {logits.Columns}, the width of the logits.", nameof(k));
        var shape = new Shape(logits.Rows, k);
        Tensor values = Rent(shape, DType.Float32);
        tokens = Rent(shape, DType.Int32);
        int perWorker = Lanes.RoundUp(Kernels.TopK.Blocks(logits.Columns));   // whole cache lines for each worker
        var scratch = (float*)_arena.Take((long)_pool.Threads * perWorker * sizeof(float));
        var kernel = new TopK(
            Rows(logits), Rows(values), Row<int>(tokens, 0), tokens.Stride, logits.Columns, k, scratch, perWorker);
        RunRows(kernel, logits.Shape, ElementsOfSoftmax);
        return values;
    }

    /// <inheritdoc />
    public Tensor LogProbability(in Tensor logits, in Tensor tokens)
    {
        RowChecks.Floats(logits, nameof(logits));
        RowChecks.Vector(tokens, DType.Int32, logits.Rows, nameof(tokens));
        int* ids = Row<int>(tokens, 0);
        for (int row = 0; row < logits.Rows; row++)
        {
            if ((uint)ids[row] >= (uint)logits.Columns)
            {
                throw new ArgumentException(
                    $"Token {row} is {ids[row]}, expected 0 to {logits.Columns - 1}.", nameof(tokens));
            }
        }

        Tensor y = Rent(new Shape(logits.Rows, 1), DType.Float32);
        RunRows(new LogProbability(Rows(logits), ids, Row<float>(y, 0), logits.Columns), logits.Shape, ElementsOfSoftmax);
        return y;
    }

    /// <inheritdoc />
    public Tensor Sample(in Tensor logits, in Tensor draws, float temperature, out Tensor tokens)
    {
        RowChecks.Sample(logits, draws, temperature);
        var shape = new Shape(logits.Rows, 1);
        Tensor y = Rent(shape, DType.Float32);
        tokens = Rent(shape, DType.Int32);
        var kernel = new TokenSampling(
            Rows(logits), Row<int>(draws, 0), draws.Stride, Row<int>(tokens, 0), Row<float>(y, 0), logits.Columns,
            RowChecks.Inverse(temperature));
        RunRows(kernel, logits.Shape, ElementsOfSoftmax);
        return y;
    }

    private static FloatRows Rows(in Tensor tensor) => new(Row<float>(tensor, 0), tensor.Stride);

    private static bool StoresThrough(in Tensor y) => Kernels.StoreThrough.Suits(Row<float>(y, 0), y.Stride, y.Rows, y.Columns);

    private static float* Bias(in NormWeights weights) => weights.Bias.IsNone ? null : Row<float>(weights.Bias, 0);

    private static void CheckPlaces(in Tensor logits, in Tensor places)
    {
        if (places.IsNone || places.Type != DType.Int32 || places.Columns != 2)
            throw new ArgumentException($"places is {places}, expected int32 [n, 2]: row, token.", nameof(places));
        for (int i = 0; i < places.Rows; i++)
        {
            int* place = Row<int>(places, i);
            if ((uint)place[0] >= (uint)logits.Rows || (uint)place[1] >= (uint)logits.Columns)
            {
                throw new ArgumentException(
                    $"Place {i} is row {place[0]}, token {place[1]}, which is not in logits of {logits.Shape}.", nameof(places));
            }
        }
    }

    private void RunAddNorm(in Tensor x, in Tensor residual, in NormWeights weights, in Tensor sum, in Tensor y)
    {
        var kernel = new LayerNorm(
            Rows(x), Rows(residual), Rows(sum), Rows(y), Row<float>(weights.Gain, 0), Bias(weights), x.Columns,
            weights.Epsilon, weights.IsRms, StoresThrough(y));
        RunRows(kernel, x.Shape, ElementsOfNorm);
    }

    private Tensor RunElementwise<TBinary>(in Tensor x, in Tensor y) where TBinary : unmanaged, IBinary
    {
        RowChecks.Pair(x, nameof(x), y, nameof(y));
        Tensor z = Rent(x.Shape, DType.Float32);
        RunRows(new Elementwise<TBinary>(Rows(x), Rows(y), Rows(z), x.Columns), x.Shape, ElementsOfArithmetic);
        return z;
    }

    // Kernels rely on it: no row and no column means no call.
    private void RunRows<TKernel>(in TKernel kernel, Shape shape, int elementsOfTile) where TKernel : unmanaged, IRowKernel
    {
        if (shape.Count == 0) return;
        int most = _pool.Threads == 1 ? 1 : _pool.Threads * TileKernel.TilesOfThread;   // rows ask for their next ones only within a tile
        int rowsPerTile = Math.Max(elementsOfTile / shape.Columns, (shape.Rows + most - 1) / most);
        var job = new RowJob<TKernel>(kernel, _rung, shape.Rows, rowsPerTile);
        _pool.Run(job, job.Tiles);
    }
}
