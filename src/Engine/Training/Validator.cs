// How good the weights of now are: the loss of the validation set, and BLEU of its translations, by the same graph that learns.
using System.Diagnostics;
using Engine.Decoding;
using Engine.Evaluation;

namespace Engine.Training;

/// <summary>Validates a model that is learning.</summary>
/// <param name="learner">The model.</param>
/// <param name="coding">Tokenizer and vocabularies.</param>
/// <param name="pairs">The validation set as ids.</param>
/// <param name="texts">The same as text.</param>
/// <param name="config">The configuration.</param>
internal sealed class Validator(
    Learner learner, TextCoding coding, SentencePairs pairs, IReadOnlyList<TextPair> texts, TrainingConfig config)
{
    // A translation of so many tokens more than twice its source is none: early weights would go on to the limit.
    private const int MoreTokens = 20;

    private readonly BatchPlan _plan = BatchPlan.Sorted(pairs, config.Training.BatchTokens);
    private readonly TrainingBatch _batch = new();

    /// <summary>Validates.</summary>
    /// <param name="step">Steps that are done.</param>
    /// <param name="cancellation">Stops the work.</param>
    public ValidationReport Run(int step, CancellationToken cancellation)
    {
        long started = Stopwatch.GetTimestamp();
        LossSums sums = Loss(cancellation);
        ValidationSettings settings = config.Validation;
        int count = settings.HasBleu ? texts.Count : Math.Min(settings.Samples, texts.Count);
        string[] translations = Translate(count, cancellation);
        BleuScore? bleu = settings.HasBleu ? Score(translations) : null;
        var samples = new List<TranslationSample>();
        for (int i = 0; i < Math.Min(settings.Samples, count); i++)
        {
            TextPair text = texts[i];
            samples.Add(new TranslationSample(coding.Readable(text.Source), coding.Readable(text.Target), translations[i]));
        }

        return new ValidationReport(
            step, sums.Loss / sums.Tokens, sums.Smoothed / sums.Tokens, bleu?.Value, bleu?.Signature, IsBest: false, samples,
            Stopwatch.GetElapsedTime(started));
    }

    private LossSums Loss(CancellationToken cancellation)
    {
        var sums = new LossSums();
        int start = learner.Model.TargetVocabulary.Id(learner.Model.Tokens.DecoderStart!);
        for (int i = 0; i < _plan.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            _batch.Fill(pairs, _plan[i], start, 0, i);
            sums += learner.Evaluate(_batch);
        }

        return sums;
    }

    private string[] Translate(int count, CancellationToken cancellation)
    {
        if (count == 0) return [];
        ValidationSettings settings = config.Validation;
        var options = new TranslatorOptions(learner.Graph.Backend) { BatchSize = settings.BatchSize };
        using var translator = Translator.Over(learner.Graph, learner.Model, options, coding.Tokenizer);
        int limit = Math.Min(config.Data.MaxLength, learner.Graph.Decoder.Limit);
        var requests = new TranslationRequest[count];
        for (int i = 0; i < count; i++)
        {
            IReadOnlyList<string> source = coding.SourceTokens(texts[i].Source);
            requests[i] = new TranslationRequest(source)
            {
                Options = new DecodingOptions
                {
                    BeamSize = settings.Beam,
                    LengthPenalty = settings.LengthPenalty,
                    MaxDecodingLength = Math.Min(limit, (2 * source.Count) + MoreTokens),
                },
            };
        }

        return
        [
            .. translator.TranslateBatch(requests, cancellation)
                .Select(result => coding.TargetText(result.Hypotheses[0].Tokens)),
        ];
    }

    private BleuScore Score(string[] translations)
    {
        var metric = new Bleu(new BleuOptions
        {
            Tokenizer = config.Validation.Tokenizer,
            Lowercase = config.Validation.Lowercase,
        });
        string[] references = [.. texts.Select(pair => coding.Readable(pair.Target))];
        return metric.Score(translations, [references]);
    }
}
