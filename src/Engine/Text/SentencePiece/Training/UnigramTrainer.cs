// A unigram language model over pieces (Kudo 2018, 3.2): many seeds, expectation maximisation, and pruning of what is missed least.

namespace Engine.Text.SentencePiece.Training;

/// <summary>Learns pieces and their probabilities.</summary>
/// <remarks>
/// The steps and their constants are those of google/sentencepiece. Sums are double where the reference has float32, and in a
/// fixed order: words go to lanes by their number, and lanes, not threads, are added up, so any number of threads gives the same bits.
/// </remarks>
internal sealed class UnigramTrainer
{
    /// <summary>How many of the pieces one pruning leaves.</summary>
    public const double ShrinkingFactor = 0.75;

    /// <summary>Iterations of expectation maximisation between two prunings.</summary>
    public const int SubIterations = 2;

    // A piece that is expected less often is dropped.
    private const double LeastExpected = 0.5;

    // Pruning ends a little above the size; the last pieces go by their probability.
    private const double Surplus = 1.1;

    // Between the scores of characters that must be pieces but were dropped.
    private const float CharacterStep = 0.0001f;

    private const int Lanes = 16;

    private readonly VocabularyCorpus _corpus;
    private readonly VocabularyOptions _options;
    private readonly ParallelOptions _parallel;
    private readonly List<CountedWord> _words;
    private readonly double _wordCount;

    public UnigramTrainer(VocabularyCorpus corpus, VocabularyOptions options)
    {
        (_corpus, _options) = (corpus, options);
        _parallel = new ParallelOptions { MaxDegreeOfParallelism = options.Threads == 0 ? Environment.ProcessorCount : options.Threads };
        _words = corpus.Words();
        _wordCount = _words.Sum(static word => (double)word.Count);
    }

    /// <summary>Learns so many pieces, the most probable first; fewer, if there are no more.</summary>
    public List<(byte[] Text, float Score)> Train(int count, Action<string>? progress, CancellationToken cancellation)
    {
        _parallel.CancellationToken = cancellation;
        var model = new UnigramPieces(Seeds());
        progress?.Invoke($"{model.Count:N0} seeds; {_words.Count:N0} different words.");
        int enough = (int)(_options.Size * Surplus);
        while (true)
        {
            double loss = 0;
            for (int i = 0; i < SubIterations; i++)
            {
                double[] expected = Expect(model, out loss);
                model = Maximize(model, expected);
            }

            progress?.Invoke($"{model.Count:N0} pieces; {loss:F4} nats a word.");
            if (model.Count <= enough) break;
            int before = model.Count;
            model = Prune(model, enough);
            if (model.Count == before) break;   // no piece can be spared
        }

        return Finish(model, count);
    }

    // All characters, and the substrings that cover the most text.
    private List<(byte[] Text, double Score)> Seeds()
    {
        int[] text = _corpus.Characters;
        var rules = new PieceRules(_options);
        var substrings = new List<(long Covered, RepeatedSubstring Place)>();
        foreach (RepeatedSubstring found in RepeatedSubstrings.Find(text, _options.MaxPieceLength))
        {
            if (found.Length > 1 && rules.Allow(text.AsSpan(found.Start, found.Length)))
                substrings.Add(((long)found.Length * found.Count, found));
        }

        List<(byte[] Text, double Score)> seeds = [.. _corpus.Required.Select(static pair => (Characters.ToUtf8([pair.Character]), (double)pair.Count))];
        seeds.AddRange(substrings.OrderByDescending(static pair => pair.Covered).Take(_options.SeedSize)
            .Select(pair => (Characters.ToUtf8(text.AsSpan(pair.Place.Start, pair.Place.Length)), (double)pair.Covered)));
        double sum = seeds.Sum(static seed => seed.Score);
        return [.. seeds.Select(seed => (seed.Text, Math.Log(seed.Score / sum)))];
    }

    // How often each piece is expected in the text, and the negative log-likelihood of a word.
    private double[] Expect(UnigramPieces model, out double loss)
    {
        var expected = new double[Lanes][];
        var losses = new double[Lanes];
        Parallel.For(0, Lanes, _parallel, lane =>
        {
            var graph = new WordGraph(model);
            double[] sums = expected[lane] = new double[model.Count];
            for (int i = lane; i < _words.Count; i += Lanes)
            {
                graph.Read(_words[i].Text);
                losses[lane] -= graph.AddExpected(_words[i].Count, sums) / _wordCount;
            }
        });

        for (int lane = 1; lane < Lanes; lane++)
            for (int id = 0; id < model.Count; id++) expected[0][id] += expected[lane][id];
        loss = losses.Sum();
        return expected[0];
    }

