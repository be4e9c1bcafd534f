// The options that choose what computes: the same for every command that computes.
using System.CommandLine;
using Engine.Backends;

namespace Engine.Cli;

/// <summary>Options that choose the backend.</summary>
internal sealed class BackendFlags
{
    public Option<string?> Backend { get; } = Flags.Word(
        "--backend", BackendChoice.Words,
        $"What computes. [default: {BackendChoice.VariableName}, else {BackendChoice.Section}:{BackendChoice.Key} in "
            + $"{BackendChoice.FileName}, else auto]");

    public Option<int> Threads { get; } = Flags.Integer(
        "--threads", 0, 1024, new BackendOptions().Threads, "Threads to compute with; 0: one for each processor.");

    public Option<string?> InstructionSet { get; } = Flags.Word(
        "--isa", ["auto", "avx512", "avx2", "portable"], "Instruction set of the CPU backend. [default: auto]");

    public Option<string?> MachineCode { get; } = Flags.Word(
        "--machine-code", [BackendChoice.On, BackendChoice.Off],
        "Whether the CPU backend may use instructions that .NET does not offer; the answers are the same. "
            + $"[default: {BackendChoice.MachineCodeVariable}, else {BackendChoice.On}]");

    public Option<string?> Deterministic { get; } = Flags.Word(
        "--deterministic", ["run", "batch"],
        "CUDA: whether the bits of a result may depend on its batch (run), or are those of the CPU (batch). [default: run]");

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(Backend);
        command.Add(Threads);
        command.Add(InstructionSet);
        command.Add(MachineCode);
        command.Add(Deterministic);
    }

    /// <summary>What the command line and the surroundings say.</summary>
    public BackendOptions Read(ParseResult parsed, Shell shell) => new()
    {
        Threads = parsed.GetValue(Threads),
        InstructionSet = parsed.GetValue(InstructionSet) ?? "auto",
        MachineCode = BackendChoice.MachineCode(shell, parsed.GetValue(MachineCode)),
        Deterministic = parsed.GetValue(Deterministic) == "batch" ? Determinism.Batch : Determinism.Run,
    };
}
