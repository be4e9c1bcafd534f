// Panels from values in a tensor, as they are or transposed: weights that training changes, and the activations that a weight's
// gradient is a product of. Numbers are only moved.
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
