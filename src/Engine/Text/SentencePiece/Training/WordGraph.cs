// All ways to cut a word in pieces: the expectations of forward and backward, the best way, and the best without a piece.
namespace Engine.Text.SentencePiece.Training;

/// <summary>A directed graph from the beginning of a word to its end; an edge is a piece. One is used for many words.</summary>
internal sealed class WordGraph(UnigramPieces model)
{
    // A character that is no piece counts as the first piece: so the reference has it.
    private const int Unknown = 0;

    private readonly List<Edge> _edges = [];
    private int[] _lastInto = [];        // by place: the last edge that ends there, or −1
    private double[] _score = [];        // by place: log-probability of what is before
    private double[] _weight = [];       // by place: how probable it is that a cut lies there
    private double[] _share = [];        // by edge
    private int[] _bestInto = [];        // by place: the edge of the best way, or −1
    private int _length;

    /// <summary>Finds the edges of a word.</summary>
    public void Read(ReadOnlySpan<byte> word)
    {
        _length = word.Length;
        _edges.Clear();
        if (_lastInto.Length <= word.Length)
        {
            int size = Math.Max(2 * _lastInto.Length, word.Length + 1);
            (_lastInto, _score, _weight) = (new int[size], new double[size], new double[size]);
        }

        _lastInto.AsSpan(0, word.Length + 1).Fill(-1);
        for (int start = 0, length; start < word.Length; start += length)
        {
            length = Characters.Length(word[start..]);
            bool isKnown = false;
            int node = PieceTrie.Root;
            for (int at = start; at < word.Length;)
            {
                int id = model.Trie.Step(ref node, word[at++]);
                if (id == -2) break;
                if (id < 0) continue;
                Add(new Edge(id, start, at, model.Scores[id], _lastInto[at]));
                isKnown |= at - start == length;
            }

            int end = start + length;
            if (!isKnown) Add(new Edge(Unknown, start, end, model.UnknownScore, _lastInto[end]));
        }

        void Add(Edge edge)
        {
            _lastInto[edge.End] = _edges.Count;
            _edges.Add(edge);
        }
    }

    /// <summary>Adds how often each piece is expected in a word that stands so often.</summary>
    /// <remarks>
    /// From the end backwards, a place's probability is shared among the edges into it in proportion to the probability
    /// of all that leads through them: nothing can overflow, and an edge costs one exponential.
    /// </remarks>
    /// <returns>The log-likelihood of the word, times how often it stands.</returns>
    public double AddExpected(double count, double[] expected)
    {
        if (_share.Length < _edges.Count) _share = new double[2 * _edges.Count];
        _score[0] = 0;
        for (int place = 1; place <= _length; place++)
        {
            int last = _lastInto[place];
            _weight[place] = 0;
            if (last < 0) continue;   // within a character
            double most = double.NegativeInfinity, sum = 0;
            for (int i = last; i >= 0; i = _edges[i].Before) most = Math.Max(most, _share[i] = _score[_edges[i].Start] + _edges[i].Score);
            for (int i = last; i >= 0; i = _edges[i].Before) sum += _share[i] = Math.Exp(_share[i] - most);
            for (int i = last; i >= 0; i = _edges[i].Before) _share[i] /= sum;
            _score[place] = most + Math.Log(sum);
        }

        _weight[_length] = count;
        for (int place = _length; place > 0; place--)
        {
            for (int i = _lastInto[place]; i >= 0; i = _edges[i].Before)
            {
                Edge edge = _edges[i];
                double weight = _weight[place] * _share[i];
                expected[edge.Id] += weight;
                _weight[edge.Start] += weight;
            }
        }

        return count * _score[_length];
    }

    /// <summary>Counts the pieces of the best way to cut a word that stands so often.</summary>
    public void AddBest(long count, long[] counts)
    {
        foreach (Edge edge in Best(without: -1)) counts[edge.Id] += count;
    }

    /// <summary>The best way to cut a piece without itself: none if there is no way, null if it is better than the piece.</summary>
    public int[]? Alternative(int piece)
    {
        List<Edge> best = Best(piece);
        if (best.Count == 0) return [];
        return _score[_length] > model.Scores[piece] ? null : [.. best.Select(static edge => edge.Id)];
    }

    // Viterbi's algorithm, where one edge over the whole word may be barred.
    private List<Edge> Best(int without)
    {
        _score[0] = 0;
        Span<double> score = _score.AsSpan(0, _length + 1);
        var path = new List<Edge>();
        score[1..].Fill(double.NegativeInfinity);
        int[] best = _bestInto = _bestInto.Length > _length ? _bestInto : new int[2 * (_length + 1)];
        for (int place = 1; place <= _length; place++)
        {
            best[place] = -1;
            for (int i = _lastInto[place]; i >= 0; i = _edges[i].Before)
            {
                Edge edge = _edges[i];
                double total = score[edge.Start] + edge.Score;
                bool isBarred = edge.Id == without && edge.Start == 0 && place == _length;
                if (isBarred || total < score[place] || double.IsNegativeInfinity(total)) continue;
                (score[place], best[place]) = (total, i);   // of equals the one that begins first, which is looked at last
            }
        }

        if (best[_length] < 0) return path;
        for (int place = _length; place > 0; place = _edges[best[place]].Start) path.Add(_edges[best[place]]);
        return path;
    }

    private readonly record struct Edge(int Id, int Start, int End, double Score, int Before);
}