    // With a sparse prior: exp(digamma(count)) instead of the count makes rare pieces rarer (Liang & Klein 2007).
    private static UnigramPieces Maximize(UnigramPieces model, double[] expected)
    {
        var kept = new List<(byte[] Text, double Score)>();
        double sum = 0;
        for (int id = 0; id < model.Count; id++)
        {
            if (expected[id] < LeastExpected) continue;
            kept.Add((model.Texts[id], expected[id]));
            sum += expected[id];
        }

        double all = Digamma(sum);
        return new UnigramPieces([.. kept.Select(piece => (piece.Text, Digamma(piece.Score) - all))]);
    }

    // Drops the pieces without which the text loses least of its likelihood, if each were replaced by the best other way to cut it.
    private UnigramPieces Prune(UnigramPieces model, int enough)
    {
        var alternatives = new int[]?[model.Count];   // null: it is cut itself, so it is not needed
        var uses = new long[Lanes][];
        Parallel.For(0, Lanes, _parallel, lane =>
        {
            var graph = new WordGraph(model);
            for (int id = lane; id < model.Count; id += Lanes)
            {
                graph.Read(model.Texts[id]);
                alternatives[id] = graph.Alternative(id);
            }

            long[] counts = uses[lane] = new long[model.Count];
            for (int i = lane; i < _words.Count; i += Lanes)
            {
                graph.Read(_words[i].Text);
                graph.AddBest(_words[i].Count, counts);
            }
        });

        for (int lane = 1; lane < Lanes; lane++)
            for (int id = 0; id < model.Count; id++) uses[0][id] += uses[lane][id];
        long[] counted = uses[0];
        double sum = counted.Sum(), logSum = Math.Log(sum);
        var kept = new List<int>();
        var candidates = new List<(int Id, double Loss)>();
        for (int id = 0; id < model.Count; id++)
        {
            double count = counted[id];
            if (count == 0 || alternatives[id] is not { } others) continue;
            if (others.Length == 0)
            {
                kept.Add(id);
                continue;
            }

            double logSumWithout = Math.Log(sum + (count * (others.Length - 1))), without = 0;
            foreach (int other in others) without += Math.Log(counted[other] + count) - logSumWithout;
            candidates.Add((id, count / _wordCount * (Math.Log(count) - logSum - without)));
        }

        int size = Math.Max(enough, (int)(ShrinkingFactor * model.Count));
        kept.AddRange(candidates.OrderByDescending(static candidate => candidate.Loss)
            .Take(Math.Max(0, size - kept.Count)).Select(static candidate => candidate.Id));
        return new UnigramPieces([.. kept.Select(id => (model.Texts[id], model.Scores[id]))]);
    }

    // The characters that must be there, then the most probable others.
    private List<(byte[] Text, float Score)> Finish(UnigramPieces model, int count)
    {
        var pieces = new List<(byte[] Text, float Score)>();
        var seen = new HashSet<int>();
        float penalty = 0;
        foreach (var (character, _) in _corpus.Required)
        {
            byte[] text = Characters.ToUtf8([character]);
            int id = model.Trie.Find(text);
            if (id >= 0)
            {
                seen.Add(id);
                pieces.Add((text, (float)model.Scores[id]));
            }
            else
            {
                pieces.Add((text, (float)model.LeastScore + penalty));
                penalty += CharacterStep;
            }
        }

        pieces.AddRange(Enumerable.Range(0, model.Count).Where(id => !seen.Contains(id))
            .Select(id => (model.Texts[id], (float)model.Scores[id])).Order(BestFirst).Take(count - pieces.Count));
        pieces.Sort(BestFirst);
        return pieces;
    }

    private static Comparer<(byte[] Text, float Score)> BestFirst { get; } = Comparer<(byte[] Text, float Score)>.Create(
        static (x, y) => x.Score != y.Score ? y.Score.CompareTo(x.Score) : x.Text.AsSpan().SequenceCompareTo(y.Text));

    // By recurrence up to 7, then the asymptotic series.
    private static double Digamma(double x)
    {
        double result = 0;
        for (; x < 7; x++) result -= 1 / x;
        x -= 0.5;
        double square = 1 / (x * x);
        return result + Math.Log(x)
            + (square * ((1.0 / 24) + (square * ((-7.0 / 960) + (square * ((31.0 / 8064) + (square * (-127.0 / 30720))))))));
    }
}
