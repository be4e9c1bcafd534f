// What every format reader gives, and graph and writer take: shape, weights by one set of names, vocabularies.
using Engine.Backends;
using Engine.Models;
using Engine.Tensors;
using Engine.Text;

namespace Engine.Formats;

/// <summary>A model on the host, not yet on a backend: its weights are read when they are packed.</summary>
/// <remarks>
/// Names (S is <c>encoder</c> or <c>decoder</c>, i counts from 0; every linear weight is [outputs, inputs], biases and
/// norms are [1, width]; those marked * may be absent):
/// <code>
/// S.embedding.weight     S.positions.weight*     S.embedding_norm.{weight,bias}*     S.final_norm.{weight,bias}*
/// S.layers.i.self_attention.{query,key,value,output}.{weight,bias*}
/// S.layers.i.self_attention.score.weight* (additive)
/// S.layers.i.self_attention_norm.{weight,bias*}
/// instead of these three where other layers mix positions: S.layers.i.mixing_norm.{weight,bias*} and
/// S.layers.i.mixing.{input,hidden}.{weight,bias*} (recurrent), .mixing.filter.{weight,bias*} (convolution), or
/// .mixing.depthwise.{weight,bias*} and .mixing.pointwise.{weight,bias*} (separable convolution)
/// decoder.layers.i.cross_attention.{query,key,value,output}.{weight,bias*}
/// decoder.layers.i.cross_attention.score.weight* (additive)
/// decoder.layers.i.cross_attention_norm.{weight,bias*}
/// S.layers.i.feed_forward.{up,gate*,down}.{weight,bias*}
/// S.layers.i.feed_forward_norm.{weight,bias*}
/// output.{weight,bias*}
/// </code>
/// A gated feed-forward block is down(activation(up(x)) ⊙ gate(x)). Weights that are shared are one
/// <see cref="HostTensor"/> under several names. <see cref="ModelReader.Open"/> gives only models that have every
/// tensor that their configuration asks for, of the right shape, and no other.
/// </remarks>
public sealed class ModelData : IDisposable
{
    /// <summary>File or directory that it came from, for messages.</summary>
    public required string Path { get; init; }

    /// <summary>The format, in a few words, as in <c>CTranslate2, binary version 6</c>.</summary>
    public required string Format { get; init; }

    /// <summary>Shape of the graph.</summary>
    public required TransformerConfig Config { get; init; }

    /// <summary>Weights by name.</summary>
    public required IReadOnlyDictionary<string, HostTensor> Tensors { get; init; }

    /// <summary>Tokens of the source.</summary>
    public required Vocabulary SourceVocabulary { get; init; }

    /// <summary>Tokens of the target.</summary>
    public required Vocabulary TargetVocabulary { get; init; }

    /// <summary>Which target tokens may translate a source; null: the model brings no such map.</summary>
    public VocabularyMap? VocabularyMap { get; init; }

    /// <summary>Tokens with a meaning.</summary>
    public required SpecialTokens Tokens { get; init; }

    /// <summary>How text becomes tokens, one of <see cref="Tokenizer.Words"/>.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>The standard of <see cref="SplitLongerThan"/>: longer than nearly all sentences.</summary>
    public const int DefaultSplit = 128;

    /// <summary>
    /// Text of more tokens is better cut in sentences, because the model has hardly seen longer ones; 0: never.
    /// </summary>
    public int SplitLongerThan { get; init; } = DefaultSplit;

    /// <summary>How activations are rounded where weights are integers.</summary>
    public ActivationRounding Rounding { get; init; }

    /// <summary>The open file, closed with the model.</summary>
    public IDisposable? Resource { get; init; }

    /// <summary>The same model with something else in it. The file stays this one's, which must live as long as weights are read.</summary>
    /// <param name="tensors">Other weights; null: these.</param>
    /// <param name="tokenizer">Another tokenizer, one of <see cref="Tokenizer.Words"/>; null: this.</param>
    /// <param name="vocabularyMap">Another map of the vocabulary; null: this.</param>
    public ModelData With(
        IReadOnlyDictionary<string, HostTensor>? tensors = null, string? tokenizer = null, VocabularyMap? vocabularyMap = null) => new()
        {
            Path = Path,
            Format = Format,
            Config = Config,
            Tensors = tensors ?? Tensors,
            SourceVocabulary = SourceVocabulary,
            TargetVocabulary = TargetVocabulary,
            VocabularyMap = vocabularyMap ?? VocabularyMap,
            Tokens = Tokens,
            Tokenizer = tokenizer ?? Tokenizer,
            SplitLongerThan = SplitLongerThan,
            Rounding = Rounding,
        };

    /// <summary>Closes the file.</summary>
    public void Dispose() => Resource?.Dispose();
}

/// <summary>Tokens with a meaning, by their text.</summary>
public sealed record SpecialTokens
{
    /// <summary>Stands for what is not in the vocabulary.</summary>
    public string Unknown { get; init; } = "<unk>";

    /// <summary>Begins a source sentence where <see cref="AddSourceBegin"/> says so.</summary>
    public string Begin { get; init; } = "<s>";

    /// <summary>Ends a sentence.</summary>
    public string End { get; init; } = "</s>";

    /// <summary>What the decoder is fed first; null: the caller gives it as the first token of the prefix.</summary>
    public string? DecoderStart { get; init; } = "<s>";

    /// <summary>Whether <see cref="Begin"/> is put before the source.</summary>
    public bool AddSourceBegin { get; init; }

    /// <summary>Whether <see cref="End"/> is put after the source.</summary>
    public bool AddSourceEnd { get; init; }
}
