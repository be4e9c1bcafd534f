// The pieces of a unigram model while it is learned.
namespace Engine.Text.SentencePiece.Training;

/// <summary>Pieces with their log-probabilities, and how to find them. Immutable.</summary>
internal sealed class UnigramPieces
{
    // What a character that is no piece costs beside the worst piece.
    private const double UnknownPenalty = 10;

    public UnigramPieces(List<(byte[] Text, double Score)> pieces)
    {
        Texts = [.. pieces.Select(static piece => piece.Text)];
        Scores = [.. pieces.Select(static piece => piece.Score)];
        Trie = PieceTrie.Make(Texts.Select(static (text, id) => (text, id)));
        LeastScore = Scores.Length == 0 ? 0 : Scores.Min();
    }

    /// <summary>How many there are.</summary>
    public int Count => Texts.Length;

    /// <summary>In UTF-8.</summary>
    public byte[][] Texts { get; }

    public double[] Scores { get; }

    public PieceTrie Trie { get; }

    public double LeastScore { get; }

    public double UnknownScore => LeastScore - UnknownPenalty;
}
