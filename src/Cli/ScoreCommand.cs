// `engine score`: how probable a model finds given translations, line by line.
using System.CommandLine;
using Engine.Decoding;

namespace Engine.Cli;

/// <summary>The command that scores.</summary>
internal sealed class ScoreCommand
{
    private const int BatchesInFlight = 4;

    private readonly Shell _shell;
    private readonly ModelFlags _model = new();
    private readonly Argument<string> _source = new("SOURCE")
    {
        Description = $"File of sources, one a line; '{Inputs.Standard}': standard input.",
    };

    private readonly Argument<string> _target = new("TARGET")
    {
        Description = $"File of their translations, one a line; '{Inputs.Standard}': standard input.",
    };

    private readonly Option<string?> _output = Flags.Output();
    private readonly Option<bool> _json = Flags.Switch(
        "--json", "Writes a JSON object for each pair, with the score of each token.");

    private readonly Option<int> _maxInputLength = Flags.Integer(
        "--max-input-length", 0, int.MaxValue, new DecodingOptions().MaxInputLength,
        "Longer sources and targets are cut to this many tokens; 0: not cut.");

    private ScoreCommand(Shell shell) => _shell = shell;

    /// <summary>Makes the command.</summary>
    public static Command Create(Shell shell) => new ScoreCommand(shell).Create();

    private Command Create()
    {
        var command = new Command(
            "score", "Writes the sum of the log-probabilities of each translation's tokens, a tab, and their mean.")
        {
            _source, _target, _output, _json, _maxInputLength,
        };
        _source.Validators.Add(Flags.RefuseOptions);
        _target.Validators.Add(Flags.RefuseOptions);
        _model.AddTo(command);
        command.SetAction(RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        string source = parsed.GetRequiredValue(_source), target = parsed.GetRequiredValue(_target);
        var both = new Inputs(_shell, [source, target]);
        both.Check();
        string? output = parsed.GetValue(_output);
        if (output is not null && both.Contains(_shell.FullPath(output)))
            throw new UsageException($"{output} is both input and output.");
        TranslationSettings settings = _model.Read(parsed, _shell);
        await using TranslationInUse use = await TranslationInUse.LoadAsync(_shell, settings, cancellation);
        ITranslation translation = use.Translation;
        cancellation.ThrowIfCancellationRequested();
        using AnswerStream answers = AnswerStream.Open(_shell, output);
        bool json = parsed.GetValue(_json);
        int maxInputLength = parsed.GetValue(_maxInputLength);
        bool showProgress = !parsed.GetValue(_model.Quiet) && !(_shell.OutputIsTerminal && output is null);
        long failures = 0;

        Task<ScoreResult> Start(Pair pair, CancellationToken stop)
        {
            IReadOnlyList<string> from = translation.Tokenizer.Tokenize(pair.Source.Text);
            IReadOnlyList<string> to = translation.Tokenizer.Tokenize(pair.Target.Text);
            return translation.ScoreAsync(new ScoreRequest(from, to) { MaxInputLength = maxInputLength }, stop);
        }

        await Progress.RunAsync(_shell, showProgress, both.TotalBytes, async progress =>
        {
            void Write(Pair pair, Task<ScoreResult> answer)
            {
                if (answer.Exception?.InnerException is { } exception && Failure.IsOfOneLine(exception))
                {
                    failures++;
                    string message = Failure.Describe(exception);
                    if (json) answers.Line(writer => writer.WriteString("error", message));
                    else answers.Line("");
                    progress.Say($"{pair.Source.Place}: {message}");
                }
                else
                {
                    ScoreResult score = answer.GetAwaiter().GetResult();
                    if (json) answers.Line(writer => JsonAnswers.Score(writer, score));
                    else answers.Line($"{score.Sum}\t{score.Mean}");
                }

                progress.Advance(pair.Source.Bytes + pair.Target.Bytes);
            }

            IEnumerable<Pair> pairs = Pairs(new Inputs(_shell, [source]).Lines(), new Inputs(_shell, [target]).Lines());
            await OrderedWindow.RunAsync(
                pairs, Start, Write, answers.Flush, pair => Inputs.Weight(pair.Source.Bytes + pair.Target.Bytes),
                BatchesInFlight * settings.BatchSize * translation.Translators, cancellation);
        });
        return failures == 0 ? ExitCode.Success : ExitCode.Failed;
    }

    private static IEnumerable<Pair> Pairs(IEnumerable<TextLine> sources, IEnumerable<TextLine> targets)
    {
        using IEnumerator<TextLine> source = sources.GetEnumerator();
        using IEnumerator<TextLine> target = targets.GetEnumerator();
        while (true)
        {
            bool hasSource = source.MoveNext(), hasTarget = target.MoveNext();
            if (!hasSource && !hasTarget) yield break;
            if (!hasTarget) throw new InvalidDataException($"{source.Current.Place} has no line of TARGET beside it.");
            if (!hasSource) throw new InvalidDataException($"{target.Current.Place} has no line of SOURCE beside it.");
            yield return new Pair(source.Current, target.Current);
        }
    }

    private readonly record struct Pair(TextLine Source, TextLine Target);
}
