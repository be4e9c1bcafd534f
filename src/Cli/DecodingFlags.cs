// An option for every field of DecodingOptions, under the name that CTranslate2 gives it.
using System.CommandLine;
using Engine.Decoding;
using Engine.Text;

namespace Engine.Cli;

/// <summary>Options of the search.</summary>
internal sealed class DecodingFlags
{
    private static readonly DecodingOptions Standard = new();

    private readonly Option<int> _beam = Flags.Integer(
        "--beam", 1, int.MaxValue, Standard.BeamSize,
        "Hypotheses kept at each step; 1: greedy search. If not said, at least as many as are returned.");
    private readonly Option<float> _patience = Flags.Number(
        "--patience", x => x > 0, "a number above 0", Standard.Patience,
        "The search of a sentence ends when beam · patience hypotheses are finished.");
    private readonly Option<float> _lengthPenalty = Flags.Number(
        "--length-penalty", _ => true, "a number", Standard.LengthPenalty,
        "A score is the sum of log-probabilities / length^penalty; 0: the plain sum.");
    private readonly Option<float> _coveragePenalty = Flags.Number(
        "--coverage-penalty", _ => true, "a number", Standard.CoveragePenalty,
        "Weight of the coverage penalty; 0: none.");
    private readonly Option<float> _repetitionPenalty = Flags.Number(
        "--repetition-penalty", x => x > 0, "a number above 0", Standard.RepetitionPenalty,
        "Makes tokens that were already generated less likely; 1: not.");
    private readonly Option<int> _noRepeatNgramSize = Flags.Integer(
        "--no-repeat-ngram-size", 0, int.MaxValue, Standard.NoRepeatNgramSize,
        "No n-gram of this size comes twice; 0: no such rule.");
    private readonly Option<bool> _disableUnknown = Flags.Switch(
        "--disable-unk", "The unknown token is never generated.");
    private readonly Option<string[]> _suppressSequences = new("--suppress-sequence")
    {
        HelpName = "TEXT",
        Description = "Never generated; may be given more than once.",
    };

    private readonly Option<float> _prefixBiasBeta = Flags.Number(
        "--prefix-bias-beta", x => x is >= 0 and < 1, "a number from 0 to less than 1", Standard.PrefixBiasBeta,
        "How strongly the target prefix is favoured instead of forced; 0: forced.");
    private readonly Option<string[]> _endTokens = new("--end-token")
    {
        HelpName = "TOKEN",
        Description = "Ends a hypothesis, instead of the model's end token; may be given more than once.",
    };

    private readonly Option<bool> _returnEndToken = Flags.Switch(
        "--return-end-token", "The end token is part of the result.");
    private readonly Option<int> _maxInputLength = Flags.Integer(
        "--max-input-length", 0, int.MaxValue, Standard.MaxInputLength,
        "Longer sources are cut to this many tokens; 0: not cut.");
    private readonly Option<int> _maxDecodingLength = Flags.Integer(
        "--max-decoding-length", 1, int.MaxValue, Standard.MaxDecodingLength, "The most tokens of a hypothesis.");
    private readonly Option<int> _minDecodingLength = Flags.Integer(
        "--min-decoding-length", 0, int.MaxValue, Standard.MinDecodingLength, "The fewest tokens of a hypothesis.");
    private readonly Option<int> _samplingTopK = Flags.Integer(
        "--sampling-topk", 0, int.MaxValue, Standard.SamplingTopK,
        "Tokens to draw from, best first; 1: no sampling, 0: the whole vocabulary.");
    private readonly Option<float> _samplingTopP = Flags.Number(
        "--sampling-topp", x => x is > 0 and <= 1, "a number above 0, at most 1", Standard.SamplingTopP,
        "The smallest set of tokens whose probability reaches this is drawn from.");
    private readonly Option<float> _samplingTemperature = Flags.Number(
        "--sampling-temperature", x => x >= 0, "a number from 0", Standard.SamplingTemperature,
        "Log-probabilities are divided by this; 0: no sampling.");
    private readonly Option<long> _seed = new("--seed")
    {
        HelpName = "N",
        Description = "The same seed gives the same samples.",
        DefaultValueFactory = _ => Standard.Seed,
        CustomParser = result => long.TryParse(result.Tokens[0].Value, out long value)
            ? value
            : Flags.Wrong<long>(result, "--seed", "an integer"),
    };

