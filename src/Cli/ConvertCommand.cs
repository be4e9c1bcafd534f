// `engine convert`: any format that the engine reads becomes its own.
using System.CommandLine;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Cli;

/// <summary>The command that converts models.</summary>
internal sealed class ConvertCommand
{
    /// <summary>The word for it.</summary>
    public const string Name = "convert";

    private static readonly DType[] Types = [DType.Float32, DType.Float16, DType.BFloat16, DType.Int8];

    private static readonly (string Word, WeightLayout Value)[] Layouts =
        [("rows", WeightLayout.Rows), ("packed", WeightLayout.Packed)];

    private readonly Shell _shell;
    private readonly Argument<string> _input = new("IN") { Description = "Directory of the model." };
    private readonly Argument<string> _output = new("OUT") { Description = "Directory to write." };
    private readonly Option<string?> _weights = Flags.Word(
        "--weights", [.. Types.Select(type => type.Word())], "Type of the weights. [default: as they are]");

    private readonly Option<string?> _layout = Flags.Word(
        "--layout", [.. Layouts.Select(layout => layout.Word)],
        "Order of a matrix's numbers: row by row, as other programs read them, or as this engine uses them where the file is " +
        "mapped, so that it loads at once and processes share it. [default: rows]");

    private readonly Option<string?> _tokenizer = Flags.Tokenizer();

    private ConvertCommand(Shell shell) => _shell = shell;

    /// <summary>Makes the command.</summary>
    public static Command Create(Shell shell) => new ConvertCommand(shell).Create();

    private Command Create()
    {
        var command = new Command(Name, "Writes a model in the engine's own format.")
        {
            _input, _output, _weights, _layout, _tokenizer,
        };
        _input.Validators.Add(Flags.RefuseOptions);
        _output.Validators.Add(Flags.RefuseOptions);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string input = _shell.FullPath(parsed.GetRequiredValue(_input));
        string output = _shell.FullPath(parsed.GetRequiredValue(_output));
        if (Path.TrimEndingDirectorySeparator(input) == Path.TrimEndingDirectorySeparator(output))
            throw new UsageException($"{output} is both input and output.");
        DType? weights = parsed.GetValue(_weights) is { } word ? Array.Find(Types, type => type.Word() == word) : null;
        WeightLayout layout = Array.Find(Layouts, pair => pair.Word == parsed.GetValue(_layout)).Value;
        using ModelData data = ModelReader.Open(input);
        ModelWriter.Write(data.With(tokenizer: parsed.GetValue(_tokenizer)), output, weights, layout, cancellation);
        return ExitCode.Success;
    }
}
