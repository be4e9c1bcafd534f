// The root of the command line: which commands there are, and what becomes of their errors.
using System.CommandLine;
using System.CommandLine.Invocation;
using System.Text;

namespace Engine.Cli;

/// <summary>The command <c>engine</c>.</summary>
internal static class EngineCommand
{
    /// <summary>Makes the command with all that is below it.</summary>
    public static RootCommand Create(Shell shell) => new("Translates with encoder-decoder Transformers.")
    {
        TranslateCommand.Create(shell),
        ScoreCommand.Create(shell),
        InfoCommand.Create(shell),
        ConvertCommand.Create(shell),
    };

    /// <summary>Runs a command line.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(
        IReadOnlyList<string> arguments, Shell shell, CancellationToken cancellation = default)
    {
        // A text may begin with @, so there are no response files.
        var parser = new ParserConfiguration { ResponseFileTokenReplacer = null };
        ParseResult parsed = Create(shell).Parse(arguments, parser);
        string command = CommandPath(parsed);
        if (parsed.Action is ParseErrorAction)
        {
            string errors = string.Join(" ", parsed.Errors.Select(error => error.Message));
            return WrongUsage(shell, errors, command);
        }

        var output = new StreamWriter(shell.Output, new UTF8Encoding(false), leaveOpen: true);
        try
        {
            int code = await parsed.InvokeAsync(
                new InvocationConfiguration
                {
                    Output = output,
                    Error = shell.Error,
                    EnableDefaultExceptionHandler = false,
                    ProcessTerminationTimeout = null,
                },
                cancellation);
            output.Flush();
            return code;
        }
        catch (OutputClosedException)
        {
            return ExitCode.Success;
        }
        catch (IOException e) when (Failure.IsClosedPipe(e))
        {
            return ExitCode.Success;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            shell.Say("stopped.");
            return ExitCode.Failed;
        }
        catch (UsageException e)
        {
            return WrongUsage(shell, e.Message, command);
        }
        catch (Exception e)
        {
            shell.Say(Failure.Describe(e));
            return ExitCode.Failed;
        }
    }

    private static int WrongUsage(Shell shell, string message, string command)
    {
        shell.Say($"{message} See '{command} --help'.");
        return ExitCode.WrongUsage;
    }

    private static string CommandPath(ParseResult parsed) =>
        parsed.CommandResult.Command is RootCommand ? "engine" : $"engine {parsed.CommandResult.Command.Name}";
}
