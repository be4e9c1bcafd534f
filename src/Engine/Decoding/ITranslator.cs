// What hosts ask of a loaded model, whether one translator answers or several on as many devices.
using Engine.Explaining;
using Engine.Models;
using Engine.Text;

namespace Engine.Decoding;

/// <summary>A loaded model that translates. Any number of threads may call it; no result depends on what else is asked.</summary>
public interface ITranslator : IDisposable
{
    /// <summary>Shape of the model.</summary>
    TransformerConfig Config { get; }

    /// <summary>Format that it was loaded from.</summary>
    string Format { get; }

    /// <summary>Bytes of its weights in the memory of the backends.</summary>
    long WeightBytes { get; }

    /// <summary>Tokens of the source.</summary>
    Vocabulary SourceVocabulary { get; }

    /// <summary>Tokens of the target.</summary>
    Vocabulary TargetVocabulary { get; }

    /// <summary>How text becomes tokens.</summary>
    ITokenizer Tokenizer { get; }

    /// <summary>Text of more tokens is cut in sentences; 0: never.</summary>
    int SplitLongerThan { get; }

    /// <summary>
    /// Translates plain text: tokenizes it, cuts it if it is long (<see cref="TranslatorOptions.SplitLongerThan"/>), translates, and
    /// joins the tokens of the best hypothesis.
    /// </summary>
    /// <param name="text">One line of text.</param>
    /// <param name="options">Options; null: those of the translator.</param>
    string Translate(string text, DecodingOptions? options = null);

    /// <summary>Translates a sentence and waits for it.</summary>
    /// <param name="request">The sentence.</param>
    /// <exception cref="ArgumentException">An option has a value that it cannot have.</exception>
    /// <exception cref="SequenceTooLongException">The source is longer than the model's table of positions.</exception>
    /// <exception cref="OutOfMemoryException">The device has no room for it, although it is alone.</exception>
    TranslationResult Translate(TranslationRequest request);

    /// <summary>Translates sentences, results in their order.</summary>
    /// <param name="requests">The sentences.</param>
    /// <param name="cancellation">Stops the work.</param>
    IReadOnlyList<TranslationResult> TranslateBatch(
        IReadOnlyList<TranslationRequest> requests, CancellationToken cancellation = default);

    /// <summary>
    /// Translates a sentence; the task fails with an <see cref="ArgumentException"/> or a
    /// <see cref="SequenceTooLongException"/> if the request is wrong, with an <see cref="OutOfMemoryException"/> if the device has no
    /// room for it, and is cancelled with the token.
    /// </summary>
    /// <param name="request">The sentence.</param>
    /// <param name="cancellation">Takes the sentence out of the batch.</param>
    Task<TranslationResult> TranslateAsync(TranslationRequest request, CancellationToken cancellation = default);

    /// <summary>
    /// Translates sentences while they still come; at most four batches are under way, so memory stays flat.
    /// </summary>
    /// <param name="requests">The sentences.</param>
    /// <param name="ordered">Whether results come in the order of the requests, or as they finish.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <returns>Each result with the number of its request, from 0.</returns>
    IAsyncEnumerable<(long Index, TranslationResult Result)> TranslateStreamAsync(
        IAsyncEnumerable<TranslationRequest> requests, bool ordered = true, CancellationToken cancellation = default);

    /// <summary>Scores a given translation; fails and is cancelled like <see cref="TranslateAsync"/>.</summary>
    /// <param name="request">Source and target.</param>
    /// <param name="cancellation">Takes the request back.</param>
    Task<ScoreResult> ScoreAsync(ScoreRequest request, CancellationToken cancellation = default);

    /// <summary>
    /// Translates a sentence, and runs the whole graph once more over it and its best translation to tell what each head looked at;
    /// fails and is cancelled like <see cref="TranslateAsync"/>. The weights need memory for every head, query and key.
    /// </summary>
    /// <param name="request">The sentence; it needs at least one token.</param>
    /// <param name="cancellation">Takes the request back.</param>
    Task<Explanation> ExplainAsync(TranslationRequest request, CancellationToken cancellation = default);
}
