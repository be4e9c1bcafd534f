// How a training goes, for a person: a line for each report, and at a terminal a table that is drawn anew, with what was
// translated above it.
using System.Globalization;
using Engine.Training;
using Spectre.Console;

namespace Engine.Cli;

/// <summary>Writes lines on standard error.</summary>
internal class TrainingTable : ITrainingObserver
{
    private static readonly string[] Columns = ["step", "epoch", "loss", "perplexity", "tokens/s", "rate", "gradient", "left"];
    private static readonly int[] Widths = [17, 5, 8, 10, 9, 9, 9, 9];

    private readonly Shell _shell;
    private bool _hasHeader;

    private TrainingTable(Shell shell) => _shell = shell;

    /// <summary>Trains, and shows how it goes.</summary>
    /// <param name="shell">Says what is a terminal.</param>
    /// <param name="isQuiet">Whether nothing is to be shown.</param>
    /// <param name="train">The training.</param>
    public static TrainingResult Run(Shell shell, bool isQuiet, Func<ITrainingObserver, TrainingResult> train)
    {
        if (isQuiet) return train(new Nothing());
        if (!shell.ErrorIsTerminal) return train(new TrainingTable(shell));
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(shell.Error) });
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string column in Columns) table.AddColumn(new TableColumn(column).RightAligned());
        return console.Live(table).Start(context => train(new Live(shell, console, table, context.Refresh)));
    }

    /// <summary>The result in lines.</summary>
    public static IEnumerable<string> Describe(TrainingResult result)
    {
        string steps = string.Join(", ", result.Averaged.Select(static step => Number($"{step:N0}")));
        string weights = result.Averaged.Count == 1
            ? $"the weights of step {steps}"
            : $"the mean of the weights of steps {steps}";
        string early = result.EndedEarly ? ", ended early" : "";
        yield return Number($"{result.Model}: {weights}, after {result.Step:N0} steps{early}");
        if (result.Validation is not { } validation) yield break;
        yield return Number($"validation loss {validation.Loss:F4}, perplexity {validation.Perplexity:F3}");
        if (validation.Bleu is { } bleu) yield return Number($"validation BLEU {bleu:F2} ({validation.BleuSignature})");
    }

    /// <inheritdoc />
    public void Began(TrainingStart start)
    {
        string vocabularies = Number($"{start.SourceVocabulary:N0} and {start.TargetVocabulary:N0}");
        string tokens = Number($"{start.SourceTokens:N0} and {start.TargetTokens:N0}");
        Line(Number($"{start.Parameters:N0} parameters; vocabularies of {vocabularies} tokens"));
        Line(Number($"{start.Pairs:N0} pairs with {tokens} tokens; {start.BatchesOfEpoch:N0} batches an epoch"));
        if (start.ValidationPairs > 0) Line(Number($"{start.ValidationPairs:N0} pairs for validation"));
        Line(start.Step == 0
            ? Number($"{start.Steps:N0} steps")
            : Number($"{start.Steps:N0} steps, of which {start.Step:N0} are done"));
    }

    /// <inheritdoc />
    public virtual void Stepped(int done, double loss)
    {
    }

    /// <inheritdoc />
    public virtual void Reported(TrainingReport report)
    {
        if (!_hasHeader) Line(Row(Columns));
        _hasHeader = true;
        Line(Row(Cells(report)));
    }

    /// <inheritdoc />
    public void Validated(ValidationReport report)
    {
        string bleu = report.Bleu is { } value ? Number($", BLEU {value:F2}") : "";
        string best = report.IsBest ? ", the best so far" : "";
        Line(Number($"step {report.Step:N0}: validation loss {report.Loss:F4}, perplexity {report.Perplexity:F2}{bleu}{best}"));
        foreach (TranslationSample sample in report.Samples)
        {
            Line($"  source       {Failure.OneLine(sample.Source)}");
            Line($"  reference    {Failure.OneLine(sample.Reference)}");
            Line($"  translation  {Failure.OneLine(sample.Translation)}");
        }
    }

    /// <inheritdoc />
    public virtual void Said(string message) => _shell.Say(message);

    /// <summary>Writes a line.</summary>
    protected virtual void Line(string text)
    {
        try
        {
            _shell.Error.WriteLine(text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Where standard error cannot be written, training goes on; the log has it all.
        }
    }

    private static string[] Cells(TrainingReport report) =>
    [
        Number($"{report.Step:N0}/{report.Steps:N0}"), Number($"{report.Epoch}"), Number($"{report.Loss:F4}"),
        Number($"{report.Perplexity:F2}"), Number($"{report.TokensPerSecond:N0}"), Number($"{report.LearningRate:0.00e-0}"),
        Number($"{report.GradientNorm:F3}"), Duration(report.Remaining),
    ];

    private static string Row(string[] cells) =>
        string.Join("  ", cells.Select(static (cell, i) => cell.PadLeft(Widths[i])));

    private static string Duration(TimeSpan time) => time.TotalDays >= 1
        ? Number($"{time.Days}d {time.Hours}h")
        : time.ToString(@"h\:mm\:ss", CultureInfo.InvariantCulture);

    private static string Number(FormattableString text) => FormattableString.Invariant(text);

    private sealed class Nothing : ITrainingObserver
    {
        public void Began(TrainingStart start)
        {
        }

        public void Stepped(int done, double loss)
        {
        }

        public void Reported(TrainingReport report)
        {
        }

        public void Validated(ValidationReport report)
        {
        }

        public void Said(string message)
        {
        }
    }

    private sealed class Live(Shell shell, IAnsiConsole console, Table table, Action refresh) : TrainingTable(shell)
    {
        private const int Rows = 10;
        private const long Pause = 200;   // milliseconds between drawings

        private long _drawn;

        public override void Stepped(int done, double loss)
        {
            long now = Environment.TickCount64;
            if (now - _drawn < Pause) return;
            _drawn = now;
            table.Caption = new TableTitle(Number($"step {done:N0}, loss {loss:F3}"));
            refresh();
        }

        public override void Reported(TrainingReport report)
        {
            if (table.Rows.Count == Rows) table.RemoveRow(0);
            table.AddRow([.. Cells(report).Select(static cell => new Markup(Markup.Escape(cell)))]);
            refresh();
        }

        public override void Said(string message) => console.WriteLine($"engine: {Failure.OneLine(message)}");

        protected override void Line(string text) => console.WriteLine(text);
    }
}
