// The pieces of a line as the segmenters write them: ids and the stretch of normalised text that each covers.
namespace Engine.Text.SentencePiece;

/// <summary>A piece in text; a byte piece covers no text.</summary>
internal readonly record struct Segment(int Id, int Start, int End);

/// <summary>A list that is used again for the next line.</summary>
internal sealed class Segments
{
    private Segment[] _segments = new Segment[256];

    public int Count { get; private set; }

    public ReadOnlySpan<Segment> Span => _segments.AsSpan(0, Count);

    public void Clear() => Count = 0;

    public void Add(Segment segment)
    {
        if (Count == _segments.Length) Array.Resize(ref _segments, 2 * Count);
        _segments[Count++] = segment;
    }

    /// <summary>Turns round what was added since there were so many.</summary>
    public void Reverse(int from) => _segments.AsSpan(from, Count - from).Reverse();
}
