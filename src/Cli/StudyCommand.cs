// `engine study`: the paper's comparisons, measured here: tables on the terminal, JSON, and a page with plots.
using System.CommandLine;
using Engine.Backends;
using Engine.Studies;

namespace Engine.Cli;

/// <summary>A command that studies.</summary>
internal sealed class StudyCommand
{
    private const string SourceName = "test.source.txt", ReferenceName = "test.target.txt";
    private const int Sentences = 100, QuickSentences = 5;

    private readonly Shell _shell;
    private readonly Option<bool> _quick = Flags.Switch(
        "--quick", "A form of seconds: few points, few steps. It shows how it goes and proves little.");

    private readonly Option<bool> _json = Flags.Switch("--json", "Writes a JSON object with all numbers instead of tables.");
    private readonly Option<string?> _out = Path("--out", "PAGE.html", "Writes a page with plots, too; it needs no network.");
    private readonly Option<int> _seed = Flags.Integer("--seed", 0, int.MaxValue, 1, "Decides all that is random.");
    private readonly BackendFlags _backend = new();
    private readonly Option<bool> _quiet = Flags.Switch("--quiet", "Nothing on standard error but errors.");
    private readonly Option<string?> _model = Path("--model", "DIR", "The trained model. [default: that which translates]");
    private readonly Option<string?> _source = Path(
        "--source", "FILE", $"Sentences for it, one a line. [default: {SourceName} beside the model]");

    private readonly Option<string?> _reference = Path(
        "--reference", "FILE", $"A reference for each. [default: {ReferenceName} beside the model]");

    private readonly Option<int?> _sentences = Flags.OptionalInteger(
        "--sentences", 1, $"How many of them, spread over the file. [default: {Sentences}; --quick: {QuickSentences}]");

    private readonly Option<string?> _also = new("--also")
    {
        HelpName = "BACKEND",
        Description = "A second backend, whose times stand beside those of the first. [default: another that can be used here]",
    };

    private StudyCommand(Shell shell) => _shell = shell;

    /// <summary>Makes the command with all studies below it.</summary>
    public static Command Create(Shell shell) => new("study", "Measures what the paper compares.")
    {
        new StudyCommand(shell).OfTable(),
        new StudyCommand(shell).Of(
            "attention", "Dot-product attention, with and without its scale, and additive attention.", AttentionStudy.Run),
        new StudyCommand(shell).Of(
            "positions", "The linear shift of sinusoidal positions, and sequences longer than those learned.", PositionStudy.Run),
        new StudyCommand(shell).OfHeads(),
        new StudyCommand(shell).Of("ffn", "The feed-forward block, with and without its ReLU.", FeedForwardStudy.Run),
        new StudyCommand(shell).Of(
            "origins", "Where attention comes from: kernel regression, and Hopfield networks.", OriginsStudy.Run),
    };

    private static Option<string?> Path(string name, string help, string description) =>
        new(name) { HelpName = help, Description = description };

