// chrF: the F-score of character n-grams (Popović 2015), and of word n-grams beside them (chrF++, Popović 2017), as
// sacrebleu computes and names it (Post 2018).
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Engine.Evaluation;

/// <summary>
/// chrF (Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation") and chrF++ (Popović 2017, "chrF++:
/// words helping character n-grams"): <c>(1 + β²) P R / (β² P + R)</c>, where P and R are the means over all orders of
/// precision and recall. Counts are added up over the corpus before anything is divided; of several references a segment
/// takes the one that it scores best with. Equal to sacrebleu (Post 2018).
/// </summary>
public sealed class ChrF : Metric
{
    private const int CountsOfOrder = 3;   // n-grams of the hypothesis, of the reference, of both
    private const double Epsilon = 1e-16;

    private readonly ChrFOptions _options;
    private readonly int _orders;

    /// <summary>Makes the metric.</summary>
    /// <param name="options">Options; null: the standard ones, which are chrF2.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public ChrF(ChrFOptions? options = null)
    {
        _options = options ?? new ChrFOptions();
        if (_options.CharacterOrder < 0 || _options.WordOrder < 0 || _options.CharacterOrder + _options.WordOrder < 1)
        {
            throw new ArgumentException(
                $"CharacterOrder is {_options.CharacterOrder} and WordOrder is {_options.WordOrder}, "
                    + "expected numbers that are not negative, and one of them positive.", nameof(options));
        }

        if (_options.Beta is < 0 or > 1000)
            throw new ArgumentException($"Beta is {_options.Beta}, expected 0 to 1,000.", nameof(options));
        _orders = _options.CharacterOrder + _options.WordOrder;
        Name = $"chrF{_options.Beta}{new string('+', _options.WordOrder)}";
    }

    /// <inheritdoc/>
    public override string Name { get; }

    internal override int Width => CountsOfOrder * _orders;

    internal override bool SamplesAreSingle => true;

    private protected override string Choices => string.Create(
        CultureInfo.InvariantCulture,
        $"case:{(_options.Lowercase ? "lc" : "mixed")}|eff:{(_options.EpsilonSmoothing ? "no" : "yes")}"
            + $"|nc:{_options.CharacterOrder}|nw:{_options.WordOrder}|space:{(_options.Whitespace ? "yes" : "no")}");

    /// <inheritdoc/>
    public override ChrFScore Score(
        IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string?>> references)
    {
        SegmentStatistics statistics = Gather(hypotheses, references);
        return ScoreOf(statistics.Sum(), Signature(statistics.References));
    }

    /// <inheritdoc/>
    public override ChrFScore ScoreSentence(string hypothesis, IReadOnlyList<string> references)
    {
        SegmentStatistics statistics = GatherSentence(hypothesis, references);
        return ScoreOf(statistics.Sum(), Signature(statistics.References));
    }

    internal override SegmentCounter CreateCounter() => new Counter(this);

    internal override ChrFScore ScoreOf(ReadOnlySpan<double> counts, string signature) =>
        new(Name, FScore(counts), signature, _options);

    internal override double ValueOf(ReadOnlySpan<double> counts) => FScore(counts);

    internal override double ValueOf(ReadOnlySpan<float> counts) => FScore(counts);

    private T FScore<T>(ReadOnlySpan<T> counts)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T factor = T.CreateChecked((long)_options.Beta * _options.Beta);
        T epsilon = T.CreateChecked(Epsilon), hundred = T.CreateChecked(100);
        T sumOfScores = T.Zero, precision = T.Zero, recall = T.Zero;
        int effectiveOrders = 0;
        for (int order = 0; order < _orders; order++)
        {
            T hypothesis = counts[CountsOfOrder * order], reference = counts[(CountsOfOrder * order) + 1];
            T both = counts[(CountsOfOrder * order) + 2];
            T p = hypothesis > T.Zero ? both / hypothesis : epsilon;
            T r = reference > T.Zero ? both / reference : epsilon;
            T denominator = (factor * p) + r;
            sumOfScores += denominator > T.Zero ? (T.One + factor) * p * r / denominator : epsilon;
            if (hypothesis <= T.Zero || reference <= T.Zero) continue;
            precision += p;
            recall += r;
            effectiveOrders++;
        }

