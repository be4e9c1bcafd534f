// `engine explain`: one sentence, its translation, and what each head of each layer looked at, as a page or a picture.
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Engine.Decoding;
using Engine.Explaining;

namespace Engine.Cli;

/// <summary>The command that explains.</summary>
internal sealed class ExplainCommand
{
    private readonly Shell _shell;
    private readonly ModelFlags _model = new();
    private readonly DecodingFlags _decoding = new();
    private readonly Argument<string> _text = new("TEXT") { Description = "The sentence." };
    private readonly Option<string?> _out = new("--out")
    {
        HelpName = "FILE",
        Description = "Where to write. [default: standard output]",
    };

    private readonly Option<(int Layer, int Head)?> _svg = new("--svg")
    {
        HelpName = "LAYER.HEAD",
        Description = "Draws one head as SVG instead of the page; both are counted from 1.",
        CustomParser = ReadHead,
    };

    private readonly Option<string?> _kind = Flags.Word(
        "--kind", ["encoder", "decoder", "cross"], "Whose head --svg draws. [default: cross]");

    private ExplainCommand(Shell shell) => _shell = shell;

    /// <summary>Makes the command.</summary>
    public static Command Create(Shell shell) => new ExplainCommand(shell).Create();

    private Command Create()
    {
        var command = new Command(
            "explain", "Translates a sentence and writes a page that shows attention, alignment and probabilities.")
        {
            _text, _out, _svg, _kind,
        };
        _model.AddTo(command);
        _decoding.AddTo(command);
        command.Validators.Add(result =>
        {
            if (result.GetValue(_kind) is not null && result.GetValue(_svg) is null) result.AddError("--kind is for --svg.");
        });
        command.SetAction(RunAsync);
        return command;
    }

    private static (int Layer, int Head)? ReadHead(ArgumentResult result)
    {
        string[] parts = result.Tokens[0].Value.Split('.');
        bool isHead = parts.Length == 2
            & int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
            & int.TryParse(parts[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int head);
        if (isHead && layer > 0 && head > 0) return (layer, head);
        return Flags.Wrong<(int, int)?>(result, "--svg", "a layer and a head from 1, as in 2.3");
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        string text = parsed.GetRequiredValue(_text);
        await using TranslationInUse use = await TranslationInUse.LoadAsync(_shell, _model.Read(parsed, _shell), cancellation);
        ITranslation translation = use.Translation;
        var request = new TranslationRequest(translation.Tokenizer.Tokenize(text))
        {
            TargetPrefix = _decoding.ReadTargetPrefix(parsed, translation.Tokenizer),
            Options = WithTheBeam(_decoding.Read(parsed, translation.Tokenizer)),
        };
        if (request.Source.Count == 0) throw new UsageException("TEXT is empty, expected a sentence.");
        Explanation explanation;
        try
        {
            explanation = await translation.ExplainAsync(request, cancellation);
        }
        catch (ArgumentException wrong)
        {
            throw new UsageException(Failure.Describe(wrong));
        }

        string? file = parsed.GetValue(_out);
        Action<Stream> write = parsed.GetValue(_svg) is { } head
            ? Picture(explanation, parsed.GetValue(_kind) ?? "cross", head.Layer, head.Head)
            : stream => ExplanationPage.Write(stream, text, explanation, translation.Tokenizer);
        if (file is null or Inputs.Standard)
        {
            write(_shell.Output);
            return ExitCode.Success;
        }

        await using FileStream opened = File.Create(_shell.FullPath(file));
        write(opened);
        return ExitCode.Success;
    }

    // What the beam held beside the best is part of the explanation.
    private static DecodingOptions WithTheBeam(DecodingOptions options) => options.ReturnAlternatives || options.SamplingTopK != 1
        ? options
        : options with { NumHypotheses = Math.Max(options.NumHypotheses, options.BeamSize) };

    private static Action<Stream> Picture(Explanation explanation, string kind, int layer, int head)
    {
        (AttentionMap map, IReadOnlyList<string> queries, IReadOnlyList<string> keys) = kind switch
        {
            "encoder" => (explanation.Encoder, explanation.SourceTokens, explanation.SourceTokens),
            "decoder" => (explanation.Decoder, explanation.InputTokens, explanation.InputTokens),
            _ => (explanation.Cross, explanation.TargetTokens, explanation.SourceTokens),
        };
        if (layer > map.Layers || head > map.Heads)
        {
            throw new UsageException(
                $"--svg is '{layer}.{head}', expected at most '{map.Layers}.{map.Heads}', as the model has for {kind}.");
        }

        return stream => ExplanationPicture.Write(stream, map, layer - 1, head - 1, queries, keys);
    }
}
