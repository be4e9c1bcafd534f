// What a host chooses when it loads a model.
using Engine.Backends;

namespace Engine.Decoding;

/// <summary>Settings of a translator.</summary>
/// <param name="Backend">Runs the graph. It stays the host's, and serves one translator at a time.</param>
public sealed record TranslatorOptions(IBackend Backend)
{
    /// <summary>
    /// Type of the weights: <c>default</c> (as in the file), <c>auto</c> (the fastest here), <c>float32</c>,
    /// <c>float16</c>, <c>bfloat16</c> (activations are rounded to it too), <c>int16</c> or <c>int8</c>.
    /// </summary>
    public string ComputeType { get; init; } = "default";

    /// <summary>Sentences that are decoded side by side.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>
    /// Text of more tokens is cut in sentences, which are translated each by itself; 0: never. Only where text is cut by
    /// SentencePiece: where tokens are given between spaces, a line is one sentence. null: as the model says.
    /// </summary>
    public int? SplitLongerThan { get; init; }

    /// <summary>Options of requests that bring none.</summary>
    public DecodingOptions Decoding { get; init; } = new();

    /// <summary>How text becomes tokens, one of <see cref="Text.Tokenizer.Words"/>; null: as the model says.</summary>
    public string? Tokenizer { get; init; }
}