        if (_options.EpsilonSmoothing) return hundred * sumOfScores / T.CreateChecked(_orders);
        if (effectiveOrders == 0) return T.Zero;
        precision /= T.CreateChecked(effectiveOrders);
        recall /= T.CreateChecked(effectiveOrders);
        if (precision + recall == T.Zero) return T.Zero;
        return hundred * ((T.One + factor) * precision * recall / ((factor * precision) + recall));
    }

    private sealed class Counter(ChrF metric) : SegmentCounter
    {
        private readonly ChrFOptions _options = metric._options;
        private readonly WordTable _words = new();
        private readonly NGramTable _grams = new();
        private readonly Sequences _hypothesis = new();
        private readonly Sequences _reference = new();
        private readonly int[] _candidate = new int[metric.Width];
        private readonly int[] _matches = new int[metric._orders];
        private readonly double[] _asNumbers = new double[metric.Width];

        public override void Count(
            string hypothesis, IReadOnlyList<IReadOnlyList<string?>> references, int segment, Span<int> statistics)
        {
            _words.Clear();
            Read(hypothesis, _hypothesis);
            double best = -1;
            foreach (IReadOnlyList<string?> stream in references)
            {
                if (stream[segment] is not { } reference) continue;
                Read(reference, _reference);
                CountOrders(_hypothesis.Characters, _reference.Characters, 0, _options.CharacterOrder);
                CountOrders(_hypothesis.Words, _reference.Words, _options.CharacterOrder, _options.WordOrder);
                for (int i = 0; i < _candidate.Length; i++) _asNumbers[i] = _candidate[i];
                double score = metric.FScore<double>(_asNumbers);
                if (score <= best) continue;
                best = score;
                _candidate.CopyTo(statistics);
            }
        }

        private void CountOrders(List<int> hypothesis, List<int> reference, int firstOrder, int orders)
        {
            if (orders == 0) return;
            Span<int> matches = _matches.AsSpan(firstOrder, orders);
            matches.Clear();
            _grams.Clear();
            _grams.Add(CollectionsMarshal.AsSpan(reference), orders);
            _grams.EndReference();
            _grams.Match(CollectionsMarshal.AsSpan(hypothesis), matches);
            for (int i = 0; i < orders; i++)
            {
                Span<int> counts = _candidate.AsSpan(CountsOfOrder * (firstOrder + i), CountsOfOrder);
                int ofReference = Math.Max(0, reference.Count - i);
                counts[0] = ofReference == 0 ? 0 : Math.Max(0, hypothesis.Count - i);
                counts[1] = ofReference;
                counts[2] = matches[i];
            }
        }

        private void Read(string text, Sequences into)
        {
            if (_options.Lowercase) text = PythonText.Lower(text);
            into.Text.Clear();
            into.Characters.Clear();
            into.Words.Clear();
            PythonText.AddCodePoints(text, into.Text);
            foreach (int c in CollectionsMarshal.AsSpan(into.Text))
            {
                if (_options.Whitespace || !PythonText.IsSpace(c)) into.Characters.Add(c);
            }

            if (_options.WordOrder > 0) AddWords(CollectionsMarshal.AsSpan(into.Text), into.Words);
        }

        private void AddWords(ReadOnlySpan<int> text, List<int> words)
        {
            int start = 0;
            for (int i = 0; i <= text.Length; i++)
            {
                if (i < text.Length && !PythonText.IsSpace(text[i])) continue;
                if (i > start) AddWord(text[start..i], words);
                start = i + 1;
            }
        }

        // One punctuation mark is parted from a word, at its end or else at its beginning, as in Popović's chrF++.py.
        private void AddWord(ReadOnlySpan<int> word, List<int> words)
        {
            int cut = word.Length == 1 ? 0 : IsPunctuation(word[^1]) ? word.Length - 1 : IsPunctuation(word[0]) ? 1 : 0;
            if (cut > 0) words.Add(_words.Number(word[..cut]));
            words.Add(_words.Number(word[cut..]));
        }

        private static bool IsPunctuation(int c) => c < 0x80
            && (char.IsPunctuation((char)c) || char.IsSymbol((char)c));

        private sealed class Sequences
        {
            public List<int> Text { get; } = [];

            public List<int> Characters { get; } = [];

            public List<int> Words { get; } = [];
        }
    }
}
