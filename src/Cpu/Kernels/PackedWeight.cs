// A weight in the one layout that all rungs share: panels of sixteen outputs, so that a tile reads one stream of whole
// vectors.
using Engine.Backends;
using Engine.Cpu.Memory;
using Engine.Cpu.Simd;
using Engine.Tensors;

namespace Engine.Cpu.Kernels;

/// <summary>
/// Panel p holds outputs 16p .. 16p + 15, missing ones zero. Float weights: element (output, k) is number k · 16 +
/// output of its panel. Integer weights, in groups of four inputs, missing ones zero: number (k / 4 · 16 + output) · 4
/// + k mod 4.
/// </summary>
internal sealed unsafe class PackedWeight : Weight
{
    private readonly IPanelMemory _memory;
    private readonly long _panelsBytes;
    private readonly long _scalesBytes;
    private bool _disposed;

    /// <summary>Takes memory over, in which the panels are or will be.</summary>
    public PackedWeight(int outputs, int inputs, DType type, ActivationRounding rounding, IPanelMemory memory)
    {
        Outputs = outputs;
        Inputs = inputs;
        Type = type;
        Rounding = rounding;
        IsInteger = type is DType.Int8 or DType.Int16;
        PanelBytes = BytesOfPanel(inputs, type);
        _panelsBytes = BytesOfPanels(outputs, inputs, type);
        _scalesBytes = IsInteger ? (long)outputs * sizeof(float) : 0;
        _memory = memory;
        if (IsInteger) Scales = (float*)NativeBuffer.Allocate(_scalesBytes, zeroed: true);
    }

    /// <inheritdoc />
    public override int Outputs { get; }

    /// <inheritdoc />
    public override int Inputs { get; }

    /// <inheritdoc />
    public override DType Type { get; }

    /// <inheritdoc />
    public override long Bytes => _panelsBytes + _scalesBytes;

    /// <summary>Whether elements are integers with scales.</summary>
    public bool IsInteger { get; }

    /// <summary>How activations become integers.</summary>
    public ActivationRounding Rounding { get; }

    /// <summary>Bytes from a panel to the next.</summary>
    public long PanelBytes { get; }

    /// <summary>The first panel.</summary>
    public byte* Panels => _memory.Start;

    /// <summary>[outputs], what each output's weights were multiplied by; null for float weights.</summary>
    public float* Scales { get; }

    /// <summary>Whether its memory is gone.</summary>
    public bool IsDisposed => _disposed;

    /// <summary>Inputs of a type that stand side by side for one output.</summary>
    public static int Group(DType type) => type is DType.Int8 or DType.Int16 ? IntegerGroup.Inputs : 1;

    /// <summary>Bytes of a panel.</summary>
    public static long BytesOfPanel(int inputs, DType type)
    {
        int group = Group(type);
        return ((long)inputs + group - 1) / group * group * Lanes.Count * type.Bytes();
    }

    /// <summary>Bytes of all panels.</summary>
    public static long BytesOfPanels(int outputs, int inputs, DType type) =>
        ((long)outputs + (Lanes.Count - 1)) / Lanes.Count * BytesOfPanel(inputs, type);

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        _memory.Dispose();
        if (IsInteger) NativeBuffer.Free(Scales, _scalesBytes);
    }
}
