// Table 1 of the paper, measured: what a layer of each type does by length and width, how much of it waits, how far a signal has to go,
// and where one type overtakes another (Vaswani et al. 2017, 4).
using System.Globalization;
using Engine.Backends;
using Engine.Models;
using static Engine.Studies.StudyCell;
using static Engine.Studies.StudySizes;

namespace Engine.Studies;

/// <summary>Self-attention beside recurrent and convolutional layers.</summary>
public sealed class TableOneStudy
{
    private const int Kernel = 3, Reach = 32;       // k and r where they are not swept
    private const int PathWidth = 16;               // paths do not depend on the width
    private const int LongestFilter = 4096;
    private const int MostCurves = 7;               // that can be told apart
    private const double MostAdditive = 2e9;        // values of tanh that are worth waiting for

    private readonly StudyOptions _options;
    private readonly IBackend? _other;
    private readonly string _missing;
    private readonly CancellationToken _cancellation;
    private readonly int[] _lengths, _widths, _kernels, _reaches;
    private readonly int _width, _length;

    private TableOneStudy(StudyOptions options, IBackend? other, string missing, CancellationToken cancellation)
    {
        (_options, _other, _missing, _cancellation) = (options, other, missing, cancellation);
        bool quick = options.Quick;
        (_width, _length) = quick ? (64, 128) : (256, 512);
        _lengths = Doubled(quick ? 32 : 64, quick ? 256 : 8192);
        _widths = Doubled(quick ? 32 : 64, quick ? 128 : 1024);
        _kernels = quick ? [3, 7] : [3, 5, 9, 17, 33];
        _reaches = Doubled(8, quick ? 64 : 512);
    }

