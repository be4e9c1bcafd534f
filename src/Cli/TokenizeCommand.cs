// `engine tokenize` and `engine detokenize`: text to the pieces or ids of a SentencePiece model, and back, line by line.
using System.CommandLine;
using System.Globalization;
using Engine.Text.SentencePiece;

namespace Engine.Cli;

/// <summary>What both commands ask.</summary>
internal abstract class PieceCommand(Shell shell, string what)
{
    private readonly Argument<string[]> _inputs = new("INPUT")
    {
        Description = $"Files, one text a line; none or '{Inputs.Standard}': standard input.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string?> _model = new("--model")
    {
        HelpName = "PATH",
        Description = "A SentencePiece model, or the directory of a translation model with one. [default: as translate finds it]",
    };

    private readonly Option<string?> _output = Flags.Output();

    private readonly Option<bool> _isTarget = Flags.Switch(
        "--target", "The model of the target language, where a directory has one for each.");

    protected Option<bool> Ids { get; } = Flags.Switch("--ids", what);

    protected Command Create(string name, string description)
    {
        var command = new Command(name, description) { _inputs, _model, _isTarget, Ids, _output };
        _inputs.Validators.Add(Flags.RefuseOptions);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    /// <summary>The answers to a line.</summary>
    protected abstract IEnumerable<string> Answer(ParseResult parsed, SentencePieceTokenizer tokenizer, TextLine line, int number);

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        var inputs = new Inputs(shell, parsed.GetValue(_inputs) ?? []);
        inputs.Check();
        string? output = parsed.GetValue(_output);
        if (output is not null && inputs.Contains(shell.FullPath(output)))
            throw new UsageException($"{output} is both input and output.");
        SentencePieceTokenizer tokenizer = SentencePieceTokenizer.Load(File(parsed));
        using AnswerStream answers = AnswerStream.Open(shell, output);
        int number = 0;
        foreach (TextLine line in inputs.Lines())
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (string answer in Answer(parsed, tokenizer, line, number)) answers.Line(answer);
            number++;
        }

        answers.Flush();
        return ExitCode.Success;
    }

    private string File(ParseResult parsed)
    {
        string? flag = parsed.GetValue(_model);
        if (flag is not null && System.IO.File.Exists(shell.FullPath(flag))) return shell.FullPath(flag);
        var (source, target) = SentencePieceTokenizer.FilesOf(ModelLocator.Find(shell, flag));
        return parsed.GetValue(_isTarget) ? target : source;
    }
}

/// <summary>Text to pieces.</summary>
internal sealed class TokenizeCommand : PieceCommand
{
    private readonly Option<bool> _sample = Flags.Switch(
        "--sample", "Cuts each line at random: subword regularisation, or BPE-dropout.");

    private readonly Option<float> _alpha = Flags.Number(
        "--alpha", static x => x >= 0, "a number from 0", 0.1f,
        "With --sample: how sharp the distribution is (unigram), or the probability that a merge is left out (BPE).");

    private readonly Option<int> _best = Flags.Integer(
        "--nbest", 0, 1024, 0, "So many of the most probable ways, a line each; with --sample: one of so many, 0: of all.");

    private readonly Option<long> _seed = new("--seed")
    {
        HelpName = "N",
        Description = "The same seed gives the same samples.",
    };

    private TokenizeCommand(Shell shell) : base(shell, "Writes ids instead of pieces.")
    {
    }

    /// <summary>Makes the command.</summary>
    public static Command Create(Shell shell)
    {
        var self = new TokenizeCommand(shell);
        Command command = self.Create("tokenize", "Writes the pieces of each line, separated by spaces.");
        command.Add(self._sample);
        command.Add(self._alpha);
        command.Add(self._best);
        command.Add(self._seed);
        return command;
    }

    protected override IEnumerable<string> Answer(
        ParseResult parsed, SentencePieceTokenizer tokenizer, TextLine line, int number)
    {
        bool ids = parsed.GetValue(Ids);
        int best = parsed.GetValue(_best);
        if (parsed.GetValue(_sample))
        {
            IReadOnlyList<string> drawn =
                tokenizer.Sample(line.Text, parsed.GetValue(_alpha), best, parsed.GetValue(_seed), number);
            return [ids ? Join(drawn.Select(tokenizer.Model.Id)) : string.Join(' ', drawn)];
        }

        if (best > 0)
            return tokenizer.Best(line.Text, best).Select(way => ids ? Join(way.Ids) : string.Join(' ', way.Pieces));
        return [ids ? Join(tokenizer.Encode(line.Text)) : string.Join(' ', tokenizer.Tokenize(line.Text))];
    }

    private static string Join(IEnumerable<int> ids) =>
        string.Join(' ', ids.Select(static id => id.ToString(CultureInfo.InvariantCulture)));
}

/// <summary>Pieces to text.</summary>
internal sealed class DetokenizeCommand : PieceCommand
{
    private DetokenizeCommand(Shell shell) : base(shell, "Reads ids instead of pieces.")
    {
    }

    /// <summary>Makes the command.</summary>
    public static Command Create(Shell shell) =>
        new DetokenizeCommand(shell).Create("detokenize", "Writes the text of each line of pieces, which spaces separate.");

    protected override IEnumerable<string> Answer(
        ParseResult parsed, SentencePieceTokenizer tokenizer, TextLine line, int number)
    {
        string[] words = line.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return [parsed.GetValue(Ids) ? tokenizer.Decode(Array.ConvertAll(words, Id)) : tokenizer.Detokenize(words)];

        int Id(string word) =>
            int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id < tokenizer.Model.Count
                ? id
                : throw new InvalidDataException(
                    $"{line.Place}: the id is '{word}', expected a number below {tokenizer.Model.Count}.");
    }
}
