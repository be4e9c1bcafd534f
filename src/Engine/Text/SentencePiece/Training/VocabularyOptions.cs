// What a vocabulary is to be. Names and defaults mean what they mean in google/sentencepiece's trainer.
namespace Engine.Text.SentencePiece.Training;

/// <summary>Settings of a training.</summary>
/// <param name="Size">Pieces of the whole vocabulary, special ones included.</param>
public sealed record VocabularyOptions(int Size)
{
    /// <summary>The longest piece that may be asked for, in characters.</summary>
    public const int MostPieceLength = 512;

    /// <summary>Unigram or Bpe.</summary>
    public SegmentationType Type { get; init; } = SegmentationType.Unigram;

    /// <summary>Which share of the text's characters must be pieces; the rarest are left out and become unknown. 0.98 .. 1.</summary>
    public float CharacterCoverage { get; init; } = 0.9995f;

    /// <summary>Whether characters that no piece matches become bytes: 256 pieces more.</summary>
    public bool HasByteFallback { get; init; }

    /// <summary>Pieces that are found in text before all others.</summary>
    public IReadOnlyList<string> UserDefined { get; init; } = [];

    /// <summary>Pieces that are never found in text.</summary>
    public IReadOnlyList<string> Control { get; init; } = [];

    /// <summary>Id of the unknown piece.</summary>
    public int UnknownId { get; init; }

    /// <summary>Id of the piece that begins a sentence; below 0: none.</summary>
    public int BeginId { get; init; } = 1;

    /// <summary>Id of the piece that ends a sentence; below 0: none.</summary>
    public int EndId { get; init; } = 2;

    /// <summary>Id of the piece that fills batches; below 0: none.</summary>
    public int PadId { get; init; } = -1;

    /// <summary>The unknown piece.</summary>
    public string UnknownPiece { get; init; } = "<unk>";

    /// <summary>The piece that begins a sentence.</summary>
    public string BeginPiece { get; init; } = "<s>";

    /// <summary>The piece that ends a sentence.</summary>
    public string EndPiece { get; init; } = "</s>";

    /// <summary>The piece that fills batches.</summary>
    public string PadPiece { get; init; } = "<pad>";

    /// <summary>Characters of the longest piece. 1 .. <see cref="MostPieceLength"/>.</summary>
    public int MaxPieceLength { get; init; } = 16;

    /// <summary>Whether each digit is a piece of its own.</summary>
    public bool SplitsDigits { get; init; }

    /// <summary>
    /// BPE: whether pairs that share a character both count, as "aa" twice in "aaa". google/sentencepiece counts them once up to
    /// its version 0.1.98, and twice from 0.1.99 on.
    /// </summary>
    public bool CountsOverlaps { get; init; }

    /// <summary>Unigram: how many substrings the pieces are chosen from.</summary>
    public int SeedSize { get; init; } = 1_000_000;

    /// <summary>Longer lines, in bytes, are left out.</summary>
    public int MaxLineBytes { get; init; } = 4192;

    /// <summary>Threads to compute with; 0: one for each processor. The pieces are the same for any number.</summary>
    public int Threads { get; init; }

    /// <summary>How text is prepared: a name of <see cref="CharacterMaps"/>.</summary>
    public string Normalization { get; init; } = CharacterMaps.NmtNfkc;

    /// <summary>Whether a space is put before the text, so that its first word is as any other.</summary>
    public bool AddsDummyPrefix { get; init; } = true;

    /// <summary>Whether spaces at the ends are removed, and several become one.</summary>
    public bool RemovesExtraSpaces { get; init; } = true;
}
