// Rows of a table that is packed as a weight: shared with the output layer, it is in memory once. A row is then spread
// over its panel, a cache line for each number or two; at some microseconds a token that is a thousandth of a step.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;
using Engine.Tensors;

namespace Engine.Cpu.Kernels;

/// <summary>y = table[id] · scale + positions[position], each operation rounded; a row a tile.</summary>
internal unsafe struct Embedding : IJob
{
    public int* Ids;
    public DType Type;

    /// <summary>See <see cref="PackedWeight.IsPaired"/>.</summary>
    public bool IsPaired;

    public byte* Panels;
    public nint PanelBytes;

    /// <summary>What each row of an integer table was multiplied by.</summary>
    public float* Scales;

    public int Width;
    public float Scale;

    /// <summary>The first row, or null.</summary>
    public float* Positions;

    public nint PositionStride;
    public int* PositionIds;

    /// <summary>The first output; rows follow each other without a gap.</summary>
    public float* Y;

    public readonly void Execute(int tile, int worker)
    {
        int id = Ids[tile];
        float* y = Y + ((nint)tile * Width);
        if (id < 0) new Span<float>(y, Width).Clear();
        else LookUp(id, y);
        if (Positions == null) return;
        float* position = Positions + (PositionIds[tile] * PositionStride);
        for (int k = 0; k < Width; k++) y[k] += position[k];
    }

    private readonly void LookUp(int id, float* y)
    {
        byte* panel = Panels + (id / Lanes.Count * PanelBytes);
        int lane = id % Lanes.Count;
        switch (Type)
        {
            case DType.Float32:
                for (int k = 0; k < Width; k++) y[k] = ((float*)panel)[FloatPlace(k, lane)] * Scale;
                break;
            case DType.Float16:
                for (int k = 0; k < Width; k++) y[k] = (float)((Half*)panel)[FloatPlace(k, lane)] * Scale;
                break;
            case DType.BFloat16 when IsPaired:
                for (int k = 0; k < Width; k++)
                    y[k] = BitConverter.UInt32BitsToSingle((uint)((ushort*)panel)[PairPlace(k, lane)] << 16) * Scale;
                break;
            case DType.BFloat16:
                for (int k = 0; k < Width; k++)
                    y[k] = BitConverter.UInt32BitsToSingle((uint)((ushort*)panel)[FloatPlace(k, lane)] << 16) * Scale;
                break;
            case DType.Int8:
                float factor8 = 1f / Scales[id];
                for (int k = 0; k < Width; k++) y[k] = ((sbyte*)panel)[IntegerPlace(k, lane)] * factor8 * Scale;
                break;
            default:
                float factor16 = 1f / Scales[id];
                for (int k = 0; k < Width; k++) y[k] = ((short*)panel)[IntegerPlace(k, lane)] * factor16 * Scale;
                break;
        }
    }

    // PackedWeight says where elements are.
    private static nint FloatPlace(int k, int lane) => ((nint)k * Lanes.Count) + lane;

    private static nint PairPlace(int k, int lane) => ((((nint)(k / 2) * Lanes.Count) + lane) * 2) + 1 - (k % 2);

    private static nint IntegerPlace(int k, int lane) =>
        ((((nint)(k / IntegerGroup.Inputs) * Lanes.Count) + lane) * IntegerGroup.Inputs) + (k % IntegerGroup.Inputs);
}
