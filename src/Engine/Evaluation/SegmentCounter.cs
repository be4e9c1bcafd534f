// What a metric does with a segment. One for each thread, since it keeps its buffers.
namespace Engine.Evaluation;

/// <summary>Counts a segment.</summary>
internal abstract class SegmentCounter
{
    /// <summary>Counts a hypothesis against its references.</summary>
    /// <param name="hypothesis">The hypothesis.</param>
    /// <param name="references">Streams of references; null: this segment has none in that stream.</param>
    /// <param name="segment">Where the segment is in the streams.</param>
    /// <param name="statistics">Takes the counts; all zero.</param>
    public abstract void Count(
        string hypothesis, IReadOnlyList<IReadOnlyList<string?>> references, int segment, Span<int> statistics);
}
