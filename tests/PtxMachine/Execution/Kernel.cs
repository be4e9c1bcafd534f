// A kernel after decoding: instructions, the layout of its registers, and what it asks of a block.
using System.Runtime.InteropServices;
using PtxMachine.Parsing;

namespace PtxMachine.Execution;

/// <summary>A constant that is a register filled beforehand.</summary>
internal readonly record struct Constant(int Offset, int Bytes, ulong Bits);

internal sealed unsafe class Kernel : IDisposable
{
    public required string Name { get; init; }

    public required Function Source { get; init; }

    public required int Target { get; init; }

    public Op* Ops { get; private set; }

    public int Length { get; private set; }

    /// <summary>Bytes of registers of one warp.</summary>
    public int RegisterBytes { get; set; }

    public List<Constant> Constants { get; } = [];

    /// <summary>Offset of each special register that is read; -1 for the others.</summary>
    public int[] SpecialOffsets { get; } = Enumerable.Repeat(-1, Specials.Names.Length).ToArray();

    /// <summary>Memory accesses, each of which remembers the allocation that it hit last.</summary>
    public int Sites { get; set; }

    public int StaticSharedBytes { get; set; }

    /// <summary>Where dynamic shared memory begins.</summary>
    public int DynamicSharedOffset { get; set; }

    public int LocalBytes { get; set; }

    public int ParameterBytes { get; set; }

    /// <summary>The smallest shared access in bytes: the unit in which races are seen.</summary>
    public int Granule { get; set; } = 4;

    /// <summary>Whether blocks may order themselves by flags.</summary>
    public bool HasFence => Source.Instructions.Any(i => i.Words[0] is "membar" or "fence");

    public bool IsDisposed => Ops == null;

    public int MaxThreads => Source.MaxThreads;

    /// <summary>Registers of 32 bits that the text keeps alive at once; found when first asked for.</summary>
    public int LiveRegisters => _liveRegisters ??= Decoding.Liveness.Count(Source);

    private readonly List<nint> _blocks = [];
    private int? _liveRegisters;

    public void SetOps(List<Op> ops)
    {
        Length = ops.Count;
        Ops = (Op*)Allocate(sizeof(Op) * ops.Count);
        for (int i = 0; i < ops.Count; i++) Ops[i] = ops[i];
    }

    public int* Keep(IReadOnlyList<int> offsets)
    {
        int* kept = (int*)Allocate(sizeof(int) * offsets.Count);
        for (int i = 0; i < offsets.Count; i++) kept[i] = offsets[i];
        return kept;
    }

    /// <summary>The statement as it stands in the text, for messages.</summary>
    public string Statement(int index)
    {
        Instruction instruction = Source.Instructions[Math.Min(index, Source.Instructions.Count - 1)];
        return $"line {instruction.Line}: {instruction}";
    }

    public void Dispose()
    {
        foreach (nint block in _blocks) NativeMemory.AlignedFree((void*)block);
        _blocks.Clear();
        Ops = null;
        Length = 0;
    }

    private void* Allocate(int bytes)
    {
        void* block = NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 64), 64);
        _blocks.Add((nint)block);
        return block;
    }
}
