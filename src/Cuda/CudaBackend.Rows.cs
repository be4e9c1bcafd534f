// The row-wise operators: norms, element-wise arithmetic, and what decoding asks of logits. Arguments are checked, kernels launched.
using Engine.Backends;
using Engine.Cuda.Device;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const uint ThreadsOfWide = 256;         // of the element-wise kernels
    private const int NumbersOfThread = 4;          // that are read and written at once
    private const uint ThreadsOfRow = 128;          // of kernels that take a row a block, and of norms: a row a warp
    private const int RowsOfNorm = 4;               // and of short rows in softmax
    private const uint ThreadsOfSoftmax = 512;
    private const int MostOfShort = 1024;           // columns of a row that a warp holds
    private const int MostOfShortBest = 32;         // that it finds in one
    private const int MostGridRows = 65_535;        // kernels go on from there in steps of the grid

    /// <inheritdoc />
    public Tensor Norm(in Tensor x, in NormWeights weights)
    {
        RowChecks.Floats(x, nameof(x));
        RowChecks.Norm(weights, x.Columns);
        Tensor y = Rent(x.Shape, DType.Float32);
        RunNorm(x, Tensor.None, weights, Tensor.None, y);
        return y;
    }

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights)
    {
        RowChecks.Pair(x, nameof(x), residual, nameof(residual));
        RowChecks.Norm(weights, x.Columns);
        Tensor y = Rent(x.Shape, DType.Float32);
        RunNorm(x, residual, weights, Tensor.None, y);
        return y;
    }

    /// <inheritdoc />
    public Tensor AddNorm(in Tensor x, in Tensor residual, in NormWeights weights, out Tensor sum)
    {
        RowChecks.Pair(x, nameof(x), residual, nameof(residual));
        RowChecks.Norm(weights, x.Columns);
        Tensor added = Rent(x.Shape, DType.Float32);   // sum is set last: a caller may pass one variable as x and as sum
        Tensor y = Rent(x.Shape, DType.Float32);
        RunNorm(x, residual, weights, added, y);
        sum = added;
        return y;
    }

    /// <inheritdoc />
    public Tensor Add(in Tensor x, in Tensor y) => RunElementwise(_kernels.Add, x, y);

    /// <inheritdoc />
    public Tensor Multiply(in Tensor x, in Tensor y) => RunElementwise(_kernels.Multiply, x, y);

    /// <inheritdoc />
    public void Suppress(in Tensor logits, in Tensor places)
    {
        RowChecks.Floats(logits, nameof(logits));
        Checks.Places(places);
        if (places.Rows == 0) return;
        Launch(
            _kernels.Suppress, Blocks(places.Rows, ThreadsOfWide), 1, 1, ThreadsOfWide, 0,
            Address(logits), (long)logits.Stride, logits.Rows, logits.Columns, Address(places), (long)places.Stride, places.Rows);
    }

    /// <inheritdoc />
    public void Penalize(in Tensor logits, in Tensor places, in Tensor penalties)
    {
        RowChecks.Floats(logits, nameof(logits));
        Checks.Places(places);
        RowChecks.Vector(penalties, DType.Float32, places.Rows, nameof(penalties));
        if (places.Rows == 0) return;
        Launch(
            _kernels.Penalize, Blocks(places.Rows, ThreadsOfWide), 1, 1, ThreadsOfWide, 0,
            Address(logits), (long)logits.Stride, logits.Rows, logits.Columns, Address(places), (long)places.Stride,
            Address(penalties), places.Rows);
    }

    /// <inheritdoc />
    public Tensor SelectColumns(in Tensor x, in Tensor columns)
    {
        RowChecks.Floats(x, nameof(x));
        Checks.Columns(columns);
        Tensor y = Rent(new Shape(x.Rows, columns.Columns), DType.Float32);
        if (y.Shape.Count == 0) return y;
        Launch(
            _kernels.SelectColumns, Blocks(y.Columns, ThreadsOfWide), GridRows(y.Rows), 1, ThreadsOfWide, 0,
            Address(x), (long)x.Stride, x.Columns, Address(columns), Address(y), (long)y.Stride, y.Rows, y.Columns);
        return y;
    }

    /// <inheritdoc />
    public Tensor LogSoftmax(in Tensor logits)
    {
        RowChecks.Floats(logits, nameof(logits));
        Tensor y = Rent(logits.Shape, DType.Float32);
        if (y.Shape.Count == 0) return y;
        if (y.Columns <= MostOfShort && IsPaired(Seam.Of(logits) | Seam.Of(y), y.Columns))
        {
            Launch(
                y.Columns <= MostOfShort / 2 ? _kernels.LogSoftmax512 : _kernels.LogSoftmax1024, Blocks(y.Rows, RowsOfNorm), 1, 1,
                ThreadsOfRow, 0,
                Address(logits), (long)logits.Stride, Address(y), (long)y.Stride, y.Rows, y.Columns);
            return y;
        }

        Launch(
            _kernels.LogSoftmax, (uint)y.Rows, 1, 1, ThreadsOfSoftmax, 0,
            Address(logits), (long)logits.Stride, Address(y), (long)y.Stride, y.Columns);
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
        Tensor best = Rent(shape, DType.Int32);
        if (logits.Rows > 0) FindBest(logits, k, values, best);
        tokens = best;
        return values;
    }

    /// <inheritdoc />
    public Tensor LogProbability(in Tensor logits, in Tensor tokens)
    {
        RowChecks.Floats(logits, nameof(logits));
        RowChecks.Vector(tokens, DType.Int32, logits.Rows, nameof(tokens));
        Tensor y = Rent(new Shape(logits.Rows, 1), DType.Float32);
        if (logits.Shape.Count == 0) return y;
        Launch(
            _kernels.LogProbability, (uint)y.Rows, 1, 1, ThreadsOfSoftmax, 0,
            Address(logits), (long)logits.Stride, Address(tokens), Address(y), (long)y.Stride, logits.Columns);
        return y;
    }

    /// <inheritdoc />
    public Tensor Sample(in Tensor logits, in Tensor draws, float temperature, out Tensor tokens)
    {
        RowChecks.Sample(logits, draws, temperature);
        var shape = new Shape(logits.Rows, 1);
        Tensor y = Rent(shape, DType.Float32);
        Tensor drawn = Rent(shape, DType.Int32);
        if (logits.Rows > 0)
        {
            Launch(
                _kernels.Sample, (uint)y.Rows, 1, 1, ThreadsOfSoftmax, 0,
                Address(logits), (long)logits.Stride, Address(draws), (long)draws.Stride, Address(drawn), (long)drawn.Stride,
                Address(y), (long)y.Stride, logits.Columns, RowChecks.Inverse(temperature));
        }

        tokens = drawn;
        return y;
    }

    private void FindBest(in Tensor logits, int k, in Tensor values, in Tensor best)
    {
        int columns = logits.Columns;
        if (columns <= MostOfShort && k <= MostOfShortBest && IsPaired(Seam.Of(logits), columns))
        {
            Launch(
                columns <= MostOfShort / 2 ? _kernels.TopK512 : _kernels.TopK1024, Blocks(logits.Rows, RowsOfNorm), 1, 1, ThreadsOfRow, 0,
                Address(logits), (long)logits.Stride, Address(values), (long)values.Stride, Address(best), (long)best.Stride,
                logits.Rows, columns, k);
            return;
        }

        Launch(
            _kernels.TopK, (uint)logits.Rows, 1, 1, ThreadsOfSoftmax, 0,
            Address(logits), (long)logits.Stride, Address(values), (long)values.Stride, Address(best), (long)best.Stride, columns, k);
    }

    // Addresses of none are 0, which kernels take for nothing.
    private void RunNorm(in Tensor x, in Tensor residual, in NormWeights weights, in Tensor sum, in Tensor y)
    {
        if (y.Shape.Count == 0) return;
        _lastNorm = new NormWork(_context.Stream.Next, x, residual, weights, sum, y);
        LaunchNorm(_lastNorm, 0, isFloat16: false);
    }

    // rounded: where the norm is wanted in 16 bits too, rows behind each other; 0: nowhere.
    private void LaunchNorm(in NormWork norm, nint rounded, bool isFloat16)
    {
        (long _, Tensor x, Tensor residual, NormWeights weights, Tensor sum, Tensor y) = norm;
        Seam seam = Seam.Of(x) | Seam.Of(residual) | Seam.Of(sum) | Seam.Of(y);
        seam |= Seam.OfVector(weights.Gain) | Seam.OfVector(weights.Bias);
        Launch(
            _kernels.Norm(y.Columns, IsPaired(seam, y.Columns)), Blocks(y.Rows, RowsOfNorm), 1, 1, ThreadsOfRow, 0,
            Address(x), (long)x.Stride, Address(residual), (long)residual.Stride, Address(sum), (long)sum.Stride,
            Address(y), (long)y.Stride, Address(weights.Gain), Address(weights.Bias), y.Rows, y.Columns, weights.Epsilon,
            weights.IsRms ? 1 : 0, rounded, isFloat16 ? 1 : 0);
    }

    private Tensor RunElementwise(Kernel kernel, in Tensor x, in Tensor y)
    {
        RowChecks.Pair(x, nameof(x), y, nameof(y));
        Tensor z = Rent(x.Shape, DType.Float32);
        RunElementwise(kernel, x, y, z);
        return z;
    }

    // z may be x or y.
    private void RunElementwise(Kernel kernel, in Tensor x, in Tensor y, in Tensor z)
    {
        if (z.Shape.Count == 0) return;
        Spread spread = Spread.Over(z.Shape, Seam.Of(x) | Seam.Of(y) | Seam.Of(z));
        Launch(
            kernel, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(x), (long)x.Stride, Address(y), (long)y.Stride, Address(z), (long)z.Stride, spread.Rows, spread.Columns,
            spread.IsAligned);
    }

    // Whether all rows are numbers of which two are read and written at once.
    private static bool IsPaired(Seam seam, int columns) => seam.IsMultipleOf(2 * sizeof(float)) && columns % 2 == 0;

    private static uint Blocks(long count, long ofBlock) => checked((uint)((count + ofBlock - 1) / ofBlock));

    private static uint GridRows(long rows) => (uint)Math.Min(rows, MostGridRows);

    // Where tables begin, and how far it is from row to row: what may be done to several elements at once.
    private readonly record struct Seam(long Bits, bool HasGaps)
    {
        public static Seam Of(in Tensor x) =>
            new(Address(x) | (x.Rows > 1 ? (long)x.Stride * x.Type.Bytes() : 0), !x.IsContiguous);

        // A vector that all rows share, so rows cannot be one long row.
        public static Seam OfVector(in Tensor x) => new(Address(x), !x.IsNone);

        // Rows or parts of rows that follow each other, so many columns apart.
        public static Seam OfColumns(int columns) => new((long)columns * sizeof(float), false);

        public static Seam operator |(Seam left, Seam right) => new(left.Bits | right.Bits, left.HasGaps || right.HasGaps);

        public bool IsMultipleOf(int bytes) => (Bits & (bytes - 1)) == 0;
    }

    // How element-wise kernels go over tables: a thread has four columns, a block 1024 or several rows where they are narrower. Tables
    // without gaps are one row.
    private readonly record struct Spread(int Rows, int Columns, uint Across, uint Down, int IsAligned)
    {
        private const int MostOfRow = 1 << 30;
        private const int BytesOfThread = NumbersOfThread * sizeof(float);

        public static Spread Over(Shape shape, Seam seam)
        {
            bool isOne = !seam.HasGaps && shape.Count <= MostOfRow;
            (int rows, int columns) = isOne ? (1, (int)shape.Count) : (shape.Rows, shape.Columns);
            uint threads = Blocks(columns, NumbersOfThread), ofBlock = Math.Max(1, ThreadsOfWide / threads);
            return new Spread(
                rows, columns, Blocks(threads, ThreadsOfWide), GridRows(Blocks(rows, ofBlock)), seam.IsMultipleOf(BytesOfThread) ? 1 : 0);
        }

        // For a kernel that must know which row a number is in.
        public static Spread OfRows(int rows, int columns, Seam seam) =>
            Over(new Shape(rows, columns), seam with { HasGaps = true });
    }
}
