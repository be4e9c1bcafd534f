// How a training went, as a picture: loss, BLEU and learning rate over the steps, in an SVG that needs nothing beside it, with
// colours for light and dark pages.
using System.Globalization;
using System.Text;

namespace Engine.Training;

/// <summary>Collects points and draws them.</summary>
internal sealed class TrainingCurves
{
    /// <summary>Its file in the output directory.</summary>
    public const string FileName = "curves.svg";

    private const int Width = 760, PanelHeight = 210, Left = 64, Right = 118, Top = 30, Bottom = 34, Ticks = 5;
    private const int MostPoints = 600;   // more than there are pixels

    private readonly List<(int Step, double Value)> _train = [];
    private readonly List<(int Step, double Value)> _valid = [];
    private readonly List<(int Step, double Value)> _bleu = [];
    private readonly List<(int Step, double Value)> _rate = [];

    /// <summary>Adds the points of a report.</summary>
    public void AddReport(int step, double loss, double learningRate)
    {
        Add(_train, step, loss);
        Add(_rate, step, learningRate);
    }

    /// <summary>Adds the points of a validation.</summary>
    public void AddValidation(int step, double loss, double? bleu)
    {
        Add(_valid, step, loss);
        if (bleu is { } value) Add(_bleu, step, value);
    }

    /// <summary>Writes the picture; it replaces the one before at once.</summary>
    /// <param name="directory">The output directory.</param>
    public void Write(string directory)
    {
        string file = Path.Combine(directory, FileName), temporary = $"{file}.tmp";
        File.WriteAllText(temporary, ToSvg());
        File.Move(temporary, file, overwrite: true);
    }

    /// <summary>The picture.</summary>
    public string ToSvg()
    {
        int last = new[] { _train, _valid, _bleu }.Max(static points => points.Count == 0 ? 1 : points[^1].Step);
        var panels = new List<Panel>
        {
            new("loss, −ln p of a token", [new("train", "a", _train), new("validation", "b", _valid)], false),
        };
        if (_bleu.Count > 0) panels.Add(new("BLEU", [new("BLEU", "b", _bleu)], true));
        panels.Add(new("learning rate", [new("rate", "c", _rate)], true));

        var svg = new StringBuilder();
        int height = panels.Count * PanelHeight;
        Append(svg, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {height}\" width=\"{Width}\" ");
        Append(svg, $"height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n");
        svg.Append("""
            <style>
              .ground { fill: #ffffff } text { fill: #1f2328 } .soft { fill: #59636e } .grid { stroke: #d8dee4 }
              .line { fill: none; stroke-width: 1.8; stroke-linejoin: round }
              .a { stroke: #0b62c4 } .b { stroke: #c2410c } .c { stroke: #1a7f37 }
              text.a { fill: #0b62c4; stroke: none } text.b { fill: #c2410c; stroke: none } text.c { fill: #1a7f37; stroke: none }
              circle.a { fill: #0b62c4 } circle.b { fill: #c2410c } circle.c { fill: #1a7f37 }
              @media (prefers-color-scheme: dark) {
                .ground { fill: #0d1117 } text { fill: #e6edf3 } .soft { fill: #9198a1 } .grid { stroke: #30363d }
                .a { stroke: #6cb6ff } .b { stroke: #ffa657 } .c { stroke: #56d364 }
                text.a { fill: #6cb6ff } text.b { fill: #ffa657 } text.c { fill: #56d364 }
                circle.a { fill: #6cb6ff } circle.b { fill: #ffa657 } circle.c { fill: #56d364 }
              }
            </style>

            """);
        Append(svg, $"<rect class=\"ground\" width=\"{Width}\" height=\"{height}\"/>\n");
        for (int i = 0; i < panels.Count; i++) Draw(svg, panels[i], i * PanelHeight, last);
        svg.Append("</svg>\n");
        return svg.ToString();
    }

    private static void Add(List<(int Step, double Value)> points, int step, double value)
    {
        if (double.IsFinite(value)) points.Add((step, value));
    }

