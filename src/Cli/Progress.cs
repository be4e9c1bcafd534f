// How far the work is, for a person at a terminal: on standard error, and only where no lines of output go too.
using Spectre.Console;

namespace Engine.Cli;

/// <summary>Is told of each item that is done.</summary>
internal class Progress(Shell shell)
{
    /// <summary>An item is done.</summary>
    public virtual void Advance(long bytes)
    {
    }

    /// <summary>Says something in one line.</summary>
    public virtual void Say(string message) => shell.Say(message);

    /// <summary>Runs work with a progress bar where there is a terminal to show it.</summary>
    /// <param name="shell">Says what is a terminal.</param>
    /// <param name="wanted">Whether the caller wants it.</param>
    /// <param name="totalBytes">Bytes of the input; null: not known, and the bar shows lines only.</param>
    /// <param name="work">The work.</param>
    public static async Task RunAsync(Shell shell, bool wanted, long? totalBytes, Func<Progress, Task> work)
    {
        if (!wanted || !shell.ErrorIsTerminal)
        {
            await work(new Progress(shell));
            return;
        }

        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(shell.Error) });
        ProgressColumn[] columns = totalBytes is null
            ? [new SpinnerColumn(), new TaskDescriptionColumn(), new ElapsedTimeColumn()]
            : [new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()];
        await console.Progress().AutoClear(true).Columns(columns).StartAsync(async context =>
        {
            ProgressTask task = context.AddTask("0 lines", maxValue: totalBytes ?? double.MaxValue);
            task.IsIndeterminate = totalBytes is null;
            await work(new Bar(shell, console, task));
        });
    }

    private sealed class Bar(Shell shell, IAnsiConsole console, ProgressTask task) : Progress(shell)
    {
        private readonly long _started = Environment.TickCount64;
        private long _lines;
        private long _shown;

        public override void Advance(long bytes)
        {
            _lines++;
            task.Increment(bytes);
            long now = Environment.TickCount64;
            if (now - _shown < 100) return;   // milliseconds: as often as the bar is drawn
            _shown = now;
            double seconds = Math.Max(1, now - _started) / 1000.0;
            task.Description = $"{_lines:N0} lines, {_lines / seconds:N0}/s";
        }

        public override void Say(string message) => console.WriteLine($"engine: {Failure.OneLine(message)}");
    }
}
