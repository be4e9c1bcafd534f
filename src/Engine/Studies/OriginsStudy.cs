// Where attention comes from: a weighted mean of values by how near their keys are (Nadaraya 1964; Watson 1964), and the step by which a
// Hopfield network with continuous states remembers (Ramsauer et al. 2020). Both are run by the attention operator itself.
using System.Globalization;
using Engine.Backends;
using Engine.Tensors;
using static Engine.Studies.StudyCell;
using static Engine.Studies.StudyTensors;

namespace Engine.Studies;

/// <summary>Attention as kernel regression, and as the memory of a Hopfield network.</summary>
public sealed class OriginsStudy
{
    private const double Noise = 0.25;      // of the samples of a function

    private readonly StudyOptions _options;
    private readonly CancellationToken _cancellation;

    private OriginsStudy(StudyOptions options, CancellationToken cancellation) => (_options, _cancellation) = (options, cancellation);

    /// <summary>Runs the study.</summary>
    /// <param name="options">What computes, the seed, the form.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static StudyReport Run(StudyOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var study = new OriginsStudy(options, cancellation);
        return new StudyReport(
            "origins", "Where attention comes from: kernel regression, and associative memory", options.Conditions,
            [study.KernelRegression(), study.Energy(), study.Capacity()]);
    }

    // ---- Nadaraya and Watson ----

    private StudySection KernelRegression()
    {
        int samples = _options.Quick ? 60 : 300;
        double[] widths = [0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6];
        (double[] x, double[] y) = Samples(samples);
        double[] places = [.. Enumerable.Range(0, 101).Select(static i => i * 0.05)];
        List<StudyPoint> errors = [];
        List<IReadOnlyList<StudyCell>> rows = [];
        var curves = new List<StudySeries> { new("the function", [.. places.Select(static at => new StudyPoint(at, Function(at)))]) };
        foreach (double width in widths)
        {
            _options.Say($"kernel regression of width {width}");
            double[] found = ByAttention(x, y, places, width), defined = ByDefinition(x, y, places, width);
            double difference = found.Zip(defined, static (a, b) => Math.Abs(a - b)).Max();
            double error = Math.Sqrt(places.Zip(found, static (at, value) => Math.Pow(value - Function(at), 2)).Average());
            errors.Add(new StudyPoint(width, error));
            rows.Add([Of(width), Of(error), Of(difference)]);
            if (width is 0.02 or 0.2 or 1.6)
                curves.Add(new StudySeries($"width {width.ToString(CultureInfo.InvariantCulture)}", Points(places, found)));
        }

        StudyPoint best = errors.MinBy(static point => point.Y);
        return new StudySection(
            "Nadaraya-Watson: attention is a weighted mean",
            [
                "To guess a function at a place from noisy samples (xᵢ, yᵢ), take the mean of the yᵢ with weights that fall "
                + "with the distance: f(x) = Σ K(x − xᵢ) yᵢ / Σ K(x − xᵢ), here with K(u) = exp(−u² / 2h²). The weights are a "
                + "softmax of −(x − xᵢ)² / 2h², and as x² is in all of them, of x · xᵢ / h² − xᵢ² / 2h²: the dot product of a "
                + "query (x, 1) / h with a key (xᵢ, −xᵢ² / 2) / h. So it is attention, with places as queries, samples as keys "
                + "and values, and the width h of the kernel in the place of the scale.",
                $"{samples} samples of sin 2x + x/2 with noise of deviation {Noise}, from 0 to 5. The attention operator gives "
                + "the definition's numbers but for the rounding of float32. The best width of those tried is "
                + $"{best.X.ToString(CultureInfo.InvariantCulture)}: a narrow kernel follows the noise, a wide one takes the "
                + "mean of everything. In a Transformer the width is learned, with W_Q and W_K.",
            ],
            [
                new StudyTable(
                    "Error by the width of the kernel",
                    [new("width h"), new("error", Format: "F4"), new("largest difference from the definition", Format: "G2")], rows),
            ],
            [
                new StudyPlot("Guesses", new StudyAxis("x"), new StudyAxis("f(x)"), curves, []),
                new StudyPlot(
                    "Error by width", new StudyAxis("h", IsLogarithmic: true), new StudyAxis("error", IsLogarithmic: true),
                    [new StudySeries("root of the mean square", errors)], [new StudyMark(best.X, best.Y, "best")]),
            ]);
    }

    private (double[] X, double[] Y) Samples(int count)
    {
        var random = new StudyRandom(_options.Seed, 1);
        var noise = new float[count];
        random.Fill(noise);
        double[] x = [.. Enumerable.Range(0, count).Select(_ => random.Below(1 << 20) * 5.0 / (1 << 20))];
        return (x, [.. x.Zip(noise, static (at, error) => Function(at) + (Noise * error))]);
    }

    private static double Function(double x) => Math.Sin(2 * x) + (x / 2);

    // About the middle of the samples: x · xᵢ / h² would otherwise lose digits.
    private double[] ByAttention(double[] x, double[] y, double[] places, double width)
    {
        const double Middle = 2.5;
        float[] queries = [.. places.SelectMany(at => new[] { (float)((at - Middle) / width), (float)(1 / width) })];
        float[] keys =
        [
            .. x.SelectMany(at => new[] { (float)((at - Middle) / width), (float)(-(at - Middle) * (at - Middle) / (2 * width)) }),
        ];
        float[] found = Attend(queries, keys, [.. y.Select(static value => (float)value)], 2, 1, 1);
        return [.. found.Select(static value => (double)value)];
    }

    /// <summary>The mean with weights by distance, in double precision.</summary>
    internal static double[] ByDefinition(double[] x, double[] y, double[] places, double width) => [.. places.Select(at =>
    {
        double nearest = x.Min(sample => Math.Abs(at - sample));             // the largest weight is 1
        double[] weights =
            [.. x.Select(sample => Math.Exp(((nearest * nearest) - ((at - sample) * (at - sample))) / (2 * width * width)))];
        return weights.Zip(y, static (weight, value) => weight * value).Sum() / weights.Sum();
    })];

    // ---- Hopfield ----

    private StudySection Energy()
    {
        const int Width = 32, Patterns = 24, Steps = 8;
        int states = _options.Quick ? 8 : 64;
        float[] patterns = Sphere(Patterns, Width, stream: 2), start = Noisy(patterns, Width, states, 0.6, stream: 3);
        List<StudySeries> curves = [];
        List<IReadOnlyList<StudyCell>> rows = [];
        foreach (double beta in new[] { 0.02, 0.1, 0.5 })
        {
            float scale = (float)beta;
            _options.Say($"energy of a Hopfield network with β = {beta}");
            float[] state = start;
            var energies = new List<double[]> { EnergiesOf(state, patterns, Width, scale) };
            for (int step = 0; step < Steps; step++)
            {
                state = Attend(state, patterns, patterns, Width, Width, scale);
                energies.Add(EnergiesOf(state, patterns, Width, scale));
            }

            double rise = energies.Skip(1).Zip(energies, static (after, before) => after.Zip(before, static (a, b) => a - b).Max()).Max();
            double near = Enumerable.Range(0, states).Average(i => Nearest(state.AsSpan(i * Width, Width), patterns, Width).Distance);
            rows.Add(
            [
                Of(beta), Of(energies[0].Average()), Of(energies[1].Average()), Of(energies[^1].Average()), Of(rise), Of(near),
                Of(near < 0.1 * Radius(Width) ? "one pattern" : near < 0.5 * Radius(Width) ? "close to one pattern" : "a mean of patterns"),
            ]);
            curves.Add(new StudySeries(
                $"β = {beta.ToString(CultureInfo.InvariantCulture)}",
                [.. energies.Select(static (all, step) => new StudyPoint(step, all.Average()))]));
        }

        return new StudySection(
            "A Hopfield network: attention is one step of remembering",
            [
                "A Hopfield network with continuous states holds patterns, the rows of X. From a state ξ it goes to ξ′ = Xᵀ "
                + "softmax(β X ξ): attention with the state as query and the patterns as keys and values, and β in the place of "
                + "1/√d_k. Its energy E = −(1/β) ln Σ exp(β xᵢ·ξ) + ½ ξ·ξ + (1/β) ln N + ½ max|xᵢ|² cannot rise in such a step "
                + "(Ramsauer et al. 2020, theorem 1).",
                $"{Patterns} random patterns of width {Width} and length √{Width}, {states} states that are patterns with "
                + $"noise (0.6 of their length), {Steps} steps, each one call of the attention operator. The largest rise of a "
                + "state's energy in any step is no more than rounding. A large β finds the pattern in one step; a small one "
                + "ends between patterns, as a head does that averages.",
            ],
            [
                new StudyTable(
                    "Energy by step, means over the states",
                    [
                        new("β"), new("at first", Format: "F3"), new("after 1 step", Format: "F3"),
                        new($"after {Steps} steps", Format: "F3"),
                        new("largest rise", Format: "G2"), new("distance to the nearest pattern", Format: "F3"),
                        new("what it finds"),
                    ],
                    rows),
            ],
            [new StudyPlot("Energy by step", new StudyAxis("step"), new StudyAxis("energy"), curves, [])]);
    }

    private StudySection Capacity()
    {
        const int Probes = 64;
        int[] widths = _options.Quick ? [6, 12] : [4, 6, 8, 10, 12];
        int[] counts = _options.Quick ? [16, 256] : [16, 64, 256, 1024, 4096, 16384];
        List<StudySeries> curves = [];
        List<IReadOnlyList<StudyCell>> rows = [];
        foreach (int width in widths)
        {
            double[] shares = [.. counts.Select(count => Remembered(width, count, Probes))];
            curves.Add(new StudySeries(
                $"d = {width.ToString(CultureInfo.InvariantCulture)}", Points([.. counts.Select(static count => (double)count)], shares)));
            rows.Add([Of(width), .. shares.Select(static share => Of(share))]);
        }

        return new StudySection(
            "How much it remembers",
            [
                $"The share of {Probes} patterns that one step finds from a state with noise (0.3 of their length), β = 4: the "
                + "nearest of all patterns is the right one, within a tenth of its length. What can be stored grows "
                + "exponentially with d (Ramsauer et al. 2020, theorem 3), where the classical network stores about 0.14 d: "
                + "each step in d moves the fall to the right.",
            ],
            [
                new StudyTable(
                    "Patterns that are found",
                    [
                        new("d", Format: "F0"),
                        .. counts.Select(static count =>
                            new StudyColumn($"N = {count.ToString(CultureInfo.InvariantCulture)}", Format: "P0")),
                    ],
                    rows),
            ],
            [
                new StudyPlot(
                    "Patterns that are found", new StudyAxis("N, patterns stored", IsLogarithmic: true), new StudyAxis("share found"),
                    curves, []),
            ]);
    }

    private double Remembered(int width, int count, int probes)
    {
        _cancellation.ThrowIfCancellationRequested();
        _options.Say($"memory of {count:N0} patterns of width {width}");
        float[] patterns = Sphere(count, width, (uint)(width + 100)), state = Noisy(patterns, width, probes, 0.3, (uint)(width + 200));
        float[] found = Attend(state, patterns, patterns, width, width, 4);
        int right = 0;
        for (int i = 0; i < probes; i++)
        {
            (int nearest, double distance) = Nearest(found.AsSpan(i * width, width), patterns, width);
            if (nearest == i % count && distance < 0.1 * Radius(width)) right++;
        }

        return (double)right / probes;
    }

    private static double Radius(int width) => Math.Sqrt(width);

    // Patterns of random directions and length √width.
    private float[] Sphere(int count, int width, uint stream)
    {
        var values = new float[count * width];
        new StudyRandom(_options.Seed, stream).Fill(values);
        for (int i = 0; i < count; i++) Scale(values.AsSpan(i * width, width), Radius(width));
        return values;
    }

    // States that are the first patterns, again and again, with noise of a length.
    private float[] Noisy(float[] patterns, int width, int states, double share, uint stream)
    {
        float[] noise = new float[states * width], state = new float[states * width];
        new StudyRandom(_options.Seed, stream).Fill(noise);
        for (int i = 0; i < states; i++)
        {
            Span<float> direction = noise.AsSpan(i * width, width);
            Scale(direction, share * Radius(width));
            for (int c = 0; c < width; c++) state[(i * width) + c] = patterns[((i * width) + c) % patterns.Length] + direction[c];
        }

        return state;
    }

    private static void Scale(Span<float> vector, double length)
    {
        double squares = 0;
        foreach (float value in vector) squares += (double)value * value;
        float factor = (float)(length / Math.Sqrt(squares));
        foreach (ref float value in vector) value *= factor;
    }

    /// <summary>The energy of each state.</summary>
    internal static double[] EnergiesOf(float[] states, float[] patterns, int width, double beta)
    {
        int count = patterns.Length / width;
        double longest = Enumerable.Range(0, count).Max(i => Dot(patterns.AsSpan(i * width, width), patterns.AsSpan(i * width, width)));
        return [.. Enumerable.Range(0, states.Length / width).Select(i =>
        {
            double[] scores =
            [
                .. Enumerable.Range(0, count)
                    .Select(j => beta * Dot(patterns.AsSpan(j * width, width), states.AsSpan(i * width, width))),
            ];
            double most = scores.Max(), sum = scores.Sum(score => Math.Exp(score - most));
            double own = Dot(states.AsSpan(i * width, width), states.AsSpan(i * width, width));
            return (-(most + Math.Log(sum)) / beta) + (own / 2) + (Math.Log(count) / beta) + (longest / 2);
        })];
    }

    private static (int Pattern, double Distance) Nearest(ReadOnlySpan<float> state, float[] patterns, int width)
    {
        (int Pattern, double Distance) best = (-1, double.PositiveInfinity);
        for (int j = 0; j * width < patterns.Length; j++)
        {
            double squares = 0;
            for (int c = 0; c < width; c++) squares += Math.Pow((double)state[c] - patterns[(j * width) + c], 2);
            if (squares < best.Distance) best = (j, squares);
        }

        return best with { Distance = Math.Sqrt(best.Distance) };
    }

    private static double Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        double sum = 0;
        for (int i = 0; i < x.Length; i++) sum += (double)x[i] * y[i];
        return sum;
    }

    // One sentence of queries and one of keys.
    private float[] Attend(float[] queries, float[] keys, float[] values, int width, int valueWidth, float scale)
    {
        IBackend backend = _options.Backend;
        int rows = queries.Length / width, seen = keys.Length / width;
        var found = new float[rows * valueWidth];
        backend.BeginFrame();
        try
        {
            Tensor q = Upload(backend, queries, width), k = Upload(backend, keys, width), v = Upload(backend, values, valueWidth);
            Tensor y = backend.Attention(
                q, k, v, Ragged.Create(backend, [rows]), Ragged.Create(backend, [seen]), new AttentionSpec(1, scale, AttentionMask.None));
            backend.Read(y, found);
        }
        finally
        {
            backend.EndFrame();
        }

        return found;
    }

    private static StudyPoint[] Points(double[] x, double[] y) => [.. x.Zip(y, static (a, b) => new StudyPoint(a, b))];
}