    private readonly Option<int> _numHypotheses = Flags.Integer(
        "--n-best", 1, int.MaxValue, Standard.NumHypotheses, "Hypotheses returned, each on a line of its own.");
    private readonly Option<bool> _returnAttention = Flags.Switch(
        "--return-attention", "The attention of each target token to the source (with --json).");
    private readonly Option<bool> _returnTokenScores = Flags.Switch(
        "--return-token-scores", "The log-probability of each token (with --json).");
    private readonly Option<bool> _returnAlternatives = Flags.Switch(
        "--return-alternatives", "The hypotheses continue each of the best tokens after the target prefix.");
    private readonly Option<float> _minAlternativeExpansionProbability = Flags.Number(
        "--min-alternative-expansion-prob", x => x is >= 0 and <= 1, "a number from 0 to 1",
        Standard.MinAlternativeExpansionProbability, "Alternatives whose first token is less probable are left out.");
    private readonly Option<bool> _useVmap = Flags.Switch(
        "--use-vmap", "Chooses only from the tokens that the model's vocabulary map gives for the source.");

    private readonly Option<bool> _replaceUnknowns = Flags.Switch(
        "--replace-unknowns", "Each unknown token becomes the source token that it attends to most.");
    private readonly Option<string?> _targetPrefix = new("--target-prefix")
    {
        HelpName = "TEXT",
        Description = "What the translation begins with.",
    };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        _numHypotheses.Aliases.Add("--num-hypotheses");
        Option[] options =
        [
            _beam, _numHypotheses, _patience, _lengthPenalty, _coveragePenalty, _repetitionPenalty, _noRepeatNgramSize,
            _disableUnknown, _suppressSequences, _targetPrefix, _prefixBiasBeta, _endTokens, _returnEndToken,
            _maxInputLength, _maxDecodingLength, _minDecodingLength, _samplingTopK, _samplingTopP, _samplingTemperature,
            _seed, _returnAttention, _returnTokenScores, _returnAlternatives, _minAlternativeExpansionProbability,
            _replaceUnknowns, _useVmap,
        ];
        foreach (Option option in options) command.Add(option);
    }

    /// <summary>What the command line says.</summary>
    public DecodingOptions Read(ParseResult parsed, ITokenizer tokenizer)
    {
        var options = new DecodingOptions
        {
            BeamSize = parsed.GetValue(_beam),
            Patience = parsed.GetValue(_patience),
            LengthPenalty = parsed.GetValue(_lengthPenalty),
            CoveragePenalty = parsed.GetValue(_coveragePenalty),
            RepetitionPenalty = parsed.GetValue(_repetitionPenalty),
            NoRepeatNgramSize = parsed.GetValue(_noRepeatNgramSize),
            DisableUnknown = parsed.GetValue(_disableUnknown),
            SuppressSequences = parsed.GetValue(_suppressSequences) is { Length: > 0 } sequences
                ? [.. sequences.Select(tokenizer.Tokenize)]
                : null,
            PrefixBiasBeta = parsed.GetValue(_prefixBiasBeta),
            EndTokens = parsed.GetValue(_endTokens) is { Length: > 0 } tokens ? tokens : null,
            ReturnEndToken = parsed.GetValue(_returnEndToken),
            MaxInputLength = parsed.GetValue(_maxInputLength),
            MaxDecodingLength = parsed.GetValue(_maxDecodingLength),
            MinDecodingLength = parsed.GetValue(_minDecodingLength),
            SamplingTopK = parsed.GetValue(_samplingTopK),
            SamplingTopP = parsed.GetValue(_samplingTopP),
            SamplingTemperature = parsed.GetValue(_samplingTemperature),
            Seed = parsed.GetValue(_seed),
            NumHypotheses = parsed.GetValue(_numHypotheses),
            ReturnAttention = parsed.GetValue(_returnAttention),
            ReturnTokenScores = parsed.GetValue(_returnTokenScores),
            ReturnAlternatives = parsed.GetValue(_returnAlternatives),
            MinAlternativeExpansionProbability = parsed.GetValue(_minAlternativeExpansionProbability),
            ReplaceUnknowns = parsed.GetValue(_replaceUnknowns),
            UseVmap = parsed.GetValue(_useVmap),
        };

        // Samples and alternatives may outnumber the beam; otherwise as many hypotheses as are returned must be kept.
        bool widen = IsImplicit(parsed, _beam) && IsImplicit(parsed, _samplingTopK) && !options.ReturnAlternatives;
        return widen ? options with { BeamSize = Math.Max(options.BeamSize, options.NumHypotheses) } : options;
    }

    /// <summary>Tokens that the translation begins with; null: none are given.</summary>
    public IReadOnlyList<string>? ReadTargetPrefix(ParseResult parsed, ITokenizer tokenizer) =>
        parsed.GetValue(_targetPrefix) is { } text ? tokenizer.Tokenize(text) : null;

    /// <summary>Whether something is wanted that plain text cannot show.</summary>
    public bool NeedsJson(ParseResult parsed) =>
        parsed.GetValue(_returnAttention) || parsed.GetValue(_returnTokenScores);

    private static bool IsImplicit(ParseResult parsed, Option option) =>
        parsed.GetResult(option) is not { Implicit: false };
}
