// The options that choose what computes: the same for every command that computes.
using System.CommandLine;
using Engine.Backends;

namespace Engine.Cli;

/// <summary>Options that choose the backend.</summary>
internal sealed class BackendFlags
{
    private static readonly (string Word, Arithmetic Value)[] Arithmetics =
    [
        ("float32", Backends.Arithmetic.Float32),
        ("tf32", Backends.Arithmetic.TensorFloat32),
        ("bfloat16", Backends.Arithmetic.BFloat16),
        ("float16", Backends.Arithmetic.Float16),
    ];

    public Option<string?> Backend { get; } = MakeBackend();

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

    public Option<string?> Arithmetic { get; } = Flags.Word(
        "--arithmetic", [.. Arithmetics.Select(static pair => pair.Word)],
        "CUDA: what the factors of products are rounded to; sums are float32. Not with --deterministic batch. [default: float32]");

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(Backend);
        command.Add(Threads);
        command.Add(InstructionSet);
        command.Add(MachineCode);
        command.Add(Deterministic);
        command.Add(Arithmetic);
    }

    /// <summary>What the command line and the surroundings say.</summary>
    /// <exception cref="UsageException">Two options exclude each other.</exception>
    /// <exception cref="ArgumentException">A variable has no such value.</exception>
    public BackendOptions Read(ParseResult parsed, Shell shell)
    {
        var options = new BackendOptions
        {
            Threads = parsed.GetValue(Threads),
            InstructionSet = parsed.GetValue(InstructionSet) ?? "auto",
            MachineCode = BackendChoice.MachineCode(shell, parsed.GetValue(MachineCode)),
            Deterministic = parsed.GetValue(Deterministic) == "batch" ? Determinism.Batch : Determinism.Run,
            Arithmetic = Arithmetics.Single(pair => pair.Word == (parsed.GetValue(Arithmetic) ?? "float32")).Value,
        };
        if (options is { Deterministic: Determinism.Batch, Arithmetic: not Backends.Arithmetic.Float32 })
        {
            throw new UsageException(
                $"--arithmetic is '{parsed.GetValue(Arithmetic)}', expected 'float32' with --deterministic batch.");
        }

        return options;
    }

    private static Option<string?> MakeBackend()
    {
        const string Name = "--backend";
        var option = new Option<string?>(Name)
        {
            HelpName = string.Join('|', BackendChoice.Words),
            Description = "What computes; cuda:1 is a device by its number, cuda:0,cuda:1 are several. "
                + $"[default: {BackendChoice.VariableName}, else {BackendChoice.Section}:{BackendChoice.Key} in "
                + $"{BackendChoice.FileName}, else auto]",
            CustomParser = result =>
            {
                string found = result.Tokens[0].Value;
                if (BackendChoice.Refusal(found) is { } expected) return Flags.Wrong<string?>(result, Name, expected);
                return found.ToLowerInvariant();
            },
        };
        option.CompletionSources.Add(BackendChoice.Words);
        return option;
    }
}
