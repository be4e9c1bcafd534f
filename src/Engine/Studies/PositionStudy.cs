// What sines and cosines are good for as positions: a shift is a linear map, near places look alike, and how far a model that
// learned short sequences gets with long ones. Vaswani et al. 2017, 3.5.
using System.Globalization;
using Engine.Layers;
using Engine.Models;
using static Engine.Studies.StudyCell;

namespace Engine.Studies;

/// <summary>Sinusoidal positions, learned ones, and none.</summary>
public sealed class PositionStudy
{
    private const int Width = 512;          // of the tables that are looked at; the paper's d_model

    private static readonly PositionConfig Sines = new();
    private static readonly int[] Shifts = [1, 2, 10, 100, 1000];

    private readonly StudyOptions _options;
    private readonly CancellationToken _cancellation;

    private PositionStudy(StudyOptions options, CancellationToken cancellation) => (_options, _cancellation) = (options, cancellation);

    /// <summary>Runs the study.</summary>
    /// <param name="options">What computes, the seed, the form.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static StudyReport Run(StudyOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var study = new PositionStudy(options, cancellation);
        return new StudyReport(
            "positions", "Positions: the linear shift, similarity by distance, and sequences longer than those learned",
            options.Conditions, [study.Shift(), Similarity(), study.Lengths()]);
    }

    /// <summary>
    /// M_k with PE(pos + k) = M_k PE(pos): in each pair of columns, sine and cosine of one frequency, a rotation by k times it.
    /// </summary>
    /// <param name="shift">k.</param>
    /// <param name="width">d_model, even.</param>
    /// <returns>For each pair cos(k ω) and sin(k ω); all else in the matrix is 0.</returns>
    internal static (double Cosine, double Sine)[] ShiftMatrix(int shift, int width)
    {
        var blocks = new (double, double)[width / 2];
        for (int i = 0; i < blocks.Length; i++)
        {
            double frequency = Math.Pow(10000, -2.0 * i / width);
            blocks[i] = (Math.Cos(shift * frequency), Math.Sin(shift * frequency));
        }

        return blocks;
    }

    /// <summary>The largest difference between M_k times a row and the row it should be.</summary>
    internal static double ShiftError((double Cosine, double Sine)[] matrix, ReadOnlySpan<float> row, ReadOnlySpan<float> shifted)
    {
        double largest = 0;
        for (int i = 0; i < matrix.Length; i++)
        {
            double sine = row[2 * i], cosine = row[(2 * i) + 1];
            (double c, double s) = matrix[i];
            largest = Math.Max(largest, Math.Abs((sine * c) + (cosine * s) - shifted[2 * i]));
            largest = Math.Max(largest, Math.Abs((cosine * c) - (sine * s) - shifted[(2 * i) + 1]));
        }

        return largest;
    }

    private StudySection Shift()
    {
        int last = _options.Quick ? 2000 : 100_000, held = Shifts.Max() + 1;
        (double, double)[][] matrices = [.. Shifts.Select(static shift => ShiftMatrix(shift, Width))];
        double[] errors = new double[Shifts.Length];
        int[] places = new int[Shifts.Length];
        var ring = new float[held][];   // row of a position: position modulo their number
        for (int position = 0; position < held - 1; position++) ring[position] = Row(position);
        for (int position = 0; position <= last; position++)
        {
            if (position % 10_000 == 0)
            {
                _cancellation.ThrowIfCancellationRequested();
                _options.Say($"shift at position {position}");
            }

            ring[(position + held - 1) % held] = Row(position + held - 1);
            for (int i = 0; i < Shifts.Length; i++)
            {
                double error = ShiftError(matrices[i], ring[position % held], ring[(position + Shifts[i]) % held]);
                if (error > errors[i]) (errors[i], places[i]) = (error, position);
            }
        }

        double bound = Math.ScaleB(1, -25) * (1 + Math.Sqrt(2));   // half an ulp of a number below 1, three times
        return new StudySection(
            "A shift is a linear map",
            [
                "PE(pos + k) = M_k PE(pos) for every pos: M_k turns each pair of sine and cosine by k times its frequency, "
                + "and does not depend on pos. So a layer can learn to look k places back by one matrix.",
                $"M_k in double precision against the float32 table, width {Width}, positions 0 to "
                + $"{last.ToString("N0", CultureInfo.InvariantCulture)}. The rounding of the table to float32 alone allows "
                + $"{bound.ToString("G3", CultureInfo.InvariantCulture)}: half a unit in the last place of the result, and of "
                + "each of two inputs.",
            ],
            [
                new StudyTable(
                    "Largest error of an element",
                    [new("k", Format: "N0"), new("largest error", Format: "0.00E-0"), new("at position", Format: "N0")],
                    [.. Shifts.Select((shift, i) => (IReadOnlyList<StudyCell>)[Of(shift), Of(errors[i]), Of(places[i])])]),
            ],
            []);
    }

    private static StudySection Similarity()
    {
        const int Farthest = 200;
        int[] starts = [0, 1000];
        StudySeries[] series =
        [
            .. starts.Select(static start => new StudySeries(
                $"from position {start}",
                [.. Enumerable.Range(0, Farthest + 1).Select(distance => new StudyPoint(distance, Dot(start, start + distance)))])),
        ];
        double largest = series[0].Points.Zip(series[1].Points, static (a, b) => Math.Abs(a.Y - b.Y)).Max();
        int[] shown = [0, 1, 2, 5, 10, 20, 50, 100, 200];
        return new StudySection(
            "Similarity by distance",
            [
                "PE(p) · PE(p + k) = Σ cos(k ω), divided here by d/2, which is its value at k = 0. It depends on k alone: "
                + $"between p = {starts[0]} and p = {starts[1]} the largest difference is "
                + $"{largest.ToString("G2", CultureInfo.InvariantCulture)}.",
            ],
            [
                new StudyTable(
                    "Similarity", [new("distance k", Format: "F0"), new("PE(p) · PE(p + k) / (d/2)", Format: "F4")],
                    [.. shown.Select(k => (IReadOnlyList<StudyCell>)[Of(k), Of(series[0].Points[k].Y)])]),
            ],
            [new StudyPlot("Similarity of two positions", new StudyAxis("distance"), new StudyAxis("similarity"), series, [])]);
    }

    private StudySection Lengths()
    {
        const int Symbols = 10;
        int longest = _options.Quick ? 4 : 10, farthest = 4 * longest;
        int steps = _options.Quick ? 40 : 1500, count = _options.Quick ? 5 : 50;
        using var training = new SmallTraining(
            _options, SmallTask.Copy(new StudyRandom(_options.Seed, 1), _options.Quick ? 500 : 30_000, 1, longest, Symbols));
        int[] lengths = [.. Enumerable.Range(1, 8).Select(i => i * longest / 2)];
        TaskPair[][] tests =
        [
            .. lengths.Select(length =>
                SmallTask.Copy(new StudyRandom(_options.Seed, (uint)(100 + length)), count, length, length, Symbols)),
        ];
        (string Name, string[] Changes)[] kinds =
        [
            ("sinusoidal", []),
            ("learned", ["model.positions=learned", $"model.maxPositions={farthest + 8}", $"data.maxLength={farthest}"]),
            ("none", ["model.positions=none"]),
        ];
        List<IReadOnlyList<StudyCell>> rows = [];
        List<StudySeries> sentences = [], tokens = [];
        foreach ((string name, string[] changes) in kinds)
        {
            SmallModel model = training.Run(
                $"positions: {name}", steps, _cancellation, ["model.encoderLayers=2", "model.decoderLayers=2", .. changes]);
            Accuracy[] found = [.. tests.Select(test => model.Test(test, _cancellation))];
            for (int i = 0; i < lengths.Length; i++)
                rows.Add([Of(name), Of(lengths[i]), Of(found[i].Sentences), Of(found[i].Tokens)]);
            sentences.Add(new StudySeries(name, [.. lengths.Select((length, i) => new StudyPoint(length, 100 * found[i].Sentences))]));
            tokens.Add(new StudySeries(name, [.. lengths.Select((length, i) => new StudyPoint(length, 100 * found[i].Tokens))]));
        }

        StudyMark[] mark = [new(longest, null, "longest that was learned")];
        var x = new StudyAxis("tokens of the sequence");
        return new StudySection(
            "Longer than what was learned",
            [
                $"Sequences of digits are to be copied. Learned with 1 to {longest} digits for {steps:N0} steps, tested with "
                + $"up to {farthest}: {count} sequences of each length, translated greedily. The learned table has rows for all "
                + $"of them, but those beyond {longest} were never trained.",
            ],
            [
                new StudyTable(
                    "Right answers by length",
                    [
                        new("positions"), new("tokens", Format: "F0"), new("sentences right", Format: "P0"),
                        new("tokens right", Format: "P0"),
                    ],
                    rows),
            ],
            [
                new StudyPlot("Sentences without a mistake", x, new StudyAxis("sentences", "%"), sentences, mark),
                new StudyPlot("Tokens in their place", x, new StudyAxis("tokens", "%"), tokens, mark),
            ]);
    }

    private static double Dot(int first, int second)
    {
        float[] a = Row(first), b = Row(second);
        double sum = 0;
        for (int i = 0; i < Width; i++) sum += (double)a[i] * b[i];
        return sum / (Width / 2);
    }

    private static float[] Row(int position)
    {
        var row = new float[Width];
        PositionTable.ComputeRow(Sines, position, row);
        return row;
    }
}
