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

    /// <summary>What answers a line: its number, the tokenizer, and where answers go.</summary>
    protected abstract Action<TextLine, int> Answer(ParseResult parsed, SentencePieceTokenizer tokenizer, AnswerStream answers);

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        var inputs = new Inputs(shell, parsed.GetValue(_inputs) ?? []);
        inputs.Check();
        string? output = parsed.GetValue(_output);
        if (output is not null && inputs.Contains(shell.FullPath(output)))
            throw new UsageException($"{output} is both input and output.");
        SentencePieceTokenizer tokenizer = SentencePieceTokenizer.Load(File(parsed));
        using AnswerStream answers = AnswerStream.Open(shell, output);
        Action<TextLine, int> answer = Answer(parsed, tokenizer, answers);
        int number = 0;
        foreach (TextLine line in inputs.Lines())
        {
            cancellation.ThrowIfCancellationRequested();
            answer(line, number++);
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

    protected override Action<TextLine, int> Answer(
        ParseResult parsed, SentencePieceTokenizer tokenizer, AnswerStream answers)
    {
        bool asIds = parsed.GetValue(Ids), isSample = parsed.GetValue(_sample);
        int best = parsed.GetValue(_best);
        long seed = parsed.GetValue(_seed);
        float alpha = parsed.GetValue(_alpha);
        return (line, number) =>
        {
            if (isSample)
            {
                IReadOnlyList<string> drawn = tokenizer.Sample(line.Text, alpha, best, seed, number);
                if (asIds) answers.Line([.. drawn.Select(tokenizer.Model.Id)]);
                else answers.Line(string.Join(' ', drawn));
            }
            else if (best > 0)
            {
                foreach (ScoredPieces way in tokenizer.Best(line.Text, best))
                {
                    if (asIds) answers.Line(way.Ids);
                    else answers.Line(string.Join(' ', way.Pieces));
                }
            }
            else if (asIds)
            {
                answers.Line(tokenizer.Encode(line.Text));
            }
            else
            {
                answers.Line(string.Join(' ', tokenizer.Tokenize(line.Text)));
            }
        };
    }
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

    protected override Action<TextLine, int> Answer(
        ParseResult parsed, SentencePieceTokenizer tokenizer, AnswerStream answers)
    {
        bool fromIds = parsed.GetValue(Ids);
        return (line, _) =>
        {
            string[] words = line.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            answers.Line(fromIds
                ? tokenizer.Decode(Array.ConvertAll(words, word => Id(word, line, tokenizer.Model.Count)))
                : tokenizer.Detokenize(words));
        };
    }

    private static int Id(string word, TextLine line, int count) =>
        int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id < count
            ? id
            : throw new InvalidDataException($"{line.Place}: the id is '{word}', expected a number below {count}.");
}
