// The options of a metric, under sacrebleu's words.
using System.CommandLine;
using System.Globalization;
using Engine.Evaluation;

namespace Engine.Cli;

/// <summary>Options that choose metrics and how they count.</summary>
internal sealed class MetricFlags
{
    private const string Words = "'bleu' or 'chrf' or 'chrf++'";

    private readonly Option<string[]> _metrics = new("--metric")
    {
        HelpName = "bleu|chrf|chrf++",
        Description = "What is computed; may be given more than once. [default: bleu and chrf]",
        CustomParser = result =>
        {
            foreach (var token in result.Tokens)
            {
                if (token.Value.ToLowerInvariant() is not ("bleu" or "chrf" or "chrf++"))
                    result.AddError($"--metric is '{token.Value}', expected {Words}.");
            }

            return [.. result.Tokens.Select(token => token.Value.ToLowerInvariant()).Distinct()];
        },
    };

    private readonly Option<string?> _tokenizer = Flags.Word(
        "--tokenize", ["13a", "intl", "char", "zh", "none"], "How BLEU cuts text into words. [default: 13a]");

    private readonly Option<bool> _lowercase = Flags.Switch("--lowercase", "Case does not count.");

    private readonly Option<string?> _smoothing = Flags.Word(
        "--smooth", ["exp", "floor", "add-k", "none"], "What becomes of zero counts of BLEU. [default: exp]");

    private readonly Option<double?> _smoothValue = new("--smooth-value")
    {
        HelpName = "X",
        Description = "The number that floor and add-k take. [default: 0.1 and 1]",
        CustomParser = result =>
            double.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
                && double.IsFinite(value) && value >= 0
                ? value
                : Flags.Wrong<double?>(result, "--smooth-value", "a number from 0"),
    };

    private readonly Option<int> _characterOrder = Flags.Integer(
        "--char-order", 1, 1000, new ChrFOptions().CharacterOrder, "The longest n-grams of characters that chrF counts.");

    private readonly Option<int> _beta = Flags.Integer(
        "--beta", 0, 1000, new ChrFOptions().Beta, "How many times recall counts more than precision in chrF.");

    private readonly Option<bool> _whitespace = Flags.Switch("--whitespace", "White space is a character of chrF, too.");

    private readonly Option<bool> _epsilonSmoothing = Flags.Switch(
        "--eps-smoothing", "Orders of chrF without n-grams count as nearly zero, instead of being left out.");

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        Option[] options =
        [
            _metrics, _tokenizer, _lowercase, _smoothing, _smoothValue, _characterOrder, _beta, _whitespace,
            _epsilonSmoothing,
        ];
        foreach (Option option in options) command.Add(option);
    }

    /// <summary>The metrics that the command line asks for.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="sentences">Whether sentences are scored, which may be shorter than BLEU's order.</param>
    public IReadOnlyList<Metric> Read(ParseResult parsed, bool sentences)
    {
        string smoothing = parsed.GetValue(_smoothing) ?? "exp";
        double? smoothValue = parsed.GetValue(_smoothValue);
        if (smoothValue is not null && smoothing is ("exp" or "none"))
            throw new UsageException($"--smooth-value is given, but --smooth {smoothing} takes none.");
        string[] words = parsed.GetValue(_metrics) is { Length: > 0 } given ? given : ["bleu", "chrf"];
        return [.. words.Select(word => Make(word, parsed, smoothing, smoothValue, sentences))];
    }

    private Metric Make(string word, ParseResult parsed, string smoothing, double? smoothValue, bool sentences)
    {
        bool lowercase = parsed.GetValue(_lowercase);
        if (word == "bleu")
        {
            return new Bleu(new BleuOptions
            {
                Tokenizer = (parsed.GetValue(_tokenizer) ?? "13a") switch
                {
                    "intl" => BleuTokenizer.International,
                    "char" => BleuTokenizer.Characters,
                    "zh" => BleuTokenizer.Chinese,
                    "none" => BleuTokenizer.None,
                    _ => BleuTokenizer.V13a,
                },
                Smoothing = smoothing switch
                {
                    "floor" => BleuSmoothing.Floor,
                    "add-k" => BleuSmoothing.AddK,
                    "none" => BleuSmoothing.None,
                    _ => BleuSmoothing.Exponential,
                },
                SmoothValue = smoothValue,
                Lowercase = lowercase,
                EffectiveOrder = sentences,
            });
        }

        return new ChrF(new ChrFOptions
        {
            CharacterOrder = parsed.GetValue(_characterOrder),
            WordOrder = word == "chrf++" ? 2 : 0,
            Beta = parsed.GetValue(_beta),
            Lowercase = lowercase,
            Whitespace = parsed.GetValue(_whitespace),
            EpsilonSmoothing = parsed.GetValue(_epsilonSmoothing),
        });
    }
}
