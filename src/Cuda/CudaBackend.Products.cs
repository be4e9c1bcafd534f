// Embeddings and linear layers. Products of float32, float16, bfloat16 and int8 are cuBLAS's; those that it has not, and all when
// every output is to be one fixed chain of sums, are kernels of our own.
using Engine.Backends;
using Engine.Cuda.Device;
using Engine.Cuda.Driver;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const int TileOfGemm = 64;              // rows and outputs
    private const int FewRows = 16, RowsOfFew = 8, OutputsOfFew = 32;
    private const int ElementsOfStride = 16;        // leading dimensions that cuBLAS likes

    /// <inheritdoc />
    public Tensor Embed(in Tensor ids, Weight table, float scale, in Tensor positions, in Tensor positionIds)
    {
        CudaWeight packed = Packed(table, nameof(table));
        Checks.Embed(ids, packed.Inputs, positions, positionIds);
        Tensor y = Rent(new Shape(ids.Columns, packed.Inputs), DType.Float32);
        if (y.Shape.Count == 0) return y;
        nint places = positions.IsNone ? 0 : Address(positionIds);
        Launch(
            _kernels.Embed(packed.Type), (uint)y.Rows, 1, 1, ThreadsOfRow, 0,
            Address(ids), packed.Data, (long)packed.Stride, packed.Scales, packed.Outputs, scale, Address(positions),
            (long)positions.Stride, places, positions.Rows, Address(y), (long)y.Stride, y.Columns);
        return y;
    }

    /// <inheritdoc />
    public Tensor Linear(in Tensor x, in LinearWeights weights, Activation activation = Activation.None)
    {
        CudaWeight weight = Packed(weights.Weight, nameof(weights));
        Checks.Linear(x, weight, weights.Bias, activation);
        Tensor y = Rent(new Shape(x.Rows, weight.Outputs), DType.Float32);
        if (y.Shape.Count == 0) return y;
        if (TryMultiplyFew(x, weight, weights.Bias, activation, y)) return y;
        bool isOwn = _usesOwnProducts || weight.Inputs == 0;
        switch (weight.Type)
        {
            case DType.Float32 when !isOwn:
                Multiply(
                    GemmFloat(Address(x), x.Stride, weight.Data, weight.Stride, Address(y), y.Stride, y.Rows, y.Columns, weight.Inputs),
                    weights.Bias, activation, y);
                break;
            case DType.Float16 or DType.BFloat16 when !isOwn && RoundsActivations(weight):
                MultiplyHalf(x, weight, weights.Bias, activation, y);
                break;
            case DType.BFloat16 when weight.Rounding == ActivationRounding.BFloat16 && weight.Inputs > 0:
                MultiplyFloats(RoundToBFloat16(x), weight, weights.Bias, activation, y);
                break;
            case DType.Int8: MultiplyInt8(x, weight, weights.Bias, activation, y, isOwn); break;
            case DType.Int16: MultiplyInt16(x, weight, weights.Bias, activation, y); break;
            default: MultiplyFloats(x, weight, weights.Bias, activation, y); break;
        }

        return y;
    }

    // Whether activations become what the weight is. A file that merely stores bfloat16 does not ask for it; float16 is a type to
    // compute with, since nobody trains in it.
    private bool RoundsActivations(CudaWeight weight) =>
        weight.Type == DType.Float16 || weight.Rounding == ActivationRounding.BFloat16 || _arithmetic != Arithmetic.Float32;

    // In float32, each output one chain of fused multiply-adds in ascending order.
    private void MultiplyFloats(in Tensor x, CudaWeight weight, in Tensor bias, Activation activation, in Tensor y)
    {
        bool isFew = y.Rows <= FewRows;
        uint tilesOfOutputs = Blocks(y.Columns, isFew ? OutputsOfFew : TileOfGemm);
        uint tilesOfRows = GridRows(Blocks(y.Rows, isFew ? RowsOfFew : TileOfGemm));
        Launch(
            _kernels.Gemm(weight.Type, isFew), tilesOfOutputs, tilesOfRows, 1, ThreadsOfWide, 0,
            Address(x), (long)x.Stride, weight.Data, (long)weight.Stride, Address(bias), Address(y), (long)y.Stride, y.Rows,
            y.Columns, weight.Inputs, (int)activation);
    }

    // Rows are padded with zeros as the weight's are, so that the product may take the padding for inputs. A norm, or attention to the
    // cache, that was written down just before rounds them itself.
    private void MultiplyHalf(in Tensor x, CudaWeight weight, in Tensor bias, Activation activation, in Tensor y)
    {
        (int, long) mark = _arena.Mark();
        bool isFloat16 = weight.Type == DType.Float16;
        nint rounded = RentBytes((long)x.Rows * weight.Stride * sizeof(ushort));
        bool isWhole = weight.Stride == x.Columns;
        if (isWhole && _lastNorm.Y == x && _context.Stream.TakeBack(_lastNorm.Number)) LaunchNorm(_lastNorm, rounded, isFloat16);
        else if (isWhole && _lastCached.Y == x && _context.Stream.TakeBack(_lastCached.Number)) LaunchCached(_lastCached, rounded, isFloat16);
        else LaunchPadded(isFloat16 ? _kernels.ToFloat16 : _kernels.ToBFloat16, x, rounded, weight.Stride);
        Multiply(
            GemmHalf(
                isFloat16 ? CublasCalls.Float16 : CublasCalls.BFloat16, rounded, weight.Stride, weight.Data, weight.Stride, Address(y),
                y.Stride, y.Rows, y.Columns, weight.Stride),
            bias, activation, y);
        _arena.Release(mark);
    }

    private Tensor RoundToBFloat16(in Tensor x)
    {
        Tensor rounded = Rent(x.Shape, DType.Float32);
        Spread spread = Spread.Over(x.Shape, Seam.Of(x) | Seam.Of(rounded));
        Launch(
            _kernels.RoundBFloat16, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(x), (long)x.Stride, Address(rounded), (long)rounded.Stride, spread.Rows, spread.Columns, spread.IsAligned);
        return rounded;
    }

    private void MultiplyInt8(
        in Tensor x, CudaWeight weight, in Tensor bias, Activation activation, in Tensor y, bool isOwn)
    {
        nint rows = RentBytes((long)x.Rows * weight.Stride), factors = RentBytes((long)x.Rows * sizeof(float));
        Launch(
            _kernels.QuantiseInt8, Blocks(x.Rows, RowsOfNorm), 1, 1, ThreadsOfRow, 0,
            Address(x), (long)x.Stride, rows, (long)weight.Stride, factors, x.Rows, x.Columns, weight.Stride, IsLegacy(weight),
            SeamOfPadded(x, rows).IsMultipleOf(NumbersOfThread * sizeof(float)) ? 1 : 0);
        int stride = SumStride(y.Columns);
        nint sums = RentBytes((long)y.Rows * stride * sizeof(int));
        if (isOwn)
        {
            Launch(
                _kernels.GemmInt8, Blocks(y.Columns, TileOfGemm), GridRows(Blocks(y.Rows, TileOfGemm)), 1, ThreadsOfWide, 0,
                rows, (long)weight.Stride, weight.Data, (long)weight.Stride, sums, (long)stride, y.Rows, y.Columns, weight.Inputs);
        }
        else
        {
            _context.Stream.Multiply(GemmInt8(
                rows, weight.Stride, weight.Data, weight.Stride, sums, stride, y.Rows, y.Columns, weight.Stride));
        }

        FinishSums(sums, stride, factors, weight, bias, activation, y);
    }

    private void MultiplyInt16(in Tensor x, CudaWeight weight, in Tensor bias, Activation activation, in Tensor y)
    {
        nint rows = RentBytes((long)x.Rows * weight.Stride * sizeof(short));
        Spread spread = Spread.Over(new Shape(x.Rows, weight.Stride), SeamOfPadded(x, rows));
        Launch(
            _kernels.QuantiseInt16, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(x), (long)x.Stride, rows, (long)weight.Stride, x.Rows, x.Columns, weight.Stride, IsLegacy(weight), spread.IsAligned);
        int stride = SumStride(y.Columns);
        nint sums = RentBytes((long)y.Rows * stride * sizeof(int));
        Launch(
            _kernels.GemmInt16, Blocks(y.Columns, TileOfGemm), GridRows(Blocks(y.Rows, TileOfGemm)), 1, ThreadsOfWide, 0,
            rows, (long)weight.Stride, weight.Data, (long)weight.Stride, sums, (long)stride, y.Rows, y.Columns, weight.Inputs);
        FinishSums(sums, stride, 0, weight, bias, activation, y);
    }

    // factors: 1 / what each row was multiplied by; 0 for int16.
    private void FinishSums(
        nint sums, int stride, nint factors, CudaWeight weight, in Tensor bias, Activation activation, in Tensor y)
    {
        Spread spread = Spread.Over(y.Shape, Seam.Of(y) | Seam.OfVector(bias) | new Seam(sums | weight.Scales, HasGaps: true));
        Launch(
            _kernels.FinishSums, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            sums, (long)stride, factors, weight.Scales, Address(bias), Address(y), (long)y.Stride, y.Rows, y.Columns, (int)activation,
            spread.IsAligned);
    }

    // Rows that become others, whose stride is a multiple of 16, with zeros behind.
    private void LaunchPadded(Kernel kernel, in Tensor x, nint y, int stride)
    {
        Spread spread = Spread.Over(new Shape(x.Rows, stride), SeamOfPadded(x, y));
        Launch(
            kernel, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(x), (long)x.Stride, y, (long)stride, x.Rows, x.Columns, stride, spread.IsAligned);
    }

    private static Seam SeamOfPadded(in Tensor x, nint y) =>
        Seam.Of(x) | new Seam(y | ((long)x.Columns * sizeof(float)), HasGaps: true);

    // Bias and activation are in the product's own pass where cuBLASLt can; otherwise in one after it.
    private void Multiply(in BlasProduct product, in Tensor bias, Activation activation, in Tensor y)
    {
        bool isPlain = bias.IsNone && activation == Activation.None;
        if (!isPlain && BlasProduct.CanFollow(activation)
            && _context.Stream.TryMultiply(product with { Bias = Address(bias), Activation = activation }))
            return;
        _context.Stream.Multiply(product);
        Finish(y, bias, activation);
    }

    private void Finish(in Tensor y, in Tensor bias, Activation activation)
    {
        if (bias.IsNone && activation == Activation.None) return;
        Spread spread = Spread.Over(y.Shape, Seam.Of(y) | Seam.OfVector(bias));
        Launch(
            _kernels.BiasActivation, spread.Across, spread.Down, 1, ThreadsOfWide, 0,
            Address(y), (long)y.Stride, Address(bias), Address(y), (long)y.Stride, spread.Rows, spread.Columns, (int)activation,
            spread.IsAligned);
    }

    private static int SumStride(int outputs) => checked((outputs + ElementsOfStride - 1) / ElementsOfStride * ElementsOfStride);

    private static int IsLegacy(CudaWeight weight) => weight.Rounding == ActivationRounding.Legacy ? 1 : 0;
}
