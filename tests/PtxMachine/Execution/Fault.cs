// What a kernel did wrong, told so that the line to mend can be opened: kernel, block, thread, line of PTX.
namespace PtxMachine.Execution;

/// <summary>The kinds of fault; the exports turn each into the driver's number.</summary>
internal enum FaultKind
{
    IllegalAddress,
    Misaligned,
    NeverWritten,
    Race,
    Barrier,
    Deadlock,
    Endless,
    Trap,
    Convergence,
    Order,
    Resources,
    Launch,
}

/// <summary>A launch that failed, or a launch that was refused.</summary>
internal sealed class PtxFaultException(FaultKind kind, string message) : Exception(message)
{
    public FaultKind Kind { get; } = kind;
}
