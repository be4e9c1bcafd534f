// `engine info`: the machine as the engine sees it, and a model.
using System.CommandLine;

namespace Engine.Cli;

/// <summary>The command that tells what is here.</summary>
internal sealed class InfoCommand
{
    private readonly Shell _shell;
    private readonly Option<string?> _model = new ModelFlags().Model;

    private InfoCommand(Shell shell) => _shell = shell;

    /// <summary>Makes the command.</summary>
    public static Command Create(Shell shell) => new InfoCommand(shell).Create();

    private Command Create()
    {
        var command = new Command("info", "Tells what machine this is to the engine, and what a model is.") { _model };
        command.SetAction(parsed => Run(parsed));
        return command;
    }

    private int Run(ParseResult parsed)
    {
        using AnswerStream answers = AnswerStream.Open(_shell, null);
        Write(answers, MachineReport.Lines(_shell));
        answers.Flush();

        // A machine can be asked about without a model; only one that was named must be there.
        bool isNamed = parsed.GetValue(_model) is not null || _shell.Setting(ModelLocator.VariableName) is not null;
        string? model = isNamed ? ModelLocator.Find(_shell, parsed.GetValue(_model)) : ModelLocator.FindShipped(_shell);
        Write(answers, model is null ? [("model", "none was found")] : ModelReport.Lines(model));
        answers.Flush();
        return ExitCode.Success;
    }

    private static void Write(AnswerStream answers, IEnumerable<(string Name, string Value)> lines)
    {
        foreach ((string name, string value) in lines) answers.Line($"{name,-18} {value}");
    }
}
