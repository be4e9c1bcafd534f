// One of the ways to cut a text.
namespace Engine.Text.SentencePiece;

/// <summary>One way to cut a text, and how probable it is.</summary>
/// <param name="Pieces">Its pieces.</param>
/// <param name="Ids">Their ids.</param>
/// <param name="Score">Sum of the pieces' log-probabilities.</param>
public sealed record ScoredPieces(IReadOnlyList<string> Pieces, IReadOnlyList<int> Ids, float Score);
