// The counts of every segment: all that a score needs, so that a resampled corpus is a sum of rows.
namespace Engine.Evaluation;

/// <summary>A row of counts for each segment.</summary>
/// <param name="segments">How many segments there are.</param>
/// <param name="width">Counts of a segment.</param>
/// <param name="references">References of each segment; null: not all have as many.</param>
internal sealed class SegmentStatistics(int segments, int width, int? references)
{
    private readonly int[] _counts = new int[segments * (long)width];

    public int Segments => segments;

    public int Width => width;

    public int? References => references;

    public Span<int> this[int segment] => _counts.AsSpan(segment * width, width);

    /// <summary>The counts of the corpus.</summary>
    public double[] Sum()
    {
        var sum = new double[width];
        for (int segment = 0; segment < segments; segment++)
        {
            ReadOnlySpan<int> row = this[segment];
            for (int i = 0; i < row.Length; i++) sum[i] += row[i];
        }

        return sum;
    }
}
