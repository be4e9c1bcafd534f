// A block of threads: its warps run one after another from barrier to barrier, in an order drawn from the seed.
using PtxMachine.Memory;
using PtxMachine.Parsing;

namespace PtxMachine.Execution;

internal sealed unsafe class Block : IDisposable
{
    private readonly Warp[] _warps;
    private readonly int[] _order;
    private readonly LaunchSpec _spec;
    private readonly uint _launch;
    private ulong _random;

    public Block(Kernel kernel, LaunchSpec spec, DeviceMemory memory, byte* parameters, uint launch)
    {
        (Kernel, _spec, Memory) = (kernel, spec, memory);
        Parameters = parameters;
        _launch = launch;
        Order = spec.Order;
        Profile = spec.Profile == null ? null : new Profile();
        Sites = new Allocation?[kernel.Sites];
        Shared = new SharedMemory(kernel.DynamicSharedOffset + spec.SharedBytes, kernel.Granule);
        int threads = spec.BlockX * spec.BlockY * spec.BlockZ;
        _warps = new Warp[(threads + 31) / 32];
        _order = new int[_warps.Length];
        for (int i = 0; i < _warps.Length; i++)
        {
            int lanes = Math.Min(32, threads - (i * 32));
            _warps[i] = new Warp(this, i) { Lanes = lanes == 32 ? ~0u : (1u << lanes) - 1 };
            _order[i] = i;
            FillOnce(_warps[i]);
        }
    }

    public Kernel Kernel { get; }

    public DeviceMemory Memory { get; }

    public SharedMemory Shared { get; }

    public byte* Parameters { get; }

    /// <summary>The allocation that each access hit last.</summary>
    public Allocation?[] Sites { get; }

    /// <summary>This block among the uses of global words; 0 where races between blocks are not looked for.</summary>
    public uint Tag { get; private set; }

    public LaunchSpec Spec => _spec;

    /// <summary>The launch among the work of all streams; null where waits are not looked for.</summary>
    public WorkOrder? Order { get; }

    /// <summary>Counters of this block's accesses; null where they are not counted.</summary>
    public Profile? Profile { get; }

    public int X { get; private set; }

    public int Y { get; private set; }

    public int Z { get; private set; }

    public long Instructions => _warps.Sum(w => w.Instructions);

    /// <summary>Runs one block of the grid.</summary>
    public void Run(long number)
    {
        X = (int)(number % _spec.GridX);
        Y = (int)(number / _spec.GridX % _spec.GridY);
        Z = (int)(number / _spec.GridX / _spec.GridY);
        _random = (_spec.Seed * 0x9E3779B97F4A7C15) ^ ((ulong)number + 0x632BE59BD9B4E019);
        Tag = _launch == 0 ? 0 : (_launch << 24) | ((uint)number << 2);
        Shared.Start();
        foreach (Warp warp in _warps)
        {
            FillPlace(warp);
            warp.Start();
        }

        while (RunToBarrier()) Shared.Barrier();
    }

    public PtxFaultException Fault(FaultKind kind, string message, int warp, int lane, int index)
    {
        string thread = lane < 0 ? $"warp {warp}" : Thread((warp * 32) + lane);
        return new PtxFaultException(kind,
            $"{message}; kernel {Kernel.Name}, block ({X}, {Y}, {Z}), {thread}, {Kernel.Statement(index)}");
    }

    // True where the block waits at a barrier.
    private bool RunToBarrier()
    {
        Shuffle();
        Warp? waiting = null, ended = null;
        foreach (int i in _order)
        {
            Warp warp = _warps[i];
            if (warp.State != WarpState.Done) warp.Run();
            if (warp.State == WarpState.Done) ended = warp;
            else waiting = warp;
        }

        if (waiting == null) return false;
        if (ended != null)
        {
            throw new PtxFaultException(FaultKind.Barrier, $"warp {waiting.Index} waits at a barrier that warp {ended.Index} "
                + $"never reaches; kernel {Kernel.Name}, block ({X}, {Y}, {Z}), {waiting.BarrierStatement}");
        }

        foreach (Warp warp in _warps)
        {
            if (warp.BarrierId != waiting.BarrierId)
            {
                throw new PtxFaultException(FaultKind.Barrier, $"warp {waiting.Index} waits at barrier {waiting.BarrierId}, warp "
                    + $"{warp.Index} at barrier {warp.BarrierId}; kernel {Kernel.Name}, block ({X}, {Y}, {Z}), {waiting.BarrierStatement}");
            }
        }

        return true;
    }

