// What happens to a sum before it is an output: scale back, add the bias, activate; once for each output, while it is
// in cache.
using System.Runtime.CompilerServices;
using Engine.Backends;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Kernels;

/// <summary>The end of a product.</summary>
internal unsafe struct Epilogue
{
    /// <summary>[outputs], or null.</summary>
    public float* Bias;

    /// <summary>
    /// [outputs], what the weights were multiplied by when they became integers; null for float weights.
    /// </summary>
    public float* Scales;

    /// <summary>
    /// [rows], int8: 1 / what the row was multiplied by; null: each row was multiplied by 1000 (int16).
    /// </summary>
    public float* RowFactors;

    /// <summary>Applied last.</summary>
    public Activation Activation;

    /// <summary>Ends the outputs of some rows and columns.</summary>
    /// <param name="y">The first of these rows, at column 0.</param>
    /// <param name="stride">From a row to the next.</param>
    /// <param name="row">Number of the first row.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="column">First column.</param>
    /// <param name="columns">Columns.</param>
    public readonly void Run<TSimd>(float* y, nint stride, int row, int rows, int column, int columns)
        where TSimd : unmanaged, ISimd<TSimd>
    {
        switch (Activation)
        {
            case Activation.Relu: Run<TSimd, Relu>(y, stride, row, rows, column, columns); break;
            case Activation.Gelu: Run<TSimd, Gelu>(y, stride, row, rows, column, columns); break;
            case Activation.GeluTanh: Run<TSimd, GeluTanh>(y, stride, row, rows, column, columns); break;
            case Activation.GeluSigmoid: Run<TSimd, GeluSigmoid>(y, stride, row, rows, column, columns); break;
            case Activation.Silu: Run<TSimd, Silu>(y, stride, row, rows, column, columns); break;
            case Activation.Tanh: Run<TSimd, HyperbolicTangent>(y, stride, row, rows, column, columns); break;
            case Activation.Sigmoid: Run<TSimd, Sigmoid>(y, stride, row, rows, column, columns); break;
            default:
                if (Bias != null || Scales != null) Run<TSimd, Identity>(y, stride, row, rows, column, columns);
                break;
        }
    }

    private readonly void Run<TSimd, TMap>(float* y, nint stride, int row, int rows, int column, int columns)
        where TSimd : unmanaged, ISimd<TSimd>
        where TMap : unmanaged, IMap
    {
        for (int r = 0; r < rows; r++, y += stride)
        {
            int c = 0;
            for (; c <= columns - Lanes.Count; c += Lanes.Count)
            {
                float* place = y + column + c;
                TSimd bias = Bias == null ? TSimd.Zero : TSimd.Load(Bias + column + c);
                TSimd scales = Scales == null ? TSimd.Zero : TSimd.Load(Scales + column + c);
                TSimd.Store(Finish<TSimd, TMap>(TSimd.Load(place), row + r, scales, bias), place);
            }

            int left = columns - c;
            if (left > 0)
            {
                float* place = y + column + c;
                TSimd bias = Bias == null ? TSimd.Zero : Lanes.LoadFirst<TSimd>(Bias + column + c, left);
                TSimd scales = Scales == null ? TSimd.Zero : Lanes.LoadFirst<TSimd>(Scales + column + c, left, 1f);
                TSimd sum = Lanes.LoadFirst<TSimd>(place, left);
                Lanes.StoreFirst(Finish<TSimd, TMap>(sum, row + r, scales, bias), place, left);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly TSimd Finish<TSimd, TMap>(TSimd value, int row, TSimd scales, TSimd bias)
        where TSimd : unmanaged, ISimd<TSimd>
        where TMap : unmanaged, IMap
    {
        if (Scales != null)
        {
            value = RowFactors != null
                ? value * TSimd.Broadcast(RowFactors[row]) / scales
                : value * (TSimd.Broadcast(1f) / (TSimd.Broadcast(Quantisation.Int16Scale) * scales));
        }

        if (Bias != null) value += bias;
        return TMap.Invoke(value);
    }
}
