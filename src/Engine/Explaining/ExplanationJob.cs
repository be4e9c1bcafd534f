// A sentence and its translation that wait to be explained.
using Engine.Decoding;

namespace Engine.Explaining;

/// <summary>What the one thread of a translator is asked.</summary>
internal sealed class ExplanationJob
{
    /// <summary>Ids of the source as the encoder sees it.</summary>
    public required int[] SourceIds { get; init; }

    /// <summary>Start token, translation, end token.</summary>
    public required int[] TargetIds { get; init; }

    /// <summary>What the search found.</summary>
    public required IReadOnlyList<Hypothesis> Hypotheses { get; init; }

    /// <summary>Takes the result.</summary>
    public required TaskCompletionSource<Explanation> Completion { get; init; }

    /// <summary>Asks to stop.</summary>
    public required CancellationToken Cancellation { get; init; }
}
