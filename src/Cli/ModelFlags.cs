// The options of every command that loads a model: which one, on what, how.
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Engine.Cli;

/// <summary>Options that choose model and backend.</summary>
internal sealed class ModelFlags
{
    private readonly BackendFlags _backend = new();
    private readonly Option<string?> _tokenizer = Flags.Tokenizer();

    public Option<string?> Model { get; } = new("--model")
    {
        HelpName = "DIR",
        Description =
            "Directory of the model. "
            + $"[default: {ModelLocator.VariableName}, else what '{ModelLocator.FolderName}/{ModelLocator.DefaultName}' names, "
            + $"else the first in '{ModelLocator.FolderName}']",
    };

    public Option<int> BatchSize { get; } = Flags.Integer(
        "--batch-size", 1, 1 << 16, new TranslationSettings("", "").BatchSize,
        "Sentences that are worked on side by side.");

    public Option<int> Replicas { get; } = Flags.Integer(
        "--replicas", 0, 256, new TranslationSettings("", "").Replicas,
        "Translators side by side on each device; they hold the weights once. 0: two on a GPU, one on a CPU.");

    public Option<string?> ComputeType { get; } = Flags.Word(
        "--compute-type", ["default", "auto", "float32", "float16", "bfloat16", "int16", "int8"],
        "Type of the weights; default: as in the file, auto: the fastest here. [default: default]");

    public Option<bool> Quiet { get; } = new("--quiet")
    {
        Description = "Nothing on standard error but errors: no progress, no word on the backend.",
    };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(Model);
        _backend.AddTo(command);
        command.Add(BatchSize);
        command.Add(Replicas);
        command.Add(ComputeType);
        command.Add(_tokenizer);
        command.Add(Quiet);
    }

    /// <summary>What the command line and the surroundings say.</summary>
    public TranslationSettings Read(ParseResult parsed, Shell shell) =>
        new(ModelLocator.Find(shell, parsed.GetValue(Model)), BackendChoice.Word(shell, parsed.GetValue(_backend.Backend)))
        {
            BackendOptions = _backend.Read(parsed, shell),
            BatchSize = parsed.GetValue(BatchSize),
            Replicas = parsed.GetValue(Replicas),
            ComputeType = parsed.GetValue(ComputeType) ?? "default",
            Tokenizer = parsed.GetValue(_tokenizer),
            Log = parsed.GetValue(Quiet) ? null : shell.Say,
        };
}

/// <summary>Makes options that say what they found and what they expected.</summary>
internal static class Flags
{
    /// <summary>One of a few words.</summary>
    public static Option<string?> Word(string name, string[] words, string description)
    {
        var option = new Option<string?>(name)
        {
            HelpName = string.Join('|', words),
            Description = description,
            CustomParser = result =>
            {
                string found = result.Tokens[0].Value;
                if (words.Contains(found, StringComparer.OrdinalIgnoreCase)) return found.ToLowerInvariant();
                return Wrong<string?>(result, name, string.Join(" or ", words.Select(word => $"'{word}'")));
            },
        };
        option.CompletionSources.Add(words);
        return option;
    }

    /// <summary>How text becomes tokens.</summary>
    public static Option<string?> Tokenizer() => Word(
        "--tokenizer", [.. Text.Tokenizer.Words],
        "How text becomes tokens. [default: as the model says]");

    /// <summary>An integer of a range.</summary>
    public static Option<int> Integer(string name, int low, int high, int standard, string description) => new(name)
    {
        HelpName = "N",
        Description = description,
        DefaultValueFactory = _ => standard,
        CustomParser = result =>
        {
            string range = $"an integer from {low:N0}{(high == int.MaxValue ? "" : $" to {high:N0}")}";
            return int.TryParse(result.Tokens[0].Value, out int value) && value >= low && value <= high
                ? value
                : Wrong<int>(result, name, range);
        },
    };

    /// <summary>An integer that may be left out.</summary>
    public static Option<int?> OptionalInteger(string name, int low, string description) => new(name)
    {
        HelpName = "N",
        Description = description,
        CustomParser = result => int.TryParse(result.Tokens[0].Value, out int value) && value >= low
            ? value
            : Wrong<int?>(result, name, $"an integer from {low}"),
    };

    /// <summary>A finite number for which a condition holds. A comma separates nothing: 0,6 is not 6.</summary>
    public static Option<float> Number(
        string name, Func<float, bool> holds, string expected, float standard, string description) => new(name)
        {
            HelpName = "X",
            Description = description,
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
                float.TryParse(result.Tokens[0].Value, NumberStyles.Float, null, out float value)
                    && float.IsFinite(value) && holds(value)
                    ? value
                    : Wrong<float>(result, name, expected),
        };

    /// <summary>Yes, if it is said.</summary>
    public static Option<bool> Switch(string name, string description) => new(name) { Description = description };

    /// <summary>A mistyped option is no file name; a file of such a name is given as <c>./--name</c>.</summary>
    public static void RefuseOptions(ArgumentResult result)
    {
        Token? option = result.Tokens.FirstOrDefault(token => token.Value is ['-', _, ..]);
        if (option is not null) result.AddError($"'{option.Value}' is no option of this command.");
    }

    /// <summary>A file that the answers go to.</summary>
    public static Option<string?> Output() => new("--output")
    {
        HelpName = "FILE",
        Description = "Where to write. [default: standard output]",
    };

    /// <summary>Reports a value that cannot be.</summary>
    public static T? Wrong<T>(ArgumentResult result, string name, string expected)
    {
        result.AddError($"{name} is '{result.Tokens[0].Value}', expected {expected}.");
        return default;
    }
}
