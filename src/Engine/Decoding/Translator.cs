// The main job: tokens in, tokens out, many sentences at once.
using Engine.Models;
using Engine.Text;

namespace Engine.Decoding;

/// <summary>
/// A loaded model that translates. Any number of threads may call it: their sentences share one continuous batch.
/// </summary>
public sealed class Translator : IDisposable
{
    private Translator()
    {
    }

    /// <summary>Loads a model: a directory of CTranslate2 or of the engine's own format.</summary>
    public static Translator Load(string path, TranslatorOptions options) => throw new NotSupportedException();

    /// <summary>Shape of the model.</summary>
    public TransformerConfig Config => throw new NotSupportedException();

    /// <summary>Format that it was loaded from.</summary>
    public string Format => throw new NotSupportedException();

    /// <summary>Bytes of its weights in the backend's memory.</summary>
    public long WeightBytes => throw new NotSupportedException();

    /// <summary>Tokens of the source.</summary>
    public Vocabulary SourceVocabulary => throw new NotSupportedException();

    /// <summary>Tokens of the target.</summary>
    public Vocabulary TargetVocabulary => throw new NotSupportedException();

    /// <summary>How text becomes tokens.</summary>
    public ITokenizer Tokenizer => throw new NotSupportedException();

    /// <summary>Translates plain text.</summary>
    public string Translate(string text, DecodingOptions? options = null) => throw new NotSupportedException();

    /// <summary>Translates a sentence.</summary>
    public TranslationResult Translate(TranslationRequest request) => throw new NotSupportedException();

    /// <summary>Translates a sentence; the task fails if the request is wrong, and is cancelled with the token.</summary>
    public Task<TranslationResult> TranslateAsync(TranslationRequest request, CancellationToken cancellation = default) =>
        throw new NotSupportedException();

    /// <summary>Scores a given translation.</summary>
    public Task<ScoreResult> ScoreAsync(ScoreRequest request, CancellationToken cancellation = default) =>
        throw new NotSupportedException();

    /// <summary>Ends the work.</summary>
    public void Dispose() => throw new NotSupportedException();
}
