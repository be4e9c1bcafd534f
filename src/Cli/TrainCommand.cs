// `engine train`: from a configuration file to a model directory. Flags say what is to be otherwise than the file has it.
using System.CommandLine;
using System.Globalization;
using Engine.Backends;
using Engine.Training;

namespace Engine.Cli;

/// <summary>The command that trains.</summary>
internal sealed class TrainCommand
{
    /// <summary>The word for it.</summary>
    public const string Name = "train";

    private const string DataVariable = "ENGINE_DATA";

    private readonly Shell _shell;
    private readonly Argument<string> _config = new("CONFIG") { Description = "A JSON file; its keys are in docs/training.md." };
    private readonly Option<string?> _output = Path(
        "--output", "DIR", "Directory of checkpoints, log and model. [default: output]");

    private readonly Option<string?> _data = Path(
        "--data", "DIR", $"Where the texts' paths begin. [default: {DataVariable}, else data.directory]");

    private readonly Option<bool> _resume = Flags.Switch(
        "--resume", "Goes on from the newest checkpoint in the output directory; from the beginning where there is none.");

    private readonly Option<int?> _seed = Flags.OptionalInteger("--seed", 0, "Decides all that is random. [default: seed]");
    private readonly Option<int?> _steps = Flags.OptionalInteger("--steps", 1, "Steps of the whole training. [default: training.steps]");
    private readonly Option<string[]> _set = new("--set")
    {
        HelpName = "KEY=VALUE",
        Description = "Any key of the file, as in training.dropout.residual=0.3. May be given several times.",
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly BackendFlags _backend = new();
    private readonly Option<bool> _quiet = Flags.Switch("--quiet", "Nothing on standard error but errors.");

    private TrainCommand(Shell shell) => _shell = shell;

    /// <summary>Makes the command.</summary>
    public static Command Create(Shell shell) => new TrainCommand(shell).Create();

    private static Option<string?> Path(string name, string help, string description) =>
        new(name) { HelpName = help, Description = description };

    private Command Create()
    {
        var command = new Command(Name, "Trains a model.")
        {
            _config, _output, _data, _resume, _seed, _steps, _set,
        };
        _config.Validators.Add(Flags.RefuseOptions);
        _backend.AddTo(command);
        command.Add(_quiet);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        string name = parsed.GetRequiredValue(_config);
        TrainingConfig config;
        try
        {
            config = TrainingConfig.Load(_shell.FullPath(name), Changes(parsed));
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }

        bool isQuiet = parsed.GetValue(_quiet);
        string word = BackendChoice.Word(_shell, parsed.GetValue(_backend.Backend));
        using IBackend opened = BackendChoice.Open(word, _backend.Read(parsed, _shell), isQuiet ? null : _shell.Say);
        if (opened is not ITrainingBackend backend)
            throw new NotSupportedException($"The backend is {opened.Description}, expected one that can train.");

        TrainingResult result;
        try
        {
            bool resumes = parsed.GetValue(_resume);
            result = TrainingTable.Run(
                _shell, isQuiet, table => Trainer.Run(config, backend, table, resumes, cancellation));
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            _shell.Say($"to go on: the same command{(parsed.GetValue(_resume) ? "" : " with --resume")}.");
            throw;
        }

        using AnswerStream answers = AnswerStream.Open(_shell, null);
        foreach (string line in TrainingTable.Describe(result)) answers.Line(line);
        answers.Flush();
        return ExitCode.Success;
    }

    // Flags for single keys count more than --set, whatever their order.
    private List<string> Changes(ParseResult parsed)
    {
        List<string> changes = [.. parsed.GetValue(_set) ?? []];
        void Add(string key, object? value)
        {
            if (value is not null) changes.Add(string.Create(CultureInfo.InvariantCulture, $"{key}={value}"));
        }

        // A path is text, though it may look like a number.
        static string? Quoted(string? path) => path is null ? null : $"\"{System.Text.Json.JsonEncodedText.Encode(path)}\"";
        Add("output", Quoted(parsed.GetValue(_output) is { } output ? _shell.FullPath(output) : null));
        string? data = parsed.GetValue(_data) ?? _shell.Setting(DataVariable);
        Add("data.directory", Quoted(data is null ? null : _shell.FullPath(data)));
        Add("seed", parsed.GetValue(_seed));
        Add("training.steps", parsed.GetValue(_steps));
        return changes;
    }
}
