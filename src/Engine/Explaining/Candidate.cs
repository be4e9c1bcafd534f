// What a model might have said instead of a token.
namespace Engine.Explaining;

/// <summary>A token that might stand at a place of the translation.</summary>
/// <param name="token">The token.</param>
/// <param name="score">Its log-probability, given all that stands before it.</param>
public sealed class Candidate(string token, float score)
{
    /// <summary>The token.</summary>
    public string Token { get; } = token;

    /// <summary>Its log-probability, given all that stands before it.</summary>
    public float Score { get; } = score;
}