    private void Shuffle()
    {
        for (int i = _order.Length - 1; i > 0; i--)
        {
            _random = (_random * 6364136223846793005) + 1442695040888963407;
            int j = (int)((_random >> 33) % (ulong)(i + 1));
            (_order[i], _order[j]) = (_order[j], _order[i]);
        }
    }

    private string Thread(int thread) => $"thread ({thread % _spec.BlockX}, {thread / _spec.BlockX % _spec.BlockY}, "
        + $"{thread / _spec.BlockX / _spec.BlockY})";

    private void FillOnce(Warp warp)
    {
        byte* r = warp.Registers;
        foreach (Constant constant in Kernel.Constants)
        {
            switch (constant.Bytes)
            {
                case 0: *(uint*)(r + constant.Offset) = constant.Bits != 0 ? ~0u : 0; break;
                case 2: new Span<ushort>(r + constant.Offset, 32).Fill((ushort)constant.Bits); break;
                case 4: new Span<uint>(r + constant.Offset, 32).Fill((uint)constant.Bits); break;
                default: new Span<ulong>(r + constant.Offset, 32).Fill(constant.Bits); break;
            }
        }

        for (int special = 0; special < Specials.Names.Length; special++)
        {
            int offset = Kernel.SpecialOffsets[special];
            if (offset < 0) continue;
            for (int lane = 0; lane < 32; lane++) ((uint*)(r + offset))[lane] = Value(Specials.Names[special], warp.Index, lane);
        }
    }

    private uint Value(string special, int warp, int lane)
    {
        int thread = (warp * 32) + lane;
        return special switch
        {
            "%tid.x" => (uint)(thread % _spec.BlockX),
            "%tid.y" => (uint)(thread / _spec.BlockX % _spec.BlockY),
            "%tid.z" => (uint)(thread / _spec.BlockX / _spec.BlockY),
            "%ntid.x" => (uint)_spec.BlockX,
            "%ntid.y" => (uint)_spec.BlockY,
            "%ntid.z" => (uint)_spec.BlockZ,
            "%nctaid.x" => (uint)_spec.GridX,
            "%nctaid.y" => (uint)_spec.GridY,
            "%nctaid.z" => (uint)_spec.GridZ,
            "%laneid" => (uint)lane,
            "%warpid" => (uint)warp,
            "%nwarpid" => (uint)_warps.Length,
            "%lanemask_eq" => 1u << lane,
            "%lanemask_lt" => (1u << lane) - 1,
            "%lanemask_le" => (2u << lane) - 1,
            "%lanemask_gt" => ~((2u << lane) - 1),
            "%lanemask_ge" => ~((1u << lane) - 1),
            "%dynamic_smem_size" => (uint)_spec.SharedBytes,
            "%total_smem_size" => (uint)Shared.Bytes,
            "%nsmid" => 1,
            _ => 0,
        };
    }

    private void FillPlace(Warp warp)
    {
        Fill(warp, "%ctaid.x", (uint)X);
        Fill(warp, "%ctaid.y", (uint)Y);
        Fill(warp, "%ctaid.z", (uint)Z);
    }

    private void Fill(Warp warp, string special, uint value)
    {
        int offset = Kernel.SpecialOffsets[Specials.Index(special)];
        if (offset >= 0) new Span<uint>(warp.Registers + offset, 32).Fill(value);
    }

    public void Dispose()
    {
        foreach (Warp warp in _warps) warp.Dispose();
        Shared.Dispose();
    }
}
