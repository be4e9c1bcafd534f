// A weight in the one layout that all rungs share: panels of sixteen outputs, so that a tile reads one stream of whole
// vectors.
using System.Runtime.Intrinsics;
using Engine.Backends;
using Engine.Cpu.Memory;
using Engine.Cpu.Simd;
using Engine.Tensors;

namespace Engine.Cpu.Kernels;

/// <summary>
/// Panel p holds outputs 16p .. 16p + 15, missing ones zero. Float weights: element (output, k) is number k · 16 +
/// output of its panel. Integer weights, in groups of four inputs, missing ones zero: number (k / 4 · 16 + output) · 4
/// + k mod 4. Paired bfloat16 in groups of two: number
/// (k / 2 · 16 + output) · 2 + 1 − k mod 2, see <see cref="BFloat16Rows"/>.
/// </summary>
internal sealed unsafe class PackedWeight : Weight
{
    private readonly IPanelMemory _memory;
    private readonly long _panelsBytes;
    private readonly long _scalesBytes;
    private int* _compensation;
    private bool _disposed;

    /// <summary>Takes memory over, in which the panels are or will be.</summary>
    public PackedWeight(
        int outputs, int inputs, DType type, ActivationRounding rounding, bool isPaired, IPanelMemory memory)
    {
        Outputs = outputs;
        Inputs = inputs;
        Type = type;
        Rounding = rounding;
        IsInteger = type is DType.Int8 or DType.Int16;
        IsPaired = isPaired;
        GroupInputs = Group(type, isPaired);
        PanelBytes = BytesOfPanel(inputs, type, isPaired);
        _panelsBytes = BytesOfPanels(outputs, inputs, type, isPaired);
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

    /// <summary>Whether it is bfloat16 for the instruction that multiplies pairs.</summary>
    public bool IsPaired { get; }

    /// <summary>Inputs of an output that lie side by side.</summary>
    public int GroupInputs { get; }

    /// <summary>How activations are rounded.</summary>
    public ActivationRounding Rounding { get; }

    /// <summary>Bytes from a panel to the next.</summary>
    public long PanelBytes { get; }

    /// <summary>The first panel.</summary>
    public byte* Panels => _memory.Start;

    /// <summary>[outputs], what each output's weights were multiplied by; null for float weights.</summary>
    public float* Scales { get; }

    /// <summary>
    /// int8: −128 · the sum of each output's weights, in whole panels: what a dot product owes when 128 was added to each
    /// activation. Made when it is first asked for.
    /// </summary>
    public int* Compensation
    {
        get
        {
            if (_compensation == null) _compensation = Compensate();
            return _compensation;
        }
    }

    /// <summary>Whether its memory is gone.</summary>
    public bool IsDisposed => _disposed;

    /// <summary>Inputs of a type that stand side by side for one output.</summary>
    public static int Group(DType type, bool isPaired = false) =>
        type is DType.Int8 or DType.Int16 ? IntegerGroup.Inputs : isPaired ? 2 : 1;

    /// <summary>Bytes of a panel.</summary>
    public static long BytesOfPanel(int inputs, DType type, bool isPaired = false)
    {
        int group = Group(type, isPaired);
        return ((long)inputs + group - 1) / group * group * Lanes.Count * type.Bytes();
    }

    /// <summary>Bytes of all panels.</summary>
    public static long BytesOfPanels(int outputs, int inputs, DType type, bool isPaired = false) =>
        ((long)outputs + (Lanes.Count - 1)) / Lanes.Count * BytesOfPanel(inputs, type, isPaired);

    /// <inheritdoc />
    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        _memory.Dispose();
        if (IsInteger) NativeBuffer.Free(Scales, _scalesBytes);
        if (_compensation != null) NativeBuffer.Free(_compensation, CompensationBytes);
    }

    private long CompensationBytes => (long)Lanes.RoundUp(Outputs) * sizeof(int);

    private int* Compensate()
    {
        var sums = (int*)NativeBuffer.Allocate(CompensationBytes, zeroed: true);
        long groups = PanelBytes / (Lanes.Count * IntegerGroup.Inputs);
        for (long panel = 0; panel < Lanes.RoundUp(Outputs) / Lanes.Count; panel++)
        {
            var group = (sbyte*)(Panels + (panel * PanelBytes));
            Vector128<int> a = default, b = default, c = default, d = default;
            for (long i = 0; i < groups; i++, group += Lanes.Count * IntegerGroup.Inputs)
            {
                a += SumFours(group);
                b += SumFours(group + 16);
                c += SumFours(group + 32);
                d += SumFours(group + 48);
            }

            int* sum = sums + (panel * Lanes.Count);
            (a * -128).Store(sum);
            (b * -128).Store(sum + 4);
            (c * -128).Store(sum + 8);
            (d * -128).Store(sum + 12);
        }

        return sums;
    }

    // The four bytes of each 32-bit lane, added. The upper bytes of a lane are moved down with their signs.
    private static Vector128<int> SumFours(sbyte* bytes)
    {
        Vector128<int> fours = Vector128.Load(bytes).AsInt32();
        return (fours >> 24) + ((fours << 8) >> 24) + ((fours << 16) >> 24) + ((fours << 24) >> 24);
    }
}
