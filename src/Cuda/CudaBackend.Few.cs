// Products of a few rows: a step of the decoder for one or a few sentences, where each launch counts. The product takes what stands
// before it with it: the norm, if that was written down just before, and the rounding of its rows.
using Engine.Backends;
using Engine.Cuda.Device;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const uint ThreadsOfFew = 128;
    private const int WarpsOfFew = 4;
    private const uint MostBlocksOfFew = 1024;     // from there a block takes several outputs: each prepares the rows again

    private NormWork _lastNorm;

    // With products of our own each output of floats is a chain in ascending order, which these kernels do not keep. Sums of integers
    // are exact.
    private bool TryMultiplyFew(in Tensor x, CudaWeight weight, in Tensor bias, Activation activation, in Tensor y)
    {
        if (x.Rows > FewKernels.MostRows || weight.Inputs == 0 || (_usesOwnProducts && weight.Type.IsFloat())) return false;
        if (!FewKernels.IsFor(x.Rows, weight.Stride, weight.Type)) return false;
        Kernel kernel = _few.Find(x.Rows, weight.Type);
        long shared = FewKernels.SharedBytes(x.Rows, weight.Stride, weight.Type);
        _few.Allow(kernel, shared);
        bool takesNorm = _lastNorm.Y == x && x.Columns <= FewKernels.MostColumnsOfNorm && _context.Stream.TakeBack(_lastNorm.Number);
        NormWork input = takesNorm ? _lastNorm : new NormWork { X = x };
        int kind = !takesNorm ? 0 : input.Weights.IsRms ? 2 : 1;
        bool rounds = weight.Type.IsFloat()
            ? weight.Type == DType.BFloat16 && RoundsActivations(weight)    // to float16 they need not be: nothing is gained by it here
            : weight.Rounding == ActivationRounding.Legacy;
        uint blocks = Blocks(y.Columns, (long)WarpsOfFew * FewKernels.OutputsOfWarp(x.Rows));
        Launch(
            kernel, Math.Min(blocks, MostBlocksOfFew), 1, 1, ThreadsOfFew, (uint)shared,
            Address(input.X), (long)input.X.Stride, Address(input.Residual), (long)input.Residual.Stride,
            Address(input.Sum), (long)input.Sum.Stride, Address(input.Y), (long)input.Y.Stride,
            Address(input.Weights.Gain), Address(input.Weights.Bias), input.Weights.Epsilon, kind,
            weight.Data, (long)weight.Stride, weight.Scales, Address(bias), Address(y), (long)y.Stride, y.Rows, y.Columns, x.Columns,
            (int)activation, rounds ? 1 : 0);
        return true;
    }

    // A norm as it was launched, and the number under which it was written down.
    private readonly record struct NormWork(
        long Number, Tensor X, Tensor Residual, NormWeights Weights, Tensor Sum, Tensor Y);
}