    /// <summary>Runs the study.</summary>
    /// <param name="options">What computes, the seed, the form.</param>
    /// <param name="other">A backend whose times stand beside those; null: none.</param>
    /// <param name="missing">Why there is none, for the report.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static StudyReport Run(
        StudyOptions options, IBackend? other = null, string missing = "", CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(missing);
        var study = new TableOneStudy(options, other, missing, cancellation);
        string[] conditions = other is null ? [.. options.Conditions] : [.. options.Conditions, $"beside it {other.Description}"];
        return new StudyReport("table1", "Table 1 of the paper, measured", conditions, study.Sections());
    }

    /// <summary>
    /// The point from which on the first of two curves is above the other, by the straight lines between their points where both axes are
    /// logarithmic; null: it is always, or not at the end.
    /// </summary>
    internal static StudyPoint? Crossing(IReadOnlyList<StudyPoint> one, IReadOnlyList<StudyPoint> two)
    {
        int last = Math.Min(one.Count, two.Count) - 1, at = last;
        while (at >= 0 && one[at].Y > two[at].Y) at--;
        if (at < 0) return null;
        if (at == last) return one[at].Y == two[at].Y ? one[at] : null;
        double before = Math.Log(one[at].Y / two[at].Y), after = Math.Log(one[at + 1].Y / two[at + 1].Y);
        double share = before / (before - after);
        return new StudyPoint(Between(one[at].X, one[at + 1].X, share), Between(one[at].Y, one[at + 1].Y, share));
    }

    /// <summary>What there is instead of a crossing: whether the first of two curves is above the other at the end, and since when.</summary>
    internal static string WithoutCrossing(IReadOnlyList<StudyPoint> one, IReadOnlyList<StudyPoint> two)
    {
        int last = Math.Min(one.Count, two.Count) - 1, since = last;
        bool isLess = one[last].Y < two[last].Y;
        while (since > 0 && one[since - 1].Y < two[since - 1].Y == isLess) since--;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"nowhere: the first does {(isLess ? "less" : "more")} from {one[since].X:N0} to {one[last].X:N0}");
    }

    private static double Between(double from, double to, double share) => from * Math.Pow(to / from, share);

    private List<StudySection> Sections()
    {
        WarmUp();
        Sweep[] byLength =
            [.. LayerType.All.Select(type => Measure(type, "n", _lengths, n => (n, new LayerSize(_width, Kernel, Reach))))];
        Sweep[] byWidth =
            [.. LayerType.All.Select(type => Measure(type, "d", _widths, d => (_length, new LayerSize(d, Kernel, Reach))))];
        Sweep[] byKernel = [.. LayerType.All.Where(static type => type is { IsConvolution: true, IsDilated: false })
            .Select(type => Measure(type, "k", _kernels, k => (_length, new LayerSize(_width, k, Reach))))];
        Sweep[] byReach = [.. LayerType.All.Where(static type => type.IsBand || type.IsGrouped)
            .Select(type => Measure(type, "r", _reaches, r => (_length * 2, new LayerSize(_width, Kernel, r))))];
        (StudySection sequential, int[] chains, int longest) = SequentialOperations();
        (StudySection paths, string[] found) = Paths();
        StudySection table = Table(byLength, byWidth, [.. byKernel, .. byReach], chains, longest, found);
        return
        [
            table,
            Section("Work and time by length", "n", $"d = {_width}, k = {Kernel}, r = {Reach}", byLength),
            Section("Work and time by width", "d", $"n = {_length}, k = {Kernel}, r = {Reach}", byWidth),
            Section("Work and time by the width of a filter", "k", $"n = {_length}, d = {_width}", byKernel),
            Section("Work and time by the reach of attention", "r", $"n = {2 * _length}, d = {_width}", byReach),
            sequential, paths, Crossings(byLength),
            _other is { } other ? Beside(other, byLength) : new StudySection(
                "On the other backend", [$"There is no other backend here{(_missing.Length > 0 ? $": {_missing}" : "")}."], [], []),
        ];
    }

    private void WarmUp()
    {
        if (_options.Quick) return;
        _options.Say("all layers once, before they are timed");
        foreach (LayerType type in LayerType.All)
        {
            using var bench = new LayerBench(_options.Backend, type, new LayerSize(_width, Kernel, Reach), _options.Seed);
            bench.WarmUp(TimeSpan.FromMilliseconds(300), _cancellation);
        }
    }

    private Sweep Measure(LayerType type, string name, int[] sizes, Func<int, (int Positions, LayerSize Size)> shape)
    {
        var points = new List<Measured>();
        foreach (int size in sizes)
        {
            (int positions, LayerSize layer) = shape(size);
            bool isAdditive = type.Score == AttentionKind.Additive;
            if (isAdditive && (double)positions * positions * layer.Width > MostAdditive) break;
            _options.Say($"{type.Name}, {name} = {size}");
            using var bench = new LayerBench(_options.Backend, type, layer, _options.Seed);
            (OperationCount all, OperationCount linear, _) = bench.Count(positions);
            OperationCount core = type.IsAttention ? all + new OperationCount(0, -linear.MultiplyAdds, 0, -linear.Bytes) : all;
            double seconds = bench.Seconds(positions, _cancellation);
            double own = type.IsAttention ? bench.SecondsWithoutLinear(positions, _cancellation) : seconds;
            points.Add(new Measured(size, all, core, seconds, own));
        }

        return new Sweep(type, points);
    }

    private static StudySection Table(
        Sweep[] byLength, Sweep[] byWidth, Sweep[] byOther, int[] chains, int longest, string[] paths)
    {
        List<IReadOnlyList<StudyCell>> rows = [], order = [];
        for (int i = 0; i < byLength.Length; i++)
        {
            Sweep n = byLength[i], d = byWidth[i];
            Sweep? other = byOther.FirstOrDefault(sweep => sweep.Type == n.Type);
            rows.Add(
            [
                Of(n.Type.Name), Of(n.Type.Complexity), Of(n.CoreFit.Describe()), Of(d.CoreFit.Describe()),
                Of(other?.CoreFit.Describe() ?? ""),
                Of(n.TimeFit.Describe()), Of(d.TimeFit.Describe()), Of(other?.TimeFit.Describe() ?? ""),
            ]);
            order.Add([Of(n.Type.Name), Of(n.Type.Sequential), Of(chains[i]), Of(n.Type.Path), Of(paths[i])]);
        }

        return new StudySection(
            "Table 1",
            [
                "Powers are those with which multiply-adds, and the time, grow: fitted by least squares where both axes are "
                + "logarithmic, with their standard error. Of attention its linear layers are left out here, as the paper does; "
                + "the tables below have both. Where a formula is a sum of two terms, as of the separable convolution, the "
                + "power lies between theirs; so it does where a filter or a window ends at the borders of the sequence.",
                $"The chain is the longest of calls of which each needs the one before, at n = {longest}. The path is the "
                + "longest between two positions, through as many causal layers as it takes.",
            ],
            [
                new StudyTable(
                    "Complexity of a layer: powers of its work, and of its time",
                    [
                        new("layer"), new("formula"), new("work: n"), new("work: d"), new("work: k or r"), new("time: n"),
                        new("time: d"),
                        new("time: k or r"),
                    ],
                    rows),
                new StudyTable(
                    "Sequential operations and maximum path length",
                    [new("layer"), new("sequential"), new("chain", "calls", "N0"), new("longest path"), new("measured")], order),
            ],
            []);
    }

    private static StudySection Section(string heading, string name, string where, Sweep[] sweeps)
    {
        var rows = new List<IReadOnlyList<StudyCell>>();
        foreach (Sweep sweep in sweeps)
        {
            foreach (Measured point in sweep.Points)
            {
                rows.Add(
                [
                    Of(sweep.Type.Name), Of(point.Size), Of(point.All.MultiplyAdds / 1e6), Of(point.Core.MultiplyAdds / 1e6),
                    Of(point.All.Functions / 1e6), Of(point.All.Bytes / 1e6), Of(1e3 * point.Seconds), Of(1e3 * point.OwnSeconds),
                ]);
            }
        }

        StudyAxis x = new(name, IsLogarithmic: true);
        Sweep[] drawn = sweeps.Length <= MostCurves ? sweeps : [.. sweeps.Where(static sweep => IsDrawn(sweep.Type))];
        return new StudySection(
            heading,
            [
                $"{where}. Millions of multiply-adds and of functions (exp, tanh, σ), megabytes of arguments and results; time is the "
                + "median of several runs.",
            ],
            [
                new StudyTable(
                    $"Work and time by {name}",
                    [
                        new("layer"), new(name, Format: "N0"), new("multiply-adds", "million", "N1"),
                        new("without projections", "million", "N1"),
                        new("functions", "million", "N2"), new("moved", "MB", "N1"), new("time", "ms", "G3"),
                        new("without projections", "ms", "G3"),
                    ],
                    rows),
            ],
            [
                new StudyPlot(
                    $"Multiply-adds by {name}, without projections", x, new StudyAxis("multiply-adds", IsLogarithmic: true),
                    [.. drawn.Select(static sweep => new StudySeries(sweep.Type.Name, sweep.Core, sweep.CoreFit))], []),
                new StudyPlot(
                    $"Time by {name}, with projections", x, new StudyAxis("time", "ms", true),
                    [.. drawn.Select(static sweep => new StudySeries(sweep.Type.Name, sweep.Time, sweep.WholeTimeFit))], []),
            ]);
    }

    private (StudySection Section, int[] Chains, int Longest) SequentialOperations()
    {
        int[] lengths = _options.Quick ? [8, 16, 32] : [16, 64, 256, 1024];
        var size = new LayerSize(PathWidth, Kernel, 8);
        int[][] chains =
        [
            .. LayerType.All.Select(type =>
            {
                using var bench = new LayerBench(_options.Backend, type, size, _options.Seed);
                return lengths.Select(n => bench.Count(n).Chain).ToArray();
            }),
        ];
        List<IReadOnlyList<StudyCell>> rows =
        [
            .. LayerType.All.Select((type, i) => (IReadOnlyList<StudyCell>)
                [Of(type.Name), Of(type.Sequential), .. chains[i].Select(static chain => Of(chain))]),
        ];
        return (
            new StudySection(
                "Sequential operations",
                [
                    "Calls of the longest chain of which each needs what the one before gave, from the calls that a layer "
                    + "made. A recurrent layer calls its product with the state, and its cell, for each position; all others "
                    + "are a few calls whatever n is.",
                ],
                [
                    new StudyTable(
                        "Calls that wait for each other",
                        [
                            new("layer"), new("formula"),
                            .. lengths.Select(static n =>
                                new StudyColumn($"n = {n.ToString(CultureInfo.InvariantCulture)}", Format: "N0")),
                        ],
                        rows),
                ],
                [
                    new StudyPlot(
                        "Calls that wait for each other", new StudyAxis("n", IsLogarithmic: true),
                        new StudyAxis("calls", IsLogarithmic: true),
                        [
                            .. LayerType.All.Select((type, i) => (Type: type, Chain: chains[i])).Where(static one => IsDrawn(one.Type))
                                .Select(one => new StudySeries(
                                    one.Type.Name, Points(lengths, one.Chain.Select(static calls => (double)calls)))),
                        ],
                        []),
                ]),
            [.. chains.Select(static chain => chain[^1])], lengths[^1]);
    }

    private (StudySection Section, string[] Found) Paths()
    {
        int[] lengths = _options.Quick ? [9, 27] : [9, 27, 81, 243, 729];
        int checkedLength = _options.Quick ? 9 : 27;
        var size = new LayerSize(PathWidth, Kernel, 5);
        var rows = new List<IReadOnlyList<StudyCell>>();
        var series = new List<StudySeries>();
        var found = new string[LayerType.All.Count];
        for (int i = 0; i < found.Length; i++)
        {
            LayerType type = LayerType.All[i];
            _options.Say($"paths of {type.Name}");
            var points = new List<StudyPoint>();
            var cells = new List<StudyCell> { Of(type.Name), Of(type.Path) };
            foreach (int n in lengths)
            {
                int layers = type.IsDilated ? (int)type.LayersOf(n, size) + 1 : 1;
                using var bench = new LayerBench(_options.Backend, type, size, _options.Seed, layers, isCausal: !type.IsGrouped);
                (int Layers, int Path)? path = bench.FollowPaths(n);
                double formula = type.LongestPath(n, size);
                cells.Add(Of($"{Never(path?.Path ?? double.NaN)} ({Never(formula)})"));
                if (path is { } length) points.Add(new StudyPoint(n, length.Path));
                if (n == lengths[^1]) found[i] = path is { } last ? $"{last.Path:N0} at n = {n}" : "never";
            }

            cells.Add(Of(Gradients(type, size, checkedLength)));
            rows.Add(cells);
            if (points.Count > 0 && type.Mixing is not (MixingKind.Lstm or MixingKind.Gru)) series.Add(new StudySeries(type.Name, points));
        }

        return (
            new StudySection(
                "Maximum path length",
                [
                    "How many times a signal is passed from a position to another on the shortest way from the first position "
                    + "to the others, at most: followed through what each call depends on, in as many causal layers as it "
                    + $"takes; k = {Kernel}, r = {size.Reach}. In brackets what the formula says exactly. Within groups a signal "
                    + "stays where it is, however many layers there are.",
                    $"By gradients, at n = {checkedLength}: after how many layers the last position has a gradient by the "
                    + "first one that is not 0, and whether it has none after one layer less.",
                ],
                [
                    new StudyTable(
                        "Longest path, and formula",
                        [
                            new("layer"), new("formula"),
                            .. lengths.Select(static n => new StudyColumn($"n = {n.ToString(CultureInfo.InvariantCulture)}")),
                            new("by gradients"),
                        ],
                        rows),
                ],
                [
                    new StudyPlot(
                        "Longest path", new StudyAxis("n", IsLogarithmic: true),
                        new StudyAxis("positions passed", IsLogarithmic: true), series, []),
                ]),
            found);
    }

    private string Gradients(LayerType type, LayerSize size, int positions)
    {
        _cancellation.ThrowIfCancellationRequested();
        double layers = type.LayersOf(positions, size);
        if (double.IsNaN(layers))
        {
            const int Many = 8;
            return LayerBench.HasGradient(_options.Backend, type, size, Many, positions, _options.Seed)
                ? $"there after {Many} layers" : $"0 after {Many} layers";
        }

        bool isThere = LayerBench.HasGradient(_options.Backend, type, size, (int)layers, positions, _options.Seed);
        bool isBefore = LayerBench.HasGradient(_options.Backend, type, size, (int)layers - 1, positions, _options.Seed);
        return $"{(isThere ? "there" : "0")} after {Layers((int)layers)}, {(isBefore ? "there" : "0")} after {Layers((int)layers - 1)}";
    }

    // Those left out of a plot with too many curves lie on, or close to, one that is drawn.
    private static bool IsDrawn(LayerType type) =>
        type.Mixing != MixingKind.Gru && !type.IsDilated && !type.IsGrouped;

    private static string Never(double length) => double.IsNaN(length) ? "never" : length.ToString("N0", CultureInfo.InvariantCulture);

    private static string Layers(int count) => $"{count.ToString("N0", CultureInfo.InvariantCulture)} layer{(count == 1 ? "" : "s")}";

    private StudySection Crossings(Sweep[] byLength)
    {
        Sweep Named(string name) => byLength.Single(sweep => sweep.Type.Name == name);
        Sweep attention = Named("self-attention"), recurrent = Named("recurrent"), lstm = Named("LSTM");
        Sweep band = byLength.Single(static sweep => sweep.Type.IsBand);
        var rows = new List<IReadOnlyList<StudyCell>>();
        var plots = new List<StudyPlot>();
        Compare("self-attention and a recurrent layer, by n", "n = d", _width, attention, recurrent, "n");
        Compare("self-attention and an LSTM, by n", "n = 4 d", 4 * _width, attention, lstm, "n");
        Sweep reaches = Reaches();
        Compare(
            $"restricted self-attention and a recurrent layer, by r at n = {_lengths[^1]}", "r = d", _width, reaches,
            Flat(recurrent, reaches), "r");
        Compare(
            "a separable convolution with k = n and restricted self-attention with its projections, by n", $"n = 2 r + 3 d",
            (2 * Reach) + (3 * _width), LongFilters(), band, "n", withLinear: true);
        return new StudySection(
            "Where one overtakes another",
            [
                "By formula, by counted multiply-adds, and by time: the point from which on the first of the two does more "
                + "than the second. Without projections, except in the last row, whose formulas are n² d + n d² and 2 r n d + 4 "
                + "n d². Counted crossings lie beyond those of the formula where a window or a filter is cut off at the ends of "
                + "the sequence. Times cross elsewhere, as the same number of multiply-adds does not take the same time "
                + "everywhere: products with one row, as a recurrent layer has them, wait for weights; a filter for each column "
                + "reads as much as it multiplies; a softmax has exponentials.",
            ],
            [
                new StudyTable(
                    "Crossings",
                    [new("of"), new("formula"), new("by formula", Format: "N0"), new("by multiply-adds"), new("by time")], rows),
            ],
            plots);

        void Compare(string what, string formula, double value, Sweep one, Sweep two, string axis, bool withLinear = false)
        {
            (IReadOnlyList<StudyPoint> work, IReadOnlyList<StudyPoint> time) = Curves(one);
            (IReadOnlyList<StudyPoint> otherWork, IReadOnlyList<StudyPoint> otherTime) = Curves(two);
            StudyPoint? timed = Crossing(time, otherTime);
            rows.Add(
                [Of(what), Of(formula), Of(value), Where(Crossing(work, otherWork), work, otherWork), Where(timed, time, otherTime)]);
            plots.Add(new StudyPlot(
                $"Time: {what}", new StudyAxis(axis, IsLogarithmic: true), new StudyAxis("time", "ms", true),
                [new(one.Type.Name, time), new(two.Type.Name, otherTime)],
                timed is { } at ? [new StudyMark(at.X, at.Y, string.Create(CultureInfo.InvariantCulture, $"{axis} = {at.X:N0}"))] : []));

            (IReadOnlyList<StudyPoint> Work, IReadOnlyList<StudyPoint> Time) Curves(Sweep sweep) =>
                withLinear ? (sweep.Work, sweep.Time) : (sweep.Core, sweep.CoreTime);
        }

        static StudyCell Where(StudyPoint? point, IReadOnlyList<StudyPoint> one, IReadOnlyList<StudyPoint> two) => point is { } at
            ? Of(at.X.ToString("N0", CultureInfo.InvariantCulture))
            : Of(WithoutCrossing(one, two));
    }

    // Separable convolutions as wide as the sequence.
    private Sweep LongFilters()
    {
        LayerType separable = LayerType.All.Single(static type => type.Mixing == MixingKind.SeparableConvolution);
        return Measure(separable, "k = n", [.. _lengths.Where(n => n <= LongestFilter)], n => (n, new LayerSize(_width, n, Reach)));
    }

    private Sweep Reaches()
    {
        LayerType band = LayerType.All.Single(static type => type.IsBand);
        return Measure(band, "r", Doubled(8, Math.Min(4 * _width, _lengths[^1])), r => (_lengths[^1], new LayerSize(_width, Kernel, r)));
    }

    // A recurrent layer at the longest sequence, whatever r is.
    private static Sweep Flat(Sweep recurrent, Sweep reaches) => new(
        recurrent.Type, [.. reaches.Points.Select(point => recurrent.Points[^1] with { Size = point.Size })]);

    private StudySection Beside(IBackend other, Sweep[] byLength)
    {
        int[] chosen = [_lengths[0], _lengths[_lengths.Length / 2], _lengths[^1]];
        var rows = new List<IReadOnlyList<StudyCell>>();
        foreach (Sweep sweep in byLength)
        {
            _options.Say($"{sweep.Type.Name} on {other.Description}");
            using var bench = new LayerBench(other, sweep.Type, new LayerSize(_width, Kernel, Reach), _options.Seed);
            foreach (Measured point in sweep.Points.Where(point => chosen.Contains(point.Size)))
            {
                double seconds = bench.Seconds(point.Size, _cancellation);
                rows.Add(
                    [Of(sweep.Type.Name), Of(point.Size), Of(1e3 * point.Seconds), Of(1e3 * seconds), Of(point.Seconds / seconds)]);
            }
        }

        return new StudySection(
            "On the other backend",
            [
                $"Time of the whole layer, d = {_width}: on {_options.Backend.Description}, and on {other.Description}. A "
                + "layer of few calls can use a device that does much at once; one of many calls that wait for each other pays "
                + "for each of them.",
            ],
            [
                new StudyTable(
                    "Time on both",
                    [
                        new("layer"), new("n", Format: "N0"), new("first", "ms", "G3"), new("other", "ms", "G3"),
                        new("first / other", Format: "G3"),
                    ],
                    rows),
            ],
            []);
    }

    private static StudyPoint[] Points(int[] sizes, IEnumerable<double> values) =>
        [.. sizes.Zip(values, static (size, value) => new StudyPoint(size, value))];

    // One size: all of the work, that without an attention's linear layers, and the times of both.
    private sealed record Measured(int Size, OperationCount All, OperationCount Core, double Seconds, double OwnSeconds);

    private sealed record Sweep(LayerType Type, IReadOnlyList<Measured> Points)
    {
        public IReadOnlyList<StudyPoint> Work { get; } = [.. Points.Select(static p => new StudyPoint(p.Size, p.All.MultiplyAdds))];

        public IReadOnlyList<StudyPoint> Core { get; } = [.. Points.Select(static p => new StudyPoint(p.Size, p.Core.MultiplyAdds))];

        public IReadOnlyList<StudyPoint> Time { get; } = [.. Points.Select(static p => new StudyPoint(p.Size, 1e3 * p.Seconds))];

        public IReadOnlyList<StudyPoint> CoreTime { get; } = [.. Points.Select(static p => new StudyPoint(p.Size, 1e3 * p.OwnSeconds))];

        public PowerLaw CoreFit => PowerLaw.Fit(Core);

        public PowerLaw TimeFit => PowerLaw.Fit(CoreTime);

        public PowerLaw WholeTimeFit => PowerLaw.Fit(Time);
    }
}