    private static void Draw(StringBuilder svg, Panel panel, int offset, int last)
    {
        double low = panel.FromZero ? 0 : double.PositiveInfinity, high = double.NegativeInfinity;
        foreach (Curve curve in panel.Curves)
        {
            foreach (var (_, value) in curve.Points) (low, high) = (Math.Min(low, value), Math.Max(high, value));
        }

        if (!double.IsFinite(low)) low = 0;
        if (!(high > low)) high = low + 1;
        double tick = NiceTick((high - low) / Ticks);
        low = Math.Floor(low / tick) * tick;
        high = Math.Ceiling(high / tick) * tick;
        int bottom = offset + PanelHeight - Bottom;
        double X(double step) => Left + (step / last * (Width - Left - Right));
        double Y(double value) => bottom - ((value - low) / (high - low) * (PanelHeight - Top - Bottom));

        Append(svg, $"<text x=\"{Left}\" y=\"{offset + 18}\" font-weight=\"600\">{panel.Title}</text>\n");
        for (int i = 0; low + (i * tick) <= high + (tick / 2); i++)
        {
            double value = low + (i * tick);
            Append(svg, $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Y(value):F1}\" y2=\"{Y(value):F1}\"/>");
            Append(svg, $"<text class=\"soft\" x=\"{Left - 8}\" y=\"{Y(value) + 4:F1}\" text-anchor=\"end\">");
            Append(svg, $"{Short(value)}</text>\n");
        }

        double stepTick = Math.Max(1, NiceTick((double)last / Ticks));
        for (double step = 0; step <= last; step += stepTick)
        {
            Append(svg, $"<text class=\"soft\" x=\"{X(step):F1}\" y=\"{bottom + 18}\" text-anchor=\"middle\">{step:N0}</text>\n");
        }

        // Each curve ends in a point with its name and last value; names that would meet are moved apart.
        double taken = double.NegativeInfinity;
        IEnumerable<Curve> curves = panel.Curves.Where(static curve => curve.Points.Count > 0);
        foreach (Curve curve in curves.OrderBy(curve => Y(curve.Points[^1].Value)))
        {
            Append(svg, $"<polyline class=\"line {curve.Colour}\" points=\"");
            int stride = ((curve.Points.Count - 1) / MostPoints) + 1;
            for (int i = (curve.Points.Count - 1) % stride; i < curve.Points.Count; i += stride)
                Append(svg, $"{X(curve.Points[i].Step):F1},{Y(curve.Points[i].Value):F1} ");
            var (end, final) = curve.Points[^1];
            Append(svg, $"\"/><circle class=\"{curve.Colour}\" cx=\"{X(end):F1}\" cy=\"{Y(final):F1}\" r=\"3\"/>");
            double y = Math.Max(Y(final) + 4, taken + 14);
            taken = y;
            Append(svg, $"<text class=\"{curve.Colour}\" x=\"{X(end) + 8:F1}\" y=\"{y:F1}\">");
            Append(svg, $"{curve.Name} {Short(final)}</text>\n");
        }
    }

    // 1, 2 or 5 times a power of ten, at least as large.
    private static double NiceTick(double least)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(least)));
        foreach (double factor in (double[])[1, 2, 5])
            if (factor * power >= least * 0.999999) return factor * power;
        return 10 * power;
    }

    private static string Short(double value) => Math.Abs(value) switch
    {
        < 1e-12 => "0",
        < 0.01 => value.ToString("0.##e-0", CultureInfo.InvariantCulture),
        < 1000 => value.ToString("0.###", CultureInfo.InvariantCulture),
        _ => value.ToString("0.##e0", CultureInfo.InvariantCulture),
    };

    private static void Append(StringBuilder svg, FormattableString text) => svg.Append(FormattableString.Invariant(text));

    private sealed record Curve(string Name, string Colour, List<(int Step, double Value)> Points);

    private sealed record Panel(string Title, Curve[] Curves, bool FromZero);
}
