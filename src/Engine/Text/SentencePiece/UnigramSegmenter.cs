// The most probable sequence of pieces (Kudo 2018), by Viterbi's algorithm over the bytes of the text.
namespace Engine.Text.SentencePiece;

/// <summary>Cuts by a unigram model.</summary>
/// <remarks>
/// As google/sentencepiece computes it, to the bit: totals are float32, the sum that is compared with them is double, and only a
/// strictly better one replaces what was found before, so of equal ones the path whose last piece begins first wins.
/// </remarks>
internal sealed class UnigramSegmenter : ISegmenter
{
    // What an unknown character costs beside the worst piece.
    private const float UnknownPenalty = 10;

    // Scores are negative; the reference begins its search for the largest with the smallest normal float32.
    private const float SmallestNormal = 1.17549435e-38f;

    private readonly PieceTable _table;
    private readonly double[] _scores;
    private readonly float _unknownScore;
    private readonly float _mostScore;
    private Node[] _best = new Node[1024];

    public UnigramSegmenter(PieceTable table)
    {
        _table = table;
        SentencePieceModel model = table.Model;
        float least = float.MaxValue;
        _mostScore = SmallestNormal;
        for (int id = 0; id < model.Count; id++)
        {
            if (model.Types[id] != PieceType.Normal) continue;
            least = Math.Min(least, model.Scores[id]);
            _mostScore = Math.Max(_mostScore, model.Scores[id]);
        }

        _unknownScore = least - UnknownPenalty;
        _scores = [.. Enumerable.Range(0, model.Count).Select(id => model.Types[id] switch
        {
            PieceType.UserDefined => (table.Bytes[id].Length * _mostScore) - 0.1,
            PieceType.Unused => double.NaN,   // found, but never taken
            _ => model.Scores[id],
        })];
    }

    public void Run(ReadOnlySpan<byte> text, Segments segments)
    {
        if (text.IsEmpty) return;
        if (_best.Length <= text.Length) _best = new Node[Math.Max(2 * _best.Length, text.Length + 1)];
        Span<Node> best = _best.AsSpan(0, text.Length + 1);
        best.Fill(Node.None);
        best[0] = default;
        ReadOnlySpan<double> scores = _scores;
        PieceTrie pieces = _table.Text;
        int unknown = _table.Model.UnknownId;
        for (int start = 0, length; start < text.Length; start += length)
        {
            length = Math.Min(Characters.Length(text[start]), text.Length - start);
            float before = best[start].Score;
            bool isKnown = false;
            int trie = PieceTrie.Root;
            for (int at = start; at < text.Length;)
            {
                int id = pieces.Step(ref trie, text[at++]);
                if (id < 0)
                {
                    if (id == -2) break;
                    continue;
                }

                double score = scores[id] + before;
                if (double.IsNaN(score)) continue;
                ref Node end = ref best[at];
                if (end.Start < 0 || score > end.Score) end = new Node((float)score, start, id);
                isKnown |= at - start == length;
            }

            if (isKnown) continue;
            ref Node next = ref best[start + length];
            float total = _unknownScore + before;
            if (next.Start < 0 || total > next.Score) next = new Node(total, start, unknown);
        }

        int first = segments.Count;
        for (int end = text.Length; end > 0; end = best[end].Start)
            segments.Add(new Segment(best[end].Id, best[end].Start, end));
        segments.Reverse(first);
    }

    /// <summary>Draws a path with probability proportional to exp(alpha · its score): forward sums, then backwards draws.</summary>
    public void Sample(ReadOnlySpan<byte> text, double alpha, ref SampleSource random, Segments segments)
    {
        var lattice = new Lattice(text, this);
        lattice.Sample(alpha, ref random, segments);
    }

    /// <summary>The best paths, best first, each with its score.</summary>
    public List<(Segment[] Segments, float Score)> Best(ReadOnlySpan<byte> text, int count) => new Lattice(text, this).Best(count);

    /// <summary>All pieces that may stand at a place, shortest first, the unknown character if nothing else is one.</summary>
    public void Candidates(ReadOnlySpan<byte> text, int start, List<(int Id, int End, float Score)> found)
    {
        SentencePieceModel model = _table.Model;
        int length = Math.Min(Characters.Length(text[start]), text.Length - start), trie = PieceTrie.Root;
        bool isKnown = false;
        for (int at = start; at < text.Length;)
        {
            int id = _table.Text.Step(ref trie, text[at++]);
            if (id == -2) break;
            if (id < 0 || model.Types[id] == PieceType.Unused) continue;
            float score = model.Types[id] == PieceType.UserDefined
                ? (float)((CountOf(text[start..at]) * _mostScore) - 0.1)   // here the reference counts characters, not bytes
                : model.Scores[id];
            found.Add((id, at, score));
            isKnown |= at - start == length;
        }

        if (!isKnown) found.Add((model.UnknownId, start + length, _unknownScore));
    }

    private static int CountOf(ReadOnlySpan<byte> text)
    {
        int count = 0;
        for (; !text.IsEmpty; count++) text = text[Characters.Length(text)..];
        return count;
    }

    private readonly record struct Node(float Score, int Start, int Id)
    {
        public static Node None => new(0, -1, -1);
    }
}
