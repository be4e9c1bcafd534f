// `engine translate`: lines in, lines out, in order, while the input still comes.
using System.CommandLine;
using Engine.Decoding;
using Engine.Models;

namespace Engine.Cli;

/// <summary>The command that translates.</summary>
internal sealed class TranslateCommand
{
    // So many batches are in the air that one is always ready when another is done.
    private const int BatchesInFlight = 4;

    // What an empty line is translated to, whatever the model would make of it.
    private static readonly Task<TranslationResult> Nothing =
        Task.FromResult(new TranslationResult([new Hypothesis([], 0)]));

    private readonly Shell _shell;
    private readonly ModelFlags _model = new();
    private readonly DecodingFlags _decoding = new();
    private readonly Argument<string[]> _files = new("FILE")
    {
        Arity = ArgumentArity.ZeroOrMore,
        Description = $"Files to translate; '{Inputs.Standard}' or none: standard input.",
    };

    private readonly Option<string?> _output = Flags.Output();
    private readonly Option<bool> _json = Flags.Switch("--json", "Writes a JSON object for each line.");
    private readonly Option<bool> _jsonLines = Flags.Switch(
        "--jsonl", "Reads JSON, an object a line or lists of objects, each with its own options, and writes JSON.");

    private readonly Option<bool> _scores = Flags.Switch(
        "--scores", "Writes the score before each hypothesis: 'SCORE ||| TEXT'.");

    private readonly Option<int?> _split = Flags.OptionalInteger(
        "--split-longer-than", 0,
        "Lines of more tokens are cut in sentences, where text is cut by SentencePiece; 0: never. [default: as the model says]");

    private TranslateCommand(Shell shell) => _shell = shell;

    /// <summary>Makes the command.</summary>
    public static Command Create(Shell shell) => new TranslateCommand(shell).Create();

