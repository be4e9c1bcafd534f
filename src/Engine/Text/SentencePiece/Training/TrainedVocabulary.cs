// A vocabulary that was learned, and the files that it becomes.
using System.Globalization;

namespace Engine.Text.SentencePiece.Training;

/// <summary>A piece of a vocabulary.</summary>
/// <param name="Text">The piece.</param>
/// <param name="Score">Log-probability (Unigram), or minus its place among the merges (BPE).</param>
/// <param name="Type">What it is for.</param>
public readonly record struct TrainedPiece(string Text, float Score, PieceType Type);

/// <summary>Pieces in the order of their ids.</summary>
public sealed class TrainedVocabulary
{
    private readonly VocabularyOptions _options;

    internal TrainedVocabulary(IReadOnlyList<TrainedPiece> pieces, VocabularyOptions options) => (Pieces, _options) = (pieces, options);

    /// <summary>The pieces.</summary>
    public IReadOnlyList<TrainedPiece> Pieces { get; }

    /// <summary>The model file, which <see cref="SentencePieceModel"/> and SentencePiece itself read.</summary>
    public byte[] ToModel() => SentencePieceModelWriter.Write(Pieces, _options);

    /// <summary>Writes each piece and its score on a line, as the file <c>.vocab</c> of SentencePiece has them.</summary>
    public void WriteTo(TextWriter vocab)
    {
        // Six digits and a small e, as C++ streams write numbers.
        foreach (TrainedPiece piece in Pieces)
            vocab.Write($"{piece.Text}\t{piece.Score.ToString("g6", CultureInfo.InvariantCulture)}\n");
    }
}
