// Panels from values in a tensor, as they are or transposed: weights that training changes, and the activations that a weight's
// gradient is a product of. Numbers are only moved.
using System.Runtime.Intrinsics;
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>Panels [panel][k][16] of rows [outputs][inputs]: an output is a row. A panel a tile.</summary>
internal unsafe struct RowPanels : IJob
{
    /// <summary>The first row.</summary>
    public float* Values;

    /// <summary>From a row to the next.</summary>
    public nint Stride;

    public int Outputs, Inputs;

    /// <summary>The first panel.</summary>
    public float* Panels;

    public readonly void Execute(int tile, int worker)
    {
        int first = tile * Lanes.Count, count = Math.Min(Lanes.Count, Outputs - first);
        float* rows = Values + (first * Stride), panel = Panels + ((nint)first * Inputs);
        if (count == Lanes.Count) PanelTranspose.Words((uint*)rows, Stride, Inputs, (uint*)panel);
        else
        {
            new Span<float>(panel, Inputs * Lanes.Count).Clear();
            Panel.Put(rows, Stride, count, Inputs, panel);
        }
    }
}

/// <summary>Panels [panel][k][16] of rows [inputs][outputs]: an output is a column. Some inputs a tile.</summary>
internal unsafe struct ColumnPanels : IJob
{
    // 128 rows of four panels are 32 KiB read and as much written.
    private const int InputsOfTile = 128;

    /// <summary>The first row.</summary>
    public float* Values;

    /// <summary>From a row to the next.</summary>
    public nint Stride;

    public int Outputs, Inputs;

    /// <summary>The first panel.</summary>
    public float* Panels;

    /// <summary>Number of tiles.</summary>
    public readonly int Tiles => (Inputs + InputsOfTile - 1) / InputsOfTile;

    public readonly void Execute(int tile, int worker)
    {
        int first = tile * InputsOfTile, end = Math.Min(first + InputsOfTile, Inputs);
        for (int output = 0; output < Outputs; output += Lanes.Count)
        {
            int count = Math.Min(Lanes.Count, Outputs - output);
            float* from = Values + (first * Stride) + output;
            float* to = Panels + ((nint)output * Inputs) + ((nint)first * Lanes.Count);
            for (int k = first; k < end; k++, from += Stride, to += Lanes.Count)
            {
                if (count == Lanes.Count) Lanes.Copy(from, to);
                else
                {
                    for (int lane = 0; lane < Lanes.Count; lane++) to[lane] = lane < count ? from[lane] : 0f;
                }
            }
        }
    }
}

/// <summary>
/// Panels of paired bfloat16 of rows [inputs][outputs]: word (k / 2, output) holds input k above input k + 1, which is zero where there
/// is none. Some pairs of inputs a tile. Needs AVX-512.
/// </summary>
internal unsafe struct PairedColumnPanels : IJob
{
    private const int PairsOfTile = 64;

    /// <summary>The first row.</summary>
    public float* Values;

    /// <summary>From a row to the next.</summary>
    public nint Stride;

    public int Outputs, Inputs;

    /// <summary>The first word; panels, [panel][pair][16], or rows of words, [pair][outputs in whole vectors].</summary>
    public uint* Words;

    /// <summary>From a pair's word to that of the next, and from sixteen outputs to the next sixteen.</summary>
    public nint PairStride, GroupStride;

    /// <summary>Number of tiles.</summary>
    public readonly int Tiles => (Pairs + PairsOfTile - 1) / PairsOfTile;

    private readonly int Pairs => (Inputs + 1) / 2;

    public readonly void Execute(int tile, int worker)
    {
        int first = tile * PairsOfTile, end = Math.Min(first + PairsOfTile, Pairs);
        float* zeros = stackalloc float[Lanes.Count];
        new Span<float>(zeros, Lanes.Count).Clear();
        for (int output = 0; output < Outputs; output += Lanes.Count)
        {
            int count = Math.Min(Lanes.Count, Outputs - output);
            uint* to = Words + (output / Lanes.Count * GroupStride) + (first * PairStride);
            for (int pair = first; pair < end; pair++, to += PairStride)
            {
                float* upper = Values + (2 * pair * Stride) + output;
                float* lower = (2 * pair) + 1 < Inputs ? upper + Stride : zeros;
                Vector512<uint> a = count == Lanes.Count ? Vector512.Load((uint*)upper) : Load(upper, count);
                Vector512<uint> b = count == Lanes.Count || lower == zeros ? Vector512.Load((uint*)lower) : Load(lower, count);
                ((BFloat16Rounding.Round(a) & Vector512.Create(0xFFFF0000u)) | (BFloat16Rounding.Round(b) >>> 16)).Store(to);
            }
        }
    }

    private static Vector512<uint> Load(float* from, int count)
    {
        uint* lanes = stackalloc uint[Lanes.Count];
        for (int i = 0; i < Lanes.Count; i++) lanes[i] = i < count ? ((uint*)from)[i] : 0;
        return Vector512.Load(lanes);
    }
}

/// <summary>Panels [panel][k][16] of bfloat16, an output a row or a column; for kernels in C#. A panel a tile.</summary>
internal unsafe struct HalfPanels : IJob
{
    public float* Values;

    /// <summary>From an output to the next, and from an input to the next.</summary>
    public nint OutputStride, InputStride;

    public int Outputs, Inputs;

    /// <summary>The first panel.</summary>
    public ushort* Panels;

    public readonly void Execute(int tile, int worker)
    {
        int first = tile * Lanes.Count;
        ushort* to = Panels + ((nint)first * Inputs);
        for (int k = 0; k < Inputs; k++)
        {
            for (int lane = 0; lane < Lanes.Count; lane++)
            {
                int output = first + lane;
                uint bits = output < Outputs ? ((uint*)Values)[(output * OutputStride) + (k * InputStride)] : 0;
                *to++ = (ushort)(BFloat16Rounding.Round(bits) >> 16);
            }
        }
    }
}

/// <summary>[rows][columns] becomes [columns][rows], a square of some rows and columns a tile.</summary>
internal unsafe struct Transposition : IJob
{
    // 64 KiB read and as much written: the second-level cache keeps both.
    private const int Side = 128;

    /// <summary>The first row.</summary>
    public float* From;

    /// <summary>From a row to the next.</summary>
    public nint FromStride;

    /// <summary>The first row of the result.</summary>
    public float* To;

    /// <summary>From a row of the result to the next.</summary>
    public nint ToStride;

    public int Rows, Columns;

    /// <summary>Number of tiles.</summary>
    public readonly int Tiles => RowTiles * ((Columns + Side - 1) / Side);

    private readonly int RowTiles => (Rows + Side - 1) / Side;

    public readonly void Execute(int tile, int worker)
    {
        int row = tile % RowTiles * Side, endRow = Math.Min(row + Side, Rows);
        int column = tile / RowTiles * Side, columns = Math.Min(Side, Columns - column);
        for (; row < endRow; row += Lanes.Count)
        {
            float* from = From + (row * FromStride) + column, to = To + (column * ToStride) + row;
            int count = Math.Min(Lanes.Count, endRow - row);
            if (count == Lanes.Count) PanelTranspose.Words((uint*)from, FromStride, columns, (uint*)to, ToStride);
            else Panel.Put(from, FromStride, count, columns, to, ToStride);
        }
    }
}
