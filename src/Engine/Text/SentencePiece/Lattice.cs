// All ways to cut a text in pieces of a unigram model: the best of them, and draws among them.
namespace Engine.Text.SentencePiece;

/// <summary>A directed graph from the beginning of a text to its end; an edge is a piece.</summary>
internal sealed class Lattice
{
    // Paths of the search beyond which the worse ones are forgotten, and how many are kept.
    private const int MostPaths = 100_000;
    private const int KeptPaths = 512;

    private readonly int _length;
    private readonly List<Edge>[] _ending;
    private readonly double[] _bestTo;

    public Lattice(ReadOnlySpan<byte> text, UnigramSegmenter model)
    {
        _length = text.Length;
        _ending = [.. Enumerable.Range(0, _length + 1).Select(static _ => new List<Edge>())];
        _bestTo = new double[_length + 1];
        _bestTo.AsSpan(1).Fill(double.NegativeInfinity);
        var found = new List<(int Id, int End, float Score)>();
        for (int start = 0; start < _length; start += Characters.Length(text[start..]))
        {
            found.Clear();
            model.Candidates(text, start, found);
            foreach (var (id, end, score) in found)
            {
                _ending[end].Add(new Edge(id, start, end, score));
                _bestTo[end] = Math.Max(_bestTo[end], _bestTo[start] + score);
            }
        }
    }

    /// <summary>The best paths by A*, backwards: the best way from the beginning to a place is known, so the estimate is exact.</summary>
    public List<(Segment[] Segments, float Score)> Best(int count)
    {
        var results = new List<(Segment[] Segments, float Score)>();
        var open = new PriorityQueue<Path, (double Cost, int Order)>();
        int order = 0;
        open.Enqueue(new Path(null, default, _length, 0), default);
        while (results.Count < count && open.TryDequeue(out Path? path, out _))
        {
            if (path.Start == 0)
            {
                results.Add((path.Segments(), (float)path.Score));
                continue;
            }

            foreach (Edge edge in _ending[path.Start])
            {
                double score = path.Score + edge.Score;
                open.Enqueue(new Path(path, edge, edge.Start, score), (-(score + _bestTo[edge.Start]), order++));
            }

            if (open.Count <= MostPaths) continue;
            var kept = new PriorityQueue<Path, (double Cost, int Order)>();
            for (int i = 0; i < Math.Min(KeptPaths, 10 * count) && open.TryDequeue(out Path? best, out var cost); i++)
                kept.Enqueue(best, cost);
            open = kept;
        }

        return results;
    }

    /// <summary>Draws a path with probability proportional to exp(alpha · score).</summary>
    public void Sample(double alpha, ref SampleSource random, Segments segments)
    {
        var sums = new double[_length + 1];   // log of the sum over all paths to a place
        for (int end = 1; end <= _length; end++) sums[end] = LogSum(end);
        int first = segments.Count;
        for (int end = _length; end > 0;)
        {
            double rest = random.Next();
            Edge taken = _ending[end][^1];
            foreach (Edge edge in _ending[end])
            {
                rest -= Math.Exp(sums[edge.Start] + (alpha * edge.Score) - sums[end]);
                if (rest >= 0) continue;
                taken = edge;
                break;
            }

            segments.Add(new Segment(taken.Id, taken.Start, taken.End));
            end = taken.Start;
        }

        segments.Reverse(first);

        double LogSum(int end)
        {
            if (_ending[end].Count == 0) return double.NegativeInfinity;
            double most = _ending[end].Max(edge => sums[edge.Start] + (alpha * edge.Score));
            return most + Math.Log(_ending[end].Sum(edge => Math.Exp(sums[edge.Start] + (alpha * edge.Score) - most)));
        }
    }

    private readonly record struct Edge(int Id, int Start, int End, float Score);

    // A path from a place to the end of the text.
    private sealed record Path(Path? Next, Edge First, int Start, double Score)
    {
        public Segment[] Segments()
        {
            var segments = new List<Segment>();
            for (Path path = this; path.Next is not null; path = path.Next)
                segments.Add(new Segment(path.First.Id, path.First.Start, path.First.End));
            return [.. segments];
        }
    }
}
