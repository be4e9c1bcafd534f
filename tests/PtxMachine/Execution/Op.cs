// One decoded instruction: a function, and where its operands lie in the warp's registers.
using PtxMachine.Parsing;

namespace PtxMachine.Execution;

/// <summary>How the warp's loop treats an instruction; all but the first may move or stop lanes.</summary>
internal enum Flow : byte { Plain, Branch, Exit, Trap, Barrier, Converge, Together }

/// <summary>An instruction ready to run. Offsets are bytes in the register file of a warp.</summary>
internal unsafe struct Op
{
    /// <summary>Runs the lanes of the mask.</summary>
    public delegate*<Op*, Warp, uint, void> Run;

    /// <summary>Offset of the guard's mask; the mask of all lanes where there is no guard.</summary>
    public int Guard;

    /// <summary>All ones where the guard is negated.</summary>
    public uint GuardFlip;

    public int D, A, B, C;

    /// <summary>A byte offset of an address, a branch's target, or a constant of the opcode.</summary>
    public long Immediate;

    /// <summary>Which remembered allocation belongs to this access.</summary>
    public int Site;

    public int Line;

    /// <summary>Further offsets: a vector's registers, a matrix's fragments.</summary>
    public int* More;

    /// <summary>Elements of a vector, or rows of something else that the opcode counts.</summary>
    public int Count;

    public Flow Flow;

    /// <summary>Bytes of one element in memory.</summary>
    public byte Size;

    /// <summary>Whether the address register has 64 bits.</summary>
    public bool Wide;

    public Space Space;

    /// <summary>Index in the kernel's list of source instructions, for messages.</summary>
    public int Index;
}
