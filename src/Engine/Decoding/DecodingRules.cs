// Options as the search needs them: checked, and in token ids.
using Engine.Text;

namespace Engine.Decoding;

/// <summary>The options of one sentence, resolved against a vocabulary.</summary>
internal sealed class DecodingRules
{
    private DecodingRules(DecodingOptions options) => Options = options;

    /// <summary>The options as they were given.</summary>
    public DecodingOptions Options { get; }

    /// <summary>Ids that end a hypothesis.</summary>
    public required int[] EndIds { get; init; }

    /// <summary>Ids that are never generated.</summary>
    public required int[] SuppressedIds { get; init; }

    /// <summary>Sequences of two or more ids of which the last may not follow the others.</summary>
    public required int[][] SuppressedSequences { get; init; }

    /// <summary>The most tokens of a hypothesis: what the options and the model's positions both allow.</summary>
    public required int MaxLength { get; init; }

    /// <summary>Tokens of the target.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Whether tokens are drawn at random.</summary>
    public bool Samples => Options.SamplingTopK != 1 && Options.SamplingTemperature != 0;

    /// <summary>Whether tokens are drawn from the whole vocabulary, which the backend does.</summary>
    public bool DrawsFromAll => Samples && Options.SamplingTopK == 0 && Options.SamplingTopP == 1;

    /// <summary>Whether the search needs each step's attention to the source.</summary>
    public bool WantsAlignment => Options.ReturnAttention || Options.ReplaceUnknowns || Options.CoveragePenalty != 0;

    /// <summary>Whether what may be generated depends on what was.</summary>
    public bool LooksBack =>
        Options.RepetitionPenalty != 1 || Options.NoRepeatNgramSize > 0 || SuppressedSequences.Length > 0;

    /// <summary>
    /// Steps that a backend may take alone after a hypothesis of a length, drawing and forced tokens aside; 0: it must be asked at each.
    /// </summary>
    public int StepsAlone(int length, int minLength) => WantsAlignment || LooksBack ? 0 : length < minLength ? minLength - length : int.MaxValue;

    /// <summary>Whether an id ends a hypothesis.</summary>
    public bool IsEnd(int id) => Array.IndexOf(EndIds, id) >= 0;

    /// <summary>Checks options and looks their tokens up.</summary>
    /// <param name="options">Options.</param>
    /// <param name="vocabulary">Target vocabulary.</param>
    /// <param name="endToken">The model's end token.</param>
    /// <param name="limit">The longest target that the model's positions allow.</param>
    /// <exception cref="ArgumentException">An option has a value that it cannot have.</exception>
    public static DecodingRules Resolve(DecodingOptions options, Vocabulary vocabulary, string endToken, int limit)
    {
        Check(options, vocabulary.Count);
        var suppressed = new List<int>();
        var sequences = new List<int[]>();
        if (options.DisableUnknown) suppressed.Add(vocabulary.UnknownId);
        foreach (IReadOnlyList<string> sequence in options.SuppressSequences ?? [])
        {
            int[] ids = [.. sequence.Select(token => Id(vocabulary, token, "suppress_sequences"))];
            if (ids.Length == 1) suppressed.Add(ids[0]);
            else if (ids.Length > 1) sequences.Add(ids);
        }

        IReadOnlyList<string> endTokens = options.EndTokens is { Count: > 0 } given and not [""] ? given : [endToken];
        return new DecodingRules(options)
        {
            EndIds = [.. endTokens.Select(token => Id(vocabulary, token, "end_token"))],
            SuppressedIds = [.. suppressed],
            SuppressedSequences = [.. sequences],
            MaxLength = Math.Min(options.MaxDecodingLength, limit),
            Vocabulary = vocabulary.Count,
        };
    }

    private static int Id(Vocabulary vocabulary, string token, string option) => vocabulary.TryGetId(token, out int id)
        ? id
        : throw new ArgumentException($"{option} holds the token '{token}', expected one of the target vocabulary.", option);

    private static void Check(DecodingOptions o, int vocabulary)
    {
        Require(o.BeamSize >= 1, "beam_size", o.BeamSize, "at least 1");
        Require(o.BeamSize <= vocabulary, "beam_size", o.BeamSize, $"at most the vocabulary's {vocabulary:N0} tokens");
        Require(o.Patience > 0, "patience", o.Patience, "greater than 0");
        Require(float.IsFinite(o.LengthPenalty), "length_penalty", o.LengthPenalty, "a finite number");
        Require(float.IsFinite(o.CoveragePenalty), "coverage_penalty", o.CoveragePenalty, "a finite number");
        Require(
            o.RepetitionPenalty > 0 && float.IsFinite(o.RepetitionPenalty), "repetition_penalty", o.RepetitionPenalty,
            "greater than 0");
        Require(o.NoRepeatNgramSize >= 0, "no_repeat_ngram_size", o.NoRepeatNgramSize, "at least 0");
        Require(o.PrefixBiasBeta is >= 0 and < 1, "prefix_bias_beta", o.PrefixBiasBeta, "at least 0 and less than 1");
        Require(
            o.PrefixBiasBeta == 0 || !o.ReturnAlternatives, "prefix_bias_beta", o.PrefixBiasBeta, "0 with return_alternatives");
        Require(o.MaxInputLength >= 0, "max_input_length", o.MaxInputLength, "at least 0");
        Require(o.MaxDecodingLength >= 1, "max_decoding_length", o.MaxDecodingLength, "at least 1");
        Require(
            o.MinDecodingLength >= 0 && o.MinDecodingLength <= o.MaxDecodingLength, "min_decoding_length",
            o.MinDecodingLength, $"0 to max_decoding_length, {o.MaxDecodingLength}");
        Require(
            o.SamplingTopK >= 0 && o.SamplingTopK <= vocabulary, "sampling_topk", o.SamplingTopK,
            $"0 to {vocabulary:N0}, the size of the vocabulary");
        Require(o.SamplingTopP is > 0 and <= 1, "sampling_topp", o.SamplingTopP, "greater than 0 and at most 1");
        Require(
            o.SamplingTemperature >= 0 && float.IsFinite(o.SamplingTemperature), "sampling_temperature",
            o.SamplingTemperature, "at least 0");
        Require(
            o.MinAlternativeExpansionProbability is >= 0 and <= 1, "min_alternative_expansion_prob",
            o.MinAlternativeExpansionProbability, "0 to 1");
        float most = MathF.Round(o.BeamSize * o.Patience, MidpointRounding.AwayFromZero);
        bool isBeam = o.BeamSize > 1 || o.PrefixBiasBeta > 0;
        Require(most >= 1 || !isBeam, "patience", o.Patience, "so much that beam_size times patience rounds to at least 1");
        bool free = o.ReturnAlternatives || (o.BeamSize == 1 && o.SamplingTopK != 1);
        Require(
            o.NumHypotheses >= 1 && (free ? o.NumHypotheses <= vocabulary : o.NumHypotheses <= most), "num_hypotheses",
            o.NumHypotheses, free ? $"1 to {vocabulary:N0}" : $"1 to {most}, beam_size times patience");
    }

    private static void Require(bool holds, string option, object found, string expected)
    {
        if (!holds)
        {
            throw new ArgumentException(
                string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{option} is {found}, expected {expected}."),
                option);
        }
    }
}
