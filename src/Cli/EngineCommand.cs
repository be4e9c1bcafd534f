// The root of the command line: which commands there are, and what becomes of their errors.
using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
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
        ExplainCommand.Create(shell),
        EvaluateCommand.Create(shell),
        InfoCommand.Create(shell),
        ConvertCommand.Create(shell),
        TokenizeCommand.Create(shell),
        DetokenizeCommand.Create(shell),
        VocabCommand.Create(shell),
        TrainCommand.Create(shell),
        StudyCommand.Create(shell),
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

        try
        {
            Task<int> work = Task.Run(() => InvokeAsync(parsed, shell, cancellation), CancellationToken.None);

            // A conversion takes its files away and a training writes a checkpoint, which is waited for.
            return parsed.CommandResult.Command.Name is ConvertCommand.Name or TrainCommand.Name
                ? await work
                : await OrLeave(work, shell.Patience, cancellation);
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

    private static async Task<int> InvokeAsync(ParseResult parsed, Shell shell, CancellationToken cancellation)
    {
        var output = new StreamWriter(shell.Output, new UTF8Encoding(false), leaveOpen: true);
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

    // What is done is flushed when the work is to stop, but a pipe that nobody reads may take it never. Work that does not end
    // is left to the end of the process.
    private static async Task<int> OrLeave(Task<int> work, TimeSpan patience, CancellationToken cancellation)
    {
        if (!cancellation.CanBeCanceled) return await work;

        // The handle, since it is set before any callback runs, and one of them may run the work until it blocks.
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        RegisteredWaitHandle wait = ThreadPool.RegisterWaitForSingleObject(
            cancellation.WaitHandle, (_, _) => asked.TrySetResult(), null, Timeout.Infinite, executeOnlyOnce: true);
        await Task.WhenAny(work, asked.Task);
        wait.Unregister(null);
        if (!work.IsCompleted) await Task.WhenAny(work, Task.Delay(patience, CancellationToken.None));
        return work.IsCompleted ? await work : throw new OperationCanceledException(cancellation);
    }

    private static int WrongUsage(Shell shell, string message, string command)
    {
        shell.Say($"{message} See '{command} --help'.");
        return ExitCode.WrongUsage;
    }

    private static string CommandPath(ParseResult parsed)
    {
        string path = "";
        for (CommandResult? at = parsed.CommandResult; at is { Command: not RootCommand }; at = at.Parent as CommandResult)
            path = $" {at.Command.Name}{path}";
        return $"engine{path}";
    }
}
