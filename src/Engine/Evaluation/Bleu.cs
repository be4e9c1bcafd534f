// BLEU = BP · exp(Σ wₙ log pₙ) (Papineni et al. 2002, 2.3), as sacrebleu computes and names it (Post 2018).
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Engine.Evaluation;

/// <summary>
/// BLEU (Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"):
/// <c>BP · exp(1/N Σₙ log pₙ)</c>, where pₙ is the part of the hypotheses' n-grams that is in the references, and
/// <c>BP = exp(1 − r/c)</c> where c words of hypotheses are fewer than r of references, else 1. Counts are added up over
/// the corpus before anything is divided. Equal to sacrebleu (Post 2018).
/// </summary>
public sealed class Bleu : Metric
{
    private const int HypothesisLength = 0, ReferenceLength = 1, Counts = 2;   // places in a row of counts
    private const double LogOfZero = -9999999999;   // so that exp gives 0, and no NaN comes up

    private readonly BleuOptions _options;
    private readonly double _smoothValue;

    /// <summary>Makes the metric.</summary>
    /// <param name="options">Options; null: the standard ones.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public Bleu(BleuOptions? options = null)
    {
        _options = options ?? new BleuOptions();
        if (_options.MaxOrder < 1)
            throw new ArgumentException($"MaxOrder is {_options.MaxOrder}, expected 1 or more.", nameof(options));
        if (!Enum.IsDefined(_options.Tokenizer) || !Enum.IsDefined(_options.Smoothing))
        {
            throw new ArgumentException(
                $"Tokenizer is {_options.Tokenizer} and Smoothing is {_options.Smoothing}, expected names of theirs.",
                nameof(options));
        }

        if (_options.SmoothValue is { } value && !(double.IsFinite(value) && value >= 0))
            throw new ArgumentException($"SmoothValue is {value}, expected a number that is not negative.", nameof(options));
        _smoothValue = _options.SmoothValue ?? (_options.Smoothing == BleuSmoothing.Floor ? 0.1 : 1);
    }

    /// <inheritdoc/>
    public override string Name => "BLEU";

    internal override int Width => Counts + (2 * _options.MaxOrder);

    internal override bool SamplesAreSingle => false;   // the mean of logarithms is in double precision again

    private protected override string Choices
    {
        get
        {
            string smoothing = _options.Smoothing switch
            {
                BleuSmoothing.Exponential => "exp",
                BleuSmoothing.Floor => $"floor[{PythonText.Fixed(_smoothValue, 2)}]",
                BleuSmoothing.AddK => $"add-k[{PythonText.Fixed(_smoothValue, 2)}]",
                _ => "none",
            };
            return string.Create(
                CultureInfo.InvariantCulture,
                $"case:{(_options.Lowercase ? "lc" : "mixed")}|eff:{(_options.EffectiveOrder ? "yes" : "no")}"
                    + $"|tok:{WordCutter.Word(_options.Tokenizer)}|smooth:{smoothing}");
        }
    }

    /// <inheritdoc/>
    public override BleuScore Score(
        IReadOnlyList<string> hypotheses, IReadOnlyList<IReadOnlyList<string?>> references)
    {
        SegmentStatistics statistics = Gather(hypotheses, references);
        return ScoreOf(statistics.Sum(), Signature(statistics.References));
    }

    /// <summary>Scores one sentence, for which <see cref="BleuOptions.EffectiveOrder"/> should be chosen.</summary>
    /// <param name="hypothesis">The hypothesis.</param>
    /// <param name="references">Its references.</param>
    public override BleuScore ScoreSentence(string hypothesis, IReadOnlyList<string> references)
    {
        SegmentStatistics statistics = GatherSentence(hypothesis, references);
        return ScoreOf(statistics.Sum(), Signature(statistics.References));
    }

    internal override SegmentCounter CreateCounter() => new Counter(_options);

    internal override BleuScore ScoreOf(ReadOnlySpan<double> counts, string signature)
    {
        double[] matches = counts.Slice(Counts, _options.MaxOrder).ToArray();
        double[] totals = counts.Slice(Counts + _options.MaxOrder, _options.MaxOrder).ToArray();
        var precisions = new double[_options.MaxOrder];
        double penalty = BrevityPenalty(counts[HypothesisLength], counts[ReferenceLength]);
        double value = penalty * GeometricMean<double>(matches, totals, precisions);
        return new BleuScore(
            value, signature, matches, totals, precisions, penalty, (long)counts[HypothesisLength],
            (long)counts[ReferenceLength]);
    }