    private Command Of(string name, string about, Func<StudyOptions, CancellationToken, StudyReport> study)
    {
        var command = new Command(name, about) { _quick, _json, _out, _seed };
        _backend.AddTo(command);
        command.Add(_quiet);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, options => study(options, cancellation))));
        return command;
    }

    private Command OfTable()
    {
        var command = new Command("table1", "Self-attention beside recurrent and convolutional layers: the paper's Table 1, measured.")
        {
            _quick, _json, _out, _seed, _also,
        };
        _backend.AddTo(command);
        command.Add(_quiet);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_also) is { } word && BackendChoice.Refusal(word) is { } refusal)
                result.AddError($"--also is '{word}', expected {refusal}.");
        });
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, options =>
        {
            using IBackend? other = OpenOther(parsed, options, out string missing);
            return TableOneStudy.Run(options, other, missing, cancellation);
        })));
        return command;
    }

    private IBackend? OpenOther(ParseResult parsed, StudyOptions options, out string missing)
    {
        missing = "";
        BackendOptions settings = _backend.Read(parsed, _shell);
        if (parsed.GetValue(_also) is { } word) return BackendChoice.Open(word, settings, options.Progress);
        var reasons = new List<string>();
        foreach (IBackendProvider provider in BackendChoice.Providers)
        {
            if (options.Backend.Description.StartsWith(provider.Word, StringComparison.Ordinal)) continue;
            if (provider.IsAvailable(out string reason)) return provider.Create(settings);
            reasons.Add($"{provider.Word}: {reason}");
        }

        missing = string.Join("; ", reasons);
        return null;
    }

    private Command OfHeads()
    {
        var command = new Command("heads", "The same width in 1 to 16 heads, and each head of a trained model.")
        {
            _quick, _json, _out, _seed, _model, _source, _reference, _sentences,
        };
        _backend.AddTo(command);
        command.Add(_quiet);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_source) is null != result.GetValue(_reference) is null)
                result.AddError("--source and --reference belong together: expected both, or neither.");
        });
        command.SetAction((parsed, cancellation) =>
        {
            HeadStudyInput input = ReadInput(parsed);
            return Task.FromResult(Run(parsed, options => HeadStudy.Run(options, input, cancellation)));
        });
        return command;
    }

    private int Run(ParseResult parsed, Func<StudyOptions, StudyReport> study)
    {
        string? page = parsed.GetValue(_out);
        string? file = page is null ? null : CheckFile(page);
        Action<string>? say = parsed.GetValue(_quiet) ? null : _shell.Say;
        string word = BackendChoice.Word(_shell, parsed.GetValue(_backend.Backend));
        using IBackend opened = BackendChoice.Open(word, _backend.Read(parsed, _shell), say);
        if (opened is not ITrainingBackend backend)
            throw new NotSupportedException($"The backend is {opened.Description}, expected one that can train.");
        StudyReport report = study(
            new StudyOptions(backend) { Quick = parsed.GetValue(_quick), Seed = parsed.GetValue(_seed), Progress = say });
        if (file is not null)
        {
            using FileStream stream = File.Create(file);
            StudyPage.Write(stream, report);
        }

        using AnswerStream answers = AnswerStream.Open(_shell, null);
        if (parsed.GetValue(_json)) answers.Line(json => StudyJson.Write(json, report));
        else foreach (string line in StudyTables.Lines(report)) answers.Line(line);
        answers.Flush();
        return ExitCode.Success;
    }

    // Before the work of minutes, not after it.
    private string CheckFile(string name)
    {
        string file = _shell.FullPath(name);
        if (Directory.Exists(file)) throw new IOException($"{name} is a directory, expected a file.");
        if (Directory.Exists(System.IO.Path.GetDirectoryName(file))) return file;
        throw new DirectoryNotFoundException($"{name} cannot be written: its directory was not found.");
    }

    private HeadStudyInput ReadInput(ParseResult parsed)
    {
        string model = ModelLocator.Find(_shell, parsed.GetValue(_model));
        string? source = parsed.GetValue(_source), reference = parsed.GetValue(_reference);
        if (source is null)
        {
            (source, reference) = (System.IO.Path.Combine(model, SourceName), System.IO.Path.Combine(model, ReferenceName));
            if (!File.Exists(source) || !File.Exists(reference))
            {
                throw new UsageException(
                    $"{model} has no {SourceName} and {ReferenceName}, expected them there, or --source and --reference.");
            }
        }

        string[] sources = Lines(source), references = Lines(reference!);
        if (sources.Length != references.Length)
            throw new InvalidDataException($"{reference} has {references.Length:N0} lines, expected {sources.Length:N0} as {source} has.");
        // An empty line is no sentence that a head can look at.
        int[] lines = [.. Enumerable.Range(0, sources.Length).Where(i => !string.IsNullOrWhiteSpace(sources[i]))];
        if (lines.Length == 0) throw new InvalidDataException($"{source} is empty, expected at least one sentence.");
        int count = Math.Min(parsed.GetValue(_sentences) ?? (parsed.GetValue(_quick) ? QuickSentences : Sentences), lines.Length);
        int[] chosen = [.. Enumerable.Range(0, count).Select(i => lines[(int)((long)i * lines.Length / count)])];
        return new HeadStudyInput(model, [.. chosen.Select(i => sources[i])], [.. chosen.Select(i => references[i])]);
    }

    private string[] Lines(string file) => [.. new Inputs(_shell, [file]).Lines().Select(static line => line.Text)];
}
