// Some outputs of a packed weight as a weight of their own: what a shortlist leaves of the output layer.
using Engine.Cpu.Simd;
using Engine.Cpu.Threading;

namespace Engine.Cpu.Kernels;

/// <summary>Copies outputs from the panels where they are to the panels where they are wanted, a wanted panel a tile.</summary>
internal unsafe struct PanelSelection : IJob
{
    /// <summary>The outputs that are wanted, in their new order.</summary>
    public int* Outputs;

    public int Count;

    /// <summary>The first panel of all outputs.</summary>
    public byte* From;

    /// <summary>The first panel of the wanted ones, zero.</summary>
    public byte* To;

    public nint PanelBytes;

    /// <summary>Bytes that stand side by side for one output: 2, 4 or 8.</summary>
    public int UnitBytes;

    public readonly void Execute(int tile, int worker)
    {
        int first = tile * Lanes.Count, lanes = Math.Min(Lanes.Count, Count - first);
        nint units = PanelBytes / (Lanes.Count * UnitBytes);
        for (int lane = 0; lane < lanes; lane++)
        {
            int output = Outputs[first + lane];
            byte* from = From + (output / Lanes.Count * PanelBytes) + (output % Lanes.Count * UnitBytes);
            byte* to = To + (tile * PanelBytes) + (lane * UnitBytes);
            switch (UnitBytes)
            {
                case 2: Copy((ushort*)from, (ushort*)to, units); break;
                case 4: Copy((uint*)from, (uint*)to, units); break;
                default: Copy((ulong*)from, (ulong*)to, units); break;
            }
        }
    }

    private static void Copy<T>(T* from, T* to, nint units) where T : unmanaged
    {
        for (nint i = 0; i < units; i++) to[i * Lanes.Count] = from[i * Lanes.Count];
    }
}
