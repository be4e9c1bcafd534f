// Byte-pair encoding (Sennrich et al. 2016): neighbours are joined, the best pair first, until no pair is a piece.
namespace Engine.Text.SentencePiece;

/// <summary>Cuts by a list of merges.</summary>
/// <remarks>
/// The pair whose piece has the highest score is joined first, of equal ones the leftmost. Symbols are numbers, and which two make
/// which third is one table, so nothing is compared byte by byte. Where no piece reaches over a space, a word is cut alone,
/// and its pieces are remembered.
/// </remarks>
internal sealed class BpeSegmenter : ISegmenter
{
    private const int None = -1;

    private readonly PieceTable _table;
    private readonly BpeMerges _merges;
    private readonly WordCache? _cache;
    private readonly Dictionary<int, (int Left, int Right)> _halves = [];
    private readonly PriorityQueue<Pair, (float Score, int Left)> _queue = new(new BestFirst());
    private Symbol[] _line = new Symbol[256];

    public BpeSegmenter(BpeMerges merges)
    {
        (_merges, _table) = (merges, merges.Table);
        _cache = _table.CutsAtSpaces ? new WordCache() : null;
    }

    public void Run(ReadOnlySpan<byte> text, Segments segments)
    {
        if (_cache is null)
        {
            var never = new SampleSource();
            Merge(text, 0, segments, 0, ref never);
            return;
        }

        for (int start = 0, length; start < text.Length; start += length)
        {
            length = _table.WordLength(text[start..]);
            ReadOnlySpan<byte> word = text.Slice(start, length);
            if (_cache.TryGet(word, start, segments)) continue;
            int from = segments.Count;
            var never = new SampleSource();
            Merge(word, start, segments, 0, ref never);
            _cache.Add(word, start, segments.Span[from..]);
        }
    }

    /// <summary>BPE-dropout (Provilkov et al. 2020): each merge is left out with probability alpha.</summary>
    public void Sample(ReadOnlySpan<byte> text, double alpha, ref SampleSource random, Segments segments) =>
        Merge(text, 0, segments, alpha, ref random);

    private void Merge(ReadOnlySpan<byte> text, int offset, Segments segments, double dropout, ref SampleSource random)
    {
        if (text.IsEmpty) return;
        int count = ReadSymbols(text);
        _queue.Clear();
        _halves.Clear();
        for (int i = 0; i + 1 < count; i++) Consider(i, i + 1);
        while (_queue.TryDequeue(out Pair pair, out _))
        {
            ref Symbol left = ref _line[pair.Left];
            ref Symbol right = ref _line[pair.Right];
            if (left.Length == 0 || right.Length == 0 || left.Length + right.Length != pair.Length) continue;
            if (dropout > 0 && random.Next() < dropout) continue;
            left = left with { Id = pair.Id, Length = pair.Length, Next = right.Next };
            if (right.Next >= 0) _line[right.Next].Previous = pair.Left;
            right.Length = 0;
            Consider(left.Previous, pair.Left);
            Consider(pair.Left, left.Next);
        }

        for (int i = 0; i >= 0; i = _line[i].Next) Add(_line[i].Id, offset + _line[i].Start, _line[i].Length, segments);
    }

    private int ReadSymbols(ReadOnlySpan<byte> text)
    {
        int count = 0;
        for (int start = 0, length; start < text.Length; start += length, count++)
        {
            if (count == _line.Length) Array.Resize(ref _line, 2 * count);
            ReadOnlySpan<byte> rest = text[start..];
            (int id, length) = _table.UserDefined?.Longest(rest) ?? default;
            bool isFrozen = length > 0;
            if (!isFrozen)
            {
                length = Characters.Length(rest);
                id = _merges.Symbols.Find(rest[..length]);
            }

            _line[count] = new Symbol(id, start, length, count - 1, start + length < text.Length ? count + 1 : None, isFrozen);
        }

        return count;
    }

    private void Consider(int left, int right)
    {
        if (left < 0 || right < 0) return;
        ref Symbol a = ref _line[left];
        ref Symbol b = ref _line[right];
        if (a.IsFrozen || b.IsFrozen || a.Id < 0 || b.Id < 0) return;
        int id = _merges.Pairs.Find(a.Id, b.Id);
        if (id < 0) return;
        _queue.Enqueue(new Pair(left, right, a.Length + b.Length, id), (_table.Model.Scores[id], left));
        if (_table.HasUnused && _table.Model.Types[id] == PieceType.Unused) _halves[id] = (a.Id, b.Id);
    }

    // An unused piece is cut again into the halves that were joined, or would have been, last.
    private void Add(int id, int start, int length, Segments segments)
    {
        if (_table.HasUnused && id >= 0 && id < _table.Model.Count && _table.Model.Types[id] == PieceType.Unused
            && _halves.TryGetValue(id, out (int Left, int Right) halves))
        {
            int first = _merges.Lengths[halves.Left];
            Add(halves.Left, start, first, segments);
            Add(halves.Right, start + first, length - first, segments);
            return;
        }

        segments.Add(new Segment(id >= 0 && id < _table.Model.Count ? id : _table.Model.UnknownId, start, start + length));
    }

    private record struct Symbol(int Id, int Start, int Length, int Previous, int Next, bool IsFrozen);

    private readonly record struct Pair(int Left, int Right, int Length, int Id);

    private sealed class BestFirst : IComparer<(float Score, int Left)>
    {
        public int Compare((float Score, int Left) x, (float Score, int Left) y) =>
            x.Score != y.Score ? y.Score.CompareTo(x.Score) : x.Left.CompareTo(y.Left);
    }
}