    internal override double ValueOf(ReadOnlySpan<double> counts) => ValueOf<double>(counts);

    internal override double ValueOf(ReadOnlySpan<float> counts) => ValueOf<float>(counts);

    private double ValueOf<T>(ReadOnlySpan<T> counts)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int orders = _options.MaxOrder;
        T[] both = counts[Counts..].ToArray();
        double penalty = BrevityPenalty(
            double.CreateChecked(counts[HypothesisLength]), double.CreateChecked(counts[ReferenceLength]));
        return penalty * GeometricMean<T>(both.AsSpan(0, orders), both.AsSpan(orders), new T[orders]);
    }

    private static double BrevityPenalty(double hypothesisLength, double referenceLength)
    {
        if (hypothesisLength >= referenceLength) return 1;
        return hypothesisLength > 0 ? Math.Exp(1 - (referenceLength / hypothesisLength)) : 0;
    }

    // exp(1/N Σ log pₙ) in percent; 0 where no word matches. Adds what add-k adds.
    private double GeometricMean<T>(Span<T> matches, Span<T> totals, Span<T> precisions)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T hundred = T.CreateChecked(100);
        if (!matches.ContainsAnyExcept(T.Zero)) return 0;
        double halving = 1;
        int orders = precisions.Length;
        for (int i = 0; i < precisions.Length; i++)
        {
            if (_options.Smoothing == BleuSmoothing.AddK && i > 0)
            {
                matches[i] += T.CreateChecked(_smoothValue);
                totals[i] += T.CreateChecked(_smoothValue);
            }

            if (totals[i] == T.Zero) break;
            if (_options.EffectiveOrder) orders = i + 1;
            if (matches[i] != T.Zero)
            {
                precisions[i] = hundred * matches[i] / totals[i];
            }
            else if (_options.Smoothing == BleuSmoothing.Exponential)
            {
                halving *= 2;
                precisions[i] = hundred / (T.CreateChecked(halving) * totals[i]);
            }
            else if (_options.Smoothing == BleuSmoothing.Floor)
            {
                precisions[i] = T.CreateChecked(100 * _smoothValue) / totals[i];
            }
        }

        double sum = 0;
        foreach (T precision in precisions[..orders])
            sum += precision == T.Zero ? LogOfZero : Math.Log(double.CreateChecked(precision));
        return Math.Exp(sum / orders);
    }

    // Of each segment: words of the hypothesis, of the closest reference, matches and totals by order.
    private sealed class Counter(BleuOptions options) : SegmentCounter
    {
        private readonly WordCutter _cutter = new(options.Tokenizer);
        private readonly WordTable _words = new();
        private readonly NGramTable _grams = new();
        private readonly List<int> _sentence = [];
        private readonly List<int> _lengths = [];

        public override void Count(
            string hypothesis, IReadOnlyList<IReadOnlyList<string?>> references, int segment, Span<int> statistics)
        {
            _words.Clear();
            _grams.Clear();
            _lengths.Clear();
            foreach (IReadOnlyList<string?> stream in references)
            {
                if (stream[segment] is not { } reference) continue;
                ReadOnlySpan<int> words = Words(reference);
                _lengths.Add(words.Length);
                _grams.Add(words, options.MaxOrder);
                _grams.EndReference();
            }

            ReadOnlySpan<int> found = Words(hypothesis);
            statistics[HypothesisLength] = found.Length;
            statistics[ReferenceLength] = Closest(found.Length);
            _grams.Match(found, statistics.Slice(Counts, options.MaxOrder));
            for (int i = 0; i < options.MaxOrder; i++)
                statistics[Counts + options.MaxOrder + i] = Math.Max(0, found.Length - i);
        }

        private ReadOnlySpan<int> Words(string text)
        {
            if (options.Lowercase) text = PythonText.Lower(text);
            _sentence.Clear();
            _words.AddWords(_cutter.Cut(PythonText.TrimEnd(text)), _sentence);
            return CollectionsMarshal.AsSpan(_sentence);
        }

        // Of two that are as close the shorter one.
        private int Closest(int length)
        {
            int closest = _lengths[0];
            foreach (int candidate in _lengths)
            {
                int difference = Math.Abs(candidate - length) - Math.Abs(closest - length);
                if (difference < 0 || (difference == 0 && candidate < closest)) closest = candidate;
            }

            return closest;
        }
    }
}
