// A weight in device memory: rows as the model file has them, each padded with zeros to a multiple of 16 elements, so that
// products may read whole vectors.
using Engine.Backends;
using Engine.Cuda.Device;
using Engine.Tensors;

namespace Engine.Cuda;

/// <summary>A matrix [outputs, inputs] on the device.</summary>
internal sealed class CudaWeight : Weight
{
    /// <summary>Elements to which a row is padded.</summary>
    public const int RowElements = 16;

    private readonly CudaDeviceContext _context;
    private bool _disposed;

    /// <summary>Takes the memory, not cleared.</summary>
    public CudaWeight(CudaDeviceContext context, int outputs, int inputs, DType type, ActivationRounding rounding)
    {
        _context = context;
        Outputs = outputs;
        Inputs = inputs;
        Type = type;
        Rounding = rounding;
        Stride = (inputs + (RowElements - 1)) / RowElements * RowElements;
        Data = context.Allocate((long)outputs * Stride * type.Bytes());
        if (type is not (DType.Int8 or DType.Int16)) return;
        try
        {
            Scales = context.Allocate((long)outputs * sizeof(float));
        }
        catch
        {
            context.Free(Data);
            throw;
        }
    }

    /// <inheritdoc />
    public override int Outputs { get; }

    /// <inheritdoc />
    public override int Inputs { get; }

    /// <inheritdoc />
    public override DType Type { get; }

    /// <inheritdoc />
    public override long Bytes => ((long)Outputs * Stride * Type.Bytes()) + (Scales == 0 ? 0 : (long)Outputs * sizeof(float));

    /// <summary>How activations are rounded.</summary>
    public ActivationRounding Rounding { get; }

    /// <summary>Elements from a row to the next.</summary>
    public int Stride { get; }

    /// <summary>The first row.</summary>
    public nint Data { get; }

    /// <summary>[outputs], what each output's weights were multiplied by; 0 for float weights.</summary>
    public nint Scales { get; }

    /// <summary>Whether its memory is gone.</summary>
    public bool IsDisposed => _disposed;

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        if (!disposing) return;   // from a finaliser nothing: the context may be gone
        _context.Free(Data);
        if (Scales != 0) _context.Free(Scales);
    }
}
