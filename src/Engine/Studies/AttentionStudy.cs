// Why scores are divided by √d_k, and what additive attention does instead: variance, softmax, time and learning, measured.
// Vaswani et al. 2017, 3.2.1 and its footnote 4.
using System.Diagnostics;
using System.Globalization;
using Engine.Backends;
using Engine.Tensors;
using static Engine.Studies.StudyCell;
using static Engine.Studies.StudySizes;
using static Engine.Studies.StudyTensors;

namespace Engine.Studies;

/// <summary>Dot-product attention, with and without its scale, beside additive attention.</summary>
public sealed class AttentionStudy
{
    private const int Keys = 64;             // over which the softmax goes
    private const int DrawsAtOnce = 16;      // queries of a frame
    private const int LargestWidth = 1024;

    private readonly StudyOptions _options;
    private readonly CancellationToken _cancellation;

    private AttentionStudy(StudyOptions options, CancellationToken cancellation) => (_options, _cancellation) = (options, cancellation);

    /// <summary>Runs the study.</summary>
    /// <param name="options">What computes, the seed, the form.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static StudyReport Run(StudyOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var study = new AttentionStudy(options, cancellation);
        return new StudyReport(
            "attention", "Dot-product attention, scaled and not, and additive attention", options.Conditions,
            [study.Scale(), study.Time(), study.Learning()]);
    }

    /// <summary>Shannon's entropy of a distribution, in nats.</summary>
    internal static double Entropy(ReadOnlySpan<float> weights)
    {
        double sum = 0;
        foreach (float p in weights) sum -= p > 0 ? p * Math.Log(p) : 0;
        return sum;
    }

    /// <summary>
    /// The Frobenius norm of the softmax's Jacobian, diag(p) − p pᵀ: the square root of Σp² − 2 Σp³ + (Σp²)².
    /// </summary>
    internal static double JacobianNorm(ReadOnlySpan<float> weights)
    {
        double squares = 0, cubes = 0;
        foreach (float p in weights)
        {
            squares += (double)p * p;
            cubes += (double)p * p * p;
        }

        return Math.Sqrt(Math.Max(0, squares - (2 * cubes) + (squares * squares)));
    }

    private StudySection Scale()
    {
        int pairs = _options.Quick ? 4096 : 32768, draws = _options.Quick ? 64 : 1024;
        List<StudyPoint> variances = [];
        List<StudyPoint>[] entropies = [[], []], norms = [[], []];   // unscaled, scaled
        List<IReadOnlyList<StudyCell>> rows = [];
        for (int width = 4; width <= LargestWidth; width *= 2)
        {
            _options.Say($"softmax of scores with d_k = {width}");
            double variance = Variance(width, pairs);
            (double entropy, double norm) plain = Softmax(width, draws, 1), scaled = Softmax(width, draws, 1 / MathF.Sqrt(width));
            variances.Add(new StudyPoint(width, variance));
            entropies[0].Add(new StudyPoint(width, plain.entropy));
            entropies[1].Add(new StudyPoint(width, scaled.entropy));
            norms[0].Add(new StudyPoint(width, plain.norm));
            norms[1].Add(new StudyPoint(width, scaled.norm));
            rows.Add([Of(width), Of(variance), Of(plain.entropy), Of(scaled.entropy), Of(plain.norm), Of(scaled.norm)]);
        }

        PowerLaw fit = PowerLaw.Fit(variances);
        var x = new StudyAxis("d_k", IsLogarithmic: true);
        return new StudySection(
            "Why scores are scaled",
            [
                $"q and k have d_k components of mean 0 and variance 1. {pairs:N0} pairs for the variance of q·k, and "
                + $"{draws:N0} queries with {Keys} keys each for the softmax.",
                $"The variance of q·k grows as d_k to the power of {fit.Describe()} (the paper's footnote 4 says: it is d_k, "
                + "power 1).",
                $"Entropy is that of the softmax over {Keys} keys; that of equal weights is "
                + $"{Math.Log(Keys).ToString("F2", CultureInfo.InvariantCulture)}. The gradient's norm is the Frobenius norm of "
                + "the softmax's Jacobian, diag(p) − p pᵀ, the mean over all queries: where it is 0 nothing is learned through "
                + "the weights.",
            ],
            [
                new StudyTable(
                    "Scores and softmax by d_k",
                    [
                        new("d_k", Format: "F0"), new("variance of q·k"), new("entropy unscaled", "nat", "F3"),
                        new("entropy scaled", "nat", "F3"), new("gradient unscaled", Format: "F4"),
                        new("gradient scaled", Format: "F4"),
                    ],
                    rows),
            ],
            [
                new StudyPlot("Variance of q·k", x, new StudyAxis("variance", IsLogarithmic: true), [new("q·k", variances, fit)], []),
                new StudyPlot(
                    "Entropy of the softmax", x, new StudyAxis("entropy", "nat"),
                    [new("unscaled", entropies[0]), new("scaled", entropies[1])], []),
                new StudyPlot(
                    "Norm of the softmax's gradient", x, new StudyAxis("norm", IsLogarithmic: true),
                    [new("unscaled", norms[0]), new("scaled", norms[1])], []),
            ]);
    }

    private double Variance(int width, int pairs)
    {
        var random = new StudyRandom(_options.Seed, (uint)width);
        float[] query = new float[width], key = new float[width];
        double sum = 0, squares = 0;
        for (int i = 0; i < pairs; i++)
        {
            random.Fill(query);
            random.Fill(key);
            double product = 0;
            for (int j = 0; j < width; j++) product += (double)query[j] * key[j];
            sum += product;
            squares += product * product;
        }

        double mean = sum / pairs;
        return (squares / pairs) - (mean * mean);
    }

    private (double Entropy, double Norm) Softmax(int width, int draws, float scale)
    {
        IBackend backend = _options.Backend;
        var random = new StudyRandom(_options.Seed, (uint)(LargestWidth + width));
        float[] query = new float[DrawsAtOnce * width], keys = new float[DrawsAtOnce * Keys * width];
        var weights = new float[DrawsAtOnce * Keys];
        double entropy = 0, norm = 0;
        for (int done = 0; done < draws; done += DrawsAtOnce)
        {
            _cancellation.ThrowIfCancellationRequested();
            random.Fill(query);
            random.Fill(keys);
            backend.BeginFrame();
            try
            {
                Tensor q = Upload(backend, query, width), k = Upload(backend, keys, width);
                Ragged one = Ragged.Create(backend, [.. Enumerable.Repeat(1, DrawsAtOnce)]);
                Ragged many = Ragged.Create(backend, [.. Enumerable.Repeat(Keys, DrawsAtOnce)]);
                var spec = new AttentionSpec(1, scale, AttentionMask.None);
                backend.Read(backend.AttentionWeights(q, k, Tensor.None, one, many, spec), weights);
            }
            finally
            {
                backend.EndFrame();
            }

            for (int i = 0; i < DrawsAtOnce; i++)
            {
                entropy += Entropy(weights.AsSpan(i * Keys, Keys));
                norm += JacobianNorm(weights.AsSpan(i * Keys, Keys));
            }
        }

        return (entropy / draws, norm / draws);
    }

    private StudySection Time()
    {
        const int Width = 64, Length = 256;
        int longest = _options.Quick ? 256 : 2048, widest = _options.Quick ? 256 : LargestWidth;
        (StudyTable byLength, StudyPlot lengths, PowerLaw[] n) = Sweep("n", Doubled(64, longest), n => (n, Width), $"d = {Width}");
        (StudyTable byWidth, StudyPlot widths, PowerLaw[] d) = Sweep("d", Doubled(64, widest), d => (Length, d), $"n = {Length}");
        return new StudySection(
            "What they cost",
            [
                "Time of the backend's operator with one head, projections left out: the median of several runs.",
                $"Dot-product attention grows as n to the power of {n[0].Describe()} and as d to {d[0].Describe()}, additive "
                + $"attention as n to {n[1].Describe()} and as d to {d[1].Describe()}; by their formulas both are n² · d. At "
                + "small sizes what a call costs by itself, and caches, make the powers smaller.",
            ],
            [byLength, byWidth], [lengths, widths]);
    }

    private (StudyTable Table, StudyPlot Plot, PowerLaw[] Fits) Sweep(
        string name, int[] sizes, Func<int, (int N, int D)> shape, string fixedSize)
    {
        List<StudyPoint>[] times = [[], []];
        List<IReadOnlyList<StudyCell>> rows = [];
        foreach (int size in sizes)
        {
            _options.Say($"time of attention with {name} = {size}");
            (int n, int d) = shape(size);
            for (int kind = 0; kind < times.Length; kind++)
                times[kind].Add(new StudyPoint(size, Median(n, d, isAdditive: kind == 1) * 1e3));
            double product = times[0][^1].Y, additive = times[1][^1].Y;
            rows.Add([Of(size), Of(product), Of(additive), Of(additive / product)]);
        }

        PowerLaw[] fits = [.. times.Select(PowerLaw.Fit)];
        return (
            new StudyTable(
                $"Time by {name}, {fixedSize}",
                [
                    new(name, Format: "N0"), new("dot product", "ms", "G3"), new("additive", "ms", "G3"),
                    new("additive / dot product", Format: "F1"),
                ],
                rows),
            new StudyPlot(
                $"Time by {name}, {fixedSize}", new StudyAxis(name, IsLogarithmic: true), new StudyAxis("time", "ms", true),
                [new("dot product", times[0], fits[0]), new("additive", times[1], fits[1])], []),
            fits);
    }

    private double Median(int n, int d, bool isAdditive)
    {
        IBackend backend = _options.Backend;
        var random = new StudyRandom(_options.Seed, 0);
        float[] values = new float[n * d], score = new float[d], found = new float[d];
        random.Fill(values);
        random.Fill(score);
        var spec = new AttentionSpec(1, isAdditive ? 1 : 1 / MathF.Sqrt(d), AttentionMask.None);
        var times = new double[_options.Quick ? 3 : 9];
        for (int run = -1; run < times.Length; run++)   // the first is a warm-up
        {
            _cancellation.ThrowIfCancellationRequested();
            backend.BeginFrame();
            try
            {
                Tensor x = Upload(backend, values, d), v = Upload(backend, score, d);
                Ragged batch = Ragged.Create(backend, [n]);
                backend.Read(x.RowRange(0, 1), found);   // all that was written is there
                long started = Stopwatch.GetTimestamp();
                Tensor y = isAdditive
                    ? backend.AdditiveAttention(x, x, x, v, batch, batch, spec)
                    : backend.Attention(x, x, x, batch, batch, spec);
                backend.Read(y.RowRange(n - 1, 1), found);
                if (run >= 0) times[run] = Stopwatch.GetElapsedTime(started).TotalSeconds;
            }
            finally
            {
                backend.EndFrame();
            }
        }

        Array.Sort(times);
        return times[times.Length / 2];
    }

    private StudySection Learning()
    {
        const int Symbols = 10;
        int steps = _options.Quick ? 40 : 500, longest = _options.Quick ? 6 : 10, width = _options.Quick ? 32 : 64;
        TaskPair[] pairs = SmallTask.Reversal(new StudyRandom(_options.Seed, 1), _options.Quick ? 500 : 20_000, 1, longest, Symbols);
        TaskPair[] tests = SmallTask.Reversal(new StudyRandom(_options.Seed, 2), _options.Quick ? 20 : 200, 1, longest, Symbols);
        var comparison = new SmallComparison(_options, pairs, tests, steps);
        string[] shape = ["model.heads=1", $"model.modelDim={width}", $"model.hiddenDim={width}"];
        (StudyTable table, StudyPlot plot) = comparison.Run(
            "attention", "Loss of training",
            [
                new("scaled", shape), new("unscaled", [.. shape, "model.scale=1"]),
                new("additive", [.. shape, "model.attention=additive"]),
            ],
            _cancellation);
        return new StudySection(
            "Learning the same task with each",
            [
                $"Sequences of 1 to {longest} digits are to be turned round: one layer of encoder and decoder, one head with "
                + $"d_k = {width}; "
                + comparison.Describe(),
            ],
            [table], [plot]);
    }
}
