// `engine vocab train`: text becomes a vocabulary, in a model file that SentencePiece reads too.
using System.CommandLine;
using System.Text;
using Engine.Text.SentencePiece;
using Engine.Text.SentencePiece.Training;

namespace Engine.Cli;

/// <summary>The command that learns vocabularies.</summary>
internal sealed class VocabCommand
{
    private const string ModelExtension = ".model";
    private const string VocabExtension = ".vocab";

    private static readonly VocabularyOptions Standard = new(Size: 8000);

    private readonly Shell _shell;
    private readonly Argument<string[]> _inputs = new("INPUT")
    {
        Description = $"Files, one text a line; none or '{Inputs.Standard}': standard input.",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<int> _size = Flags.Integer(
        "--size", 1, 1 << 22, Standard.Size, "Pieces of the vocabulary, special ones included.");

    private readonly Option<string?> _type = Flags.Word(
        "--type", ["unigram", "bpe"],
        "How pieces are chosen: by a unigram language model, or by joining the most frequent pairs. [default: unigram]");

    private readonly Option<string> _output = new("--output")
    {
        HelpName = $"FILE{ModelExtension}",
        Description = $"The model to write; its pieces and scores, as text, are written beside it as FILE{VocabExtension}.",
        Required = true,
    };

    private readonly Option<string?> _normalization = Flags.Word(
        "--normalization", [.. CharacterMaps.Names], $"How text is prepared. [default: {Standard.Normalization}]");

    private readonly Option<float> _coverage = Flags.Number(
        "--character-coverage", static x => x is >= 0.98f and <= 1, "a number from 0.98 to 1", Standard.CharacterCoverage,
        "Which share of the text's characters must be pieces; the rarest are unknown.");

    private readonly Option<bool> _bytes = Flags.Switch(
        "--byte-fallback", "Unknown characters become bytes: 256 pieces more.");

    private readonly Option<bool> _digits = Flags.Switch("--split-digits", "Each digit is a piece of its own.");

    private readonly Option<bool> _overlaps = Flags.Switch(
        "--count-overlaps", "With bpe: 'aaa' has the pair 'aa' twice, as SentencePiece counts from version 0.1.99 on; else once.");

    private readonly Option<int> _pieceLength = Flags.Integer(
        "--max-piece-length", 1, VocabularyOptions.MostPieceLength, Standard.MaxPieceLength, "Characters of the longest piece.");

    private readonly Option<int> _pad = Flags.Integer(
        "--pad-id", -1, 1 << 22, Standard.PadId, "Id of a piece <pad>; -1: none.");

    private readonly Option<string[]> _userDefined = Texts("--user-defined", "A piece that is found in text before all others.");

    private readonly Option<string[]> _control = Texts("--control", "A piece that is never found in text.");

    private readonly Option<int> _threads = Flags.Integer(
        "--threads", 0, 1024, Standard.Threads, "Threads to compute with; 0: one for each processor. The pieces are the same.");

    private readonly Option<bool> _quiet = Flags.Switch("--quiet", "Nothing on standard error but errors.");

    private VocabCommand(Shell shell) => _shell = shell;

    /// <summary>Makes the command.</summary>
    public static Command Create(Shell shell) => new("vocab", "Makes vocabularies of subword pieces.")
    {
        new VocabCommand(shell).Train(),
    };

    private static Option<string[]> Texts(string name, string description) => new(name)
    {
        HelpName = "TEXT",
        Description = $"{description} May be given several times.",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private Command Train()
    {
        var command = new Command("train", "Learns a SentencePiece model from text.")
        {
            _inputs, _size, _type, _output, _normalization, _coverage, _bytes, _digits, _overlaps, _pieceLength, _pad,
            _userDefined, _control, _threads, _quiet,
        };
        _inputs.Validators.Add(Flags.RefuseOptions);
        command.SetAction((parsed, cancellation) => Task.FromResult(Run(parsed, cancellation)));
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellation)
    {
        var inputs = new Inputs(_shell, parsed.GetValue(_inputs) ?? []);
        inputs.Check();
        string name = parsed.GetRequiredValue(_output), model = _shell.FullPath(name);
        string vocab = (model.EndsWith(ModelExtension, StringComparison.Ordinal) ? model[..^ModelExtension.Length] : model) + VocabExtension;
        foreach (string file in new[] { model, vocab })
            if (inputs.Contains(file)) throw new UsageException($"{file} is both input and output.");
        if (Directory.Exists(model)) throw new IOException($"{name} is a directory, expected a file.");
        if (!Directory.Exists(Path.GetDirectoryName(model)))
            throw new DirectoryNotFoundException($"{name} cannot be written: its directory was not found.");
        Action<string>? say = parsed.GetValue(_quiet) ? null : _shell.Say;
        TrainedVocabulary trained = VocabularyTrainer.Train(Lines(inputs), Options(parsed), say, cancellation);
        File.WriteAllBytes(model, trained.ToModel());
        using (var writer = new StreamWriter(vocab, append: false, new UTF8Encoding(false))) trained.WriteTo(writer);
        say?.Invoke($"{name}: {trained.Pieces.Count:N0} pieces.");
        return ExitCode.Success;
    }

    private VocabularyOptions Options(ParseResult parsed) => new(parsed.GetValue(_size))
    {
        Type = parsed.GetValue(_type) == "bpe" ? SegmentationType.Bpe : SegmentationType.Unigram,
        Normalization = parsed.GetValue(_normalization) ?? Standard.Normalization,
        CharacterCoverage = parsed.GetValue(_coverage),
        HasByteFallback = parsed.GetValue(_bytes),
        SplitsDigits = parsed.GetValue(_digits),
        CountsOverlaps = parsed.GetValue(_overlaps),
        MaxPieceLength = parsed.GetValue(_pieceLength),
        PadId = parsed.GetValue(_pad),
        UserDefined = parsed.GetValue(_userDefined) ?? [],
        Control = parsed.GetValue(_control) ?? [],
        Threads = parsed.GetValue(_threads),
    };

    private static IEnumerable<ReadOnlyMemory<byte>> Lines(Inputs inputs)
    {
        foreach (InputBuffer input in inputs.Open())
            while (input.TryReadLine(out ReadOnlyMemory<byte> line)) yield return line;
    }
}