    private Command Create()
    {
        var command = new Command("translate", "Translates text, line by line.")
        {
            _files, _output, _json, _jsonLines, _scores, _split,
        };
        _files.Validators.Add(Flags.RefuseOptions);
        _model.AddTo(command);
        _decoding.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_jsonLines) && result.GetValue(_scores))
                result.AddError("--scores is for text; with --jsonl the scores are always there.");
        });
        command.SetAction(RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        bool jsonLines = parsed.GetValue(_jsonLines), json = parsed.GetValue(_json);
        if (_decoding.NeedsJson(parsed) && !json && !jsonLines)
            throw new UsageException("--return-attention and --return-token-scores are for --json or --jsonl.");
        var inputs = new Inputs(_shell, parsed.GetValue(_files) ?? []);
        inputs.Check();
        string? output = parsed.GetValue(_output);
        if (output is not null && inputs.Contains(_shell.FullPath(output)))
            throw new UsageException($"{output} is both input and output.");
        TranslationSettings settings = _model.Read(parsed, _shell);
        await using TranslationInUse use = await TranslationInUse.LoadAsync(_shell, settings, cancellation);
        ITranslation translation = use.Translation;
        cancellation.ThrowIfCancellationRequested();
        using AnswerStream answers = AnswerStream.Open(_shell, output);
        DecodingOptions options = _decoding.Read(parsed, translation.Tokenizer);
        IReadOnlyList<string>? prefix = _decoding.ReadTargetPrefix(parsed, translation.Tokenizer);
        int capacity = BatchesInFlight * settings.BatchSize * translation.Translators;
        bool showProgress = !parsed.GetValue(_model.Quiet) && !(_shell.OutputIsTerminal && output is null);
        long failures = 0;
        await Progress.RunAsync(_shell, showProgress, inputs.TotalBytes, async progress =>
        {
            if (jsonLines)
            {
                var cases = new JsonCases(translation.Tokenizer, options, prefix);
                var run = new CaseRun(translation, cases, answers, progress);
                failures = await run.RunAsync(inputs, capacity, cancellation);
            }
            else
            {
                var run = new LineRun(translation, options, prefix, answers, progress)
                {
                    Json = json,
                    Scores = parsed.GetValue(_scores),
                    Split = parsed.GetValue(_split) ?? translation.SplitLongerThan,
                };
                failures = await run.RunAsync(inputs, capacity, cancellation);
            }
        });
        return failures == 0 ? ExitCode.Success : ExitCode.Failed;
    }

    // Text in; text or JSON out.
    private sealed class LineRun(
        ITranslation translation, DecodingOptions options, IReadOnlyList<string>? prefix, AnswerStream answers,
        Progress progress)
    {
        private long _failures;

        public bool Json { get; init; }

        public bool Scores { get; init; }

        public int Split { get; init; }

        public async Task<long> RunAsync(Inputs inputs, int capacity, CancellationToken cancellation)
        {
            await OrderedWindow.RunAsync(
                inputs.Lines(), Start, Write, answers.Flush, line => Inputs.Weight(line.Bytes), capacity, cancellation);
            return _failures;
        }

        private Task<TranslationResult> Start(TextLine line, CancellationToken cancellation)
        {
            int split = LongText.IsFor(translation.Tokenizer) ? Split : 0;
            return LongText.TranslateAsync(
                line.Text, split, translation.Tokenizer, options, prefix,
                request => request.Source.Count == 0 ? Nothing : translation.TranslateAsync(request, cancellation));
        }

        private void Write(TextLine line, Task<TranslationResult> answer)
        {
            // A line of text cannot be wrong, so a request that is refused is refused for the command's options.
            if (answer.Exception?.InnerException is ArgumentException wrong)
                throw new UsageException(Failure.Describe(wrong));
            if (answer.Exception?.InnerException is SequenceTooLongException tooLong) WriteFailure(line, tooLong);
            else if (Json) WriteJson(line, answer.GetAwaiter().GetResult());
            else WriteText(answer.GetAwaiter().GetResult());
            progress.Advance(line.Bytes);
        }

        private void WriteJson(TextLine line, TranslationResult result) =>
            answers.Line(json => JsonAnswers.Line(json, line.Text, result, translation.Tokenizer));

        // Every line gives as many lines as hypotheses are asked for, so that an answer is found by counting.
        private void WriteText(TranslationResult result)
        {
            int count = 0;
            foreach (Hypothesis hypothesis in result.Hypotheses)
            {
                string text = translation.Tokenizer.Detokenize(hypothesis.Tokens);
                answers.Line(Scores ? $"{hypothesis.Score} ||| {text}" : text);
                count++;
            }

            for (; count < options.NumHypotheses; count++) answers.Line("");
        }

        private void WriteFailure(TextLine line, SequenceTooLongException tooLong)
        {
            _failures++;
            string message = Failure.Describe(tooLong);
            if (Json) answers.Line(json => JsonAnswers.LineError(json, line.Text, message));
            else WriteText(new TranslationResult([]));
            progress.Say($"{line.Place}: {message}");
        }
    }

    // JSON in, JSON out.
    private sealed class CaseRun(ITranslation translation, JsonCases cases, AnswerStream answers, Progress progress)
    {
        private long _cases;
        private long _failures;

        public async Task<long> RunAsync(Inputs inputs, int capacity, CancellationToken cancellation)
        {
            IEnumerable<JsonCase> all = inputs.Open().SelectMany(cases.Read);
            await OrderedWindow.RunAsync(
                all, StartAsync, Write, answers.Flush, item => Inputs.Weight(item.Bytes), capacity, cancellation);
            if (_failures > 0) progress.Say($"{_failures:N0} of {_cases:N0} items failed; their answers say why.");
            return _failures;
        }

        private async Task<Answer> StartAsync(JsonCase question, CancellationToken cancellation)
        {
            if (question.Error is not null) return default;
            if (question.IsScore)
            {
                var request = new ScoreRequest(question.Source, question.Target)
                {
                    MaxInputLength = question.Options.MaxInputLength,
                };
                return new Answer(null, await translation.ScoreAsync(request, cancellation));
            }

            return new Answer(
                await translation.TranslateAsync(
                    new TranslationRequest(question.Source)
                    {
                        TargetPrefix = question.TargetPrefix,
                        Options = question.Options,
                    },
                    cancellation),
                null);
        }

        private void Write(JsonCase question, Task<Answer> answer)
        {
            _cases++;
            string? error = question.Error;
            if (answer.Exception?.InnerException is { } exception && Failure.IsOfOneLine(exception))
                error = Failure.Describe(exception);
            if (error is not null)
            {
                _failures++;
                answers.Line(json => JsonAnswers.Error(json, question, error));
            }
            else
            {
                (TranslationResult? result, ScoreResult? score) = answer.GetAwaiter().GetResult();
                answers.Line(json =>
                {
                    if (score is not null) JsonAnswers.Score(json, question, score);
                    else JsonAnswers.Translation(json, question, result!, translation.Tokenizer);
                });
            }

            progress.Advance(question.Bytes);
        }

        private readonly record struct Answer(TranslationResult? Translation, ScoreResult? Score);
    }
}
