// `engine evaluate`: how close translations are to references, and whether a system differs from another.
using System.CommandLine;
using System.Globalization;
using Engine.Evaluation;

namespace Engine.Cli;

/// <summary>The command that evaluates.</summary>
internal sealed class EvaluateCommand
{
    private const int MaxDigits = 15;   // more are not in a double
    private const double Significant = 0.05;

    private readonly Shell _shell;
    private readonly Argument<string> _hypotheses = new("HYP")
    {
        Description = $"File of translations, one a line; '{Inputs.Standard}': standard input.",
    };

    private readonly Argument<string[]> _references = new("REF")
    {
        Description = $"Files of references, a line for each translation; '{Inputs.Standard}': standard input.",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly MetricFlags _metrics = new();
    private readonly Option<string?> _output = Flags.Output();
    private readonly Option<bool> _json = Flags.Switch("--json", "Writes a JSON object for each score, with all digits.");
    private readonly Option<bool> _sentenceLevel = Flags.Switch(
        "--sentence-level", "Writes a line for each translation; of several metrics with tabs between them.");

    private readonly Option<bool> _byLength = Flags.Switch(
        "--by-length", "Adds the scores of short and of long lines, by the words of the first reference.");

    private readonly Option<bool> _confidence = Flags.Switch(
        "--confidence", "Adds mean and 95 % interval of the scores of resampled corpora.");

    private readonly Option<string?> _baseline = new("--baseline")
    {
        HelpName = "FILE",
        Description = "Translations of another system, to test whether HYP differs from it.",
    };

    private readonly Option<string?> _paired = Flags.Word(
        "--paired", ["bootstrap", "randomization"], "The test against the baseline. [default: bootstrap]");

    private readonly Option<int> _samples = Flags.Integer(
        "--samples", 0, int.MaxValue, 0,
        "Resampled corpora, or trials; 0: 1,000 for a bootstrap, 10,000 for a randomization.");

    private readonly Option<long> _seed = new("--seed")
    {
        HelpName = "N",
        Description = "The same seed gives the same draws.",
        DefaultValueFactory = _ => new PairedTestOptions().Seed,
        CustomParser = result => long.TryParse(result.Tokens[0].Value, out long value) && value >= 0
            ? value
            : Flags.Wrong<long>(result, "--seed", "an integer from 0"),
    };

    private readonly Option<int> _width = Flags.Integer("--width", 0, MaxDigits, 2, "Digits of a score after the point.");

    private EvaluateCommand(Shell shell) => _shell = shell;

    /// <summary>Makes the command.</summary>
    public static Command Create(Shell shell) => new EvaluateCommand(shell).Create();

    private Command Create()
    {
        var command = new Command(
            "evaluate",
            $"Compares translations with references: BLEU and chrF as sacrebleu {Metric.SacreBleuVersion} has them.")
        {
            _hypotheses, _references,
        };
        _hypotheses.Validators.Add(Flags.RefuseOptions);
        _references.Validators.Add(Flags.RefuseOptions);
        _metrics.AddTo(command);
        foreach (Option option in (Option[])[_sentenceLevel, _byLength, _confidence, _baseline, _paired, _samples, _seed, _width])
            command.Add(option);
        command.Add(_json);
        command.Add(_output);
        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        string hypothesisFile = parsed.GetRequiredValue(_hypotheses);
        string[] referenceFiles = parsed.GetRequiredValue(_references);
        string? baselineFile = parsed.GetValue(_baseline), output = parsed.GetValue(_output);
        Check(parsed, baselineFile);
        IReadOnlyList<Metric> metrics = _metrics.Read(parsed, parsed.GetValue(_sentenceLevel));

        var all = new Inputs(
            _shell, [hypothesisFile, .. referenceFiles, .. baselineFile is null ? Array.Empty<string>() : [baselineFile]]);
        all.Check();
        if (output is not null && all.Contains(_shell.FullPath(output)))
            throw new UsageException($"{output} is both input and output.");
        string[] hypotheses = Lines(hypothesisFile);
        if (hypotheses.Length == 0)
            throw new InvalidDataException($"{Name(hypothesisFile)} has 0 lines, expected 1 or more.");
        string[][] references = [.. referenceFiles.Select(file => Beside(hypothesisFile, hypotheses, file))];
        string[]? baseline = baselineFile is null ? null : Beside(hypothesisFile, hypotheses, baselineFile);

        using AnswerStream answers = AnswerStream.Open(_shell, output);
        if (parsed.GetValue(_sentenceLevel)) WriteSentences(parsed, answers, metrics, hypotheses, references);
        else if (baseline is null) WriteScores(parsed, answers, metrics, hypotheses, references);
        else WriteTests(parsed, answers, metrics, (baselineFile!, baseline), (hypothesisFile, hypotheses), references);
        answers.Flush();
        return ExitCode.Success;
    }

    private void WriteScores(
        ParseResult parsed, AnswerStream answers, IReadOnlyList<Metric> metrics, string[] hypotheses, string[][] references)
    {
        foreach (Metric metric in metrics)
        {
            MetricScore score = metric.Score(hypotheses, references);
            string signature = score.Signature;
            ConfidenceInterval? interval = !parsed.GetValue(_confidence)
                ? null
                : ConfidenceInterval.Estimate(
                    metric, hypotheses, references, Samples(parsed) ?? ConfidenceInterval.DefaultSamples,
                    parsed.GetValue(_seed), out signature);
            if (parsed.GetValue(_json))
            {
                answers.Line(json =>
                {
                    EvaluationJson.Score(json, score, signature);
                    EvaluationJson.Interval(json, interval);
                });
            }
            else
            {
                answers.Line(score.Format(parsed.GetValue(_width), signature, interval));
            }

            if (parsed.GetValue(_byLength)) WriteByLength(parsed, answers, metric, hypotheses, references);
        }
    }

    // From 1 word on; the last class has no end.
    private void WriteByLength(
        ParseResult parsed, AnswerStream answers, Metric metric, string[] hypotheses, string[][] references)
    {
        int[] ends = [5, 10, 15, 20, 30, 50, int.MaxValue];
        int[] words = [.. references[0].Select(static line => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length)];
        for (int i = 0, first = 0; i < ends.Length; first = ends[i++] + 1)
        {
            int from = first, to = ends[i];
            int[] lines = [.. Enumerable.Range(0, words.Length).Where(line => words[line] >= from && words[line] <= to)];
            if (lines.Length == 0) continue;
            string[] Pick(string[] of) => [.. lines.Select(line => of[line])];
            MetricScore score = metric.Score(Pick(hypotheses), [.. references.Select(Pick)]);
            if (parsed.GetValue(_json)) answers.Line(json => EvaluationJson.OfLength(json, score, from, to, lines.Length));
            else
            {
                string range = to == int.MaxValue ? $"{from} and more words" : $"{from} to {to} words";
                answers.Line(string.Create(
                    CultureInfo.InvariantCulture,
                    $"  {score.FormatValue(parsed.GetValue(_width), null)}  {range}, {lines.Length:N0} {(lines.Length == 1 ? "line" : "lines")}"));
            }
        }
    }

    private void WriteSentences(
        ParseResult parsed, AnswerStream answers, IReadOnlyList<Metric> metrics, string[] hypotheses, string[][] references)
    {
        int width = parsed.GetValue(_width);
        IReadOnlyList<MetricScore>[] scores =
            [.. metrics.Select(metric => metric.ScoreSentences(hypotheses, references))];
        for (int i = 0; i < hypotheses.Length; i++)
        {
            IEnumerable<MetricScore> ofLine = scores.Select(ofMetric => ofMetric[i]);
            if (parsed.GetValue(_json)) answers.Line(json => EvaluationJson.Scores(json, i + 1, ofLine));
            else answers.Line(string.Join('\t', ofLine.Select(score => score.Format(width, score.Signature))));
        }
    }

    private void WriteTests(
        ParseResult parsed, AnswerStream answers, IReadOnlyList<Metric> metrics, (string Name, string[] Lines) baseline,
        (string Name, string[] Lines) system, string[][] references)
    {
        bool randomization = parsed.GetValue(_paired) == "randomization";
        var options = new PairedTestOptions
        {
            Samples = Samples(parsed),
            Seed = parsed.GetValue(_seed),
            IntervalSamples = parsed.GetValue(_confidence) ? ConfidenceInterval.DefaultSamples : 0,
        };
        int width = parsed.GetValue(_width);
        foreach (Metric metric in metrics)
        {
            PairedTestResult result = randomization
                ? PairedTest.Randomization(metric, baseline.Lines, system.Lines, references, options)
                : PairedTest.Bootstrap(metric, baseline.Lines, system.Lines, references, options);
            if (parsed.GetValue(_json))
            {
                answers.Line(json => EvaluationJson.Test(json, result, baseline.Name, system.Name));
                continue;
            }

            string p = result.PValue.ToString("F4", CultureInfo.InvariantCulture);
            answers.Line($"{result.System.Name}|{result.Signature}");
            string mark = result.PValue > Significant ? "" : "*";
            answers.Line($"  {baseline.Name} = {result.Baseline.FormatValue(width, result.BaselineInterval)} (baseline)");
            answers.Line($"  {system.Name} = {result.System.FormatValue(width, result.SystemInterval)} (p = {p}){mark}");
        }
    }

    private int? Samples(ParseResult parsed) => parsed.GetValue(_samples) is > 0 and int samples ? samples : null;

    private void Check(ParseResult parsed, string? baseline)
    {
        bool sentences = parsed.GetValue(_sentenceLevel), confidence = parsed.GetValue(_confidence);
        if (sentences && (confidence || baseline is not null))
            throw new UsageException("--sentence-level has no tests: expected neither --confidence nor --baseline.");
        if (parsed.GetValue(_byLength) && (sentences || baseline is not null))
            throw new UsageException("--by-length has scores of corpora: expected neither --sentence-level nor --baseline.");
        if (baseline is not null) return;
        if (parsed.GetValue(_paired) is not null) throw new UsageException("--paired is given without --baseline.");
        if (confidence) return;
        foreach (Option option in (Option[])[_samples, _seed])
        {
            if (parsed.GetResult(option) is { Implicit: false })
                throw new UsageException($"{option.Name} is given without --baseline or --confidence.");
        }
    }

    private string[] Lines(string file) => [.. new Inputs(_shell, [file]).Lines().Select(line => Trimmed(line.Text))];

    // As sacrebleu reads them: white space at the end of a line is no part of it, and U+001C to U+001F are such in Python.
    private static string Trimmed(string line)
    {
        int length = line.Length;
        while (length > 0 && (char.IsWhiteSpace(line[length - 1]) || line[length - 1] is >= '\u001C' and <= '\u001F'))
            length--;
        return line[..length];
    }

    private string[] Beside(string hypothesisFile, string[] hypotheses, string file)
    {
        string[] lines = Lines(file);
        return lines.Length == hypotheses.Length
            ? lines
            : throw new InvalidDataException(
                $"{Name(file)} has {lines.Length:N0} lines, expected {hypotheses.Length:N0} as {Name(hypothesisFile)} has.");
    }

    private static string Name(string file) => file == Inputs.Standard ? "standard input" : file;
}
