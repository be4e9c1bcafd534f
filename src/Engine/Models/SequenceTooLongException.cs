// A model with a table of positions ends where its table ends.
namespace Engine.Models;

/// <summary>A sequence is longer than the model's table of positions.</summary>
public sealed class SequenceTooLongException : Exception
{
    /// <summary>Says how long the sequence is and what the model allows.</summary>
    /// <param name="what">Which sequence, as in <c>the source</c>.</param>
    /// <param name="length">Its length in tokens.</param>
    /// <param name="limit">The most tokens that the model's positions allow.</param>
    public SequenceTooLongException(string what, int length, int limit)
        : base($"{what} has {length:N0} tokens, the model's table of positions ends after {limit:N0}.")
    {
        Length = length;
        Limit = limit;
    }

    /// <summary>Tokens of the sequence.</summary>
    public int Length { get; }

    /// <summary>The most tokens that the model allows.</summary>
    public int Limit { get; }
}
