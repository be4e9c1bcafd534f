// A plot of a study as SVG: axes, curves, fitted lines and marked places. Colours are the page's; dashes and markers differ too,
// so that curves can be told apart without them.
using System.Globalization;
using System.Xml;
using Engine.Studies;

namespace Engine.Cli;

/// <summary>Draws plots.</summary>
internal static class StudyPicture
{
    /// <summary>Curves that look different.</summary>
    public const int Styles = 7;

    private const string Namespace = "http://www.w3.org/2000/svg";
    private const int Width = 360, Height = 250, Left = 48, Right = 350, Top = 22, Bottom = 212;
    private const int MostMarkers = 12, FitPoints = 48;

    private static readonly string[] Dashes = ["", "6 3", "2 2", "9 3 2 3", "4 2", "1 2", "12 4"];

    // Within 4 of the middle: disc, square, triangle, diamond, triangle downwards, cross, plus.
    private static readonly string[] Markers =
    [
        "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z", "M-3-3h6v6h-6z", "M0-4L4 3H-4z", "M0-4.5L4.5 0L0 4.5L-4.5 0z", "M0 4L4-3H-4z",
        "M-4-2.5L-2.5-4L0-1.5L2.5-4L4-2.5L1.5 0L4 2.5L2.5 4L0 1.5L-2.5 4L-4 2.5L-1.5 0z", "M-1-4h2v3h3v2h-3v3h-2v-3h-3v-2h3z",
    ];

    /// <summary>Draws a plot.</summary>
    public static void Write(XmlWriter xml, StudyPlot plot)
    {
        IEnumerable<StudyPoint> points = plot.Series.SelectMany(static series => series.Points);
        var x = new PlotScale(
            points.Select(static point => point.X).Concat(plot.Marks.Select(static mark => mark.X)), plot.X.IsLogarithmic, Left, Right);
        var y = new PlotScale(
            points.Select(static point => point.Y)
                .Concat(plot.Marks.Where(static mark => mark.Y is not null).Select(static mark => mark.Y!.Value)),
            plot.Y.IsLogarithmic, Bottom, Top);
        xml.WriteStartElement("svg", Namespace);
        Attributes(xml, ("viewBox", $"0 0 {Width} {Height}"), ("role", "img"), ("class", "plot"));
        xml.WriteElementString("title", Namespace, plot.Title);
        xml.WriteElementString("desc", Namespace, Describe(plot));
        Axes(xml, plot, x, y);
        for (int i = 0; i < plot.Series.Count; i++) Curve(xml, plot.Series[i], i % Styles, x, y);
        foreach (StudyMark mark in plot.Marks) Mark(xml, mark, x, y);
        xml.WriteEndElement();
    }

    /// <summary>Draws the line and the marker of a curve, for a legend.</summary>
    public static void WriteSample(XmlWriter xml, int series)
    {
        int style = series % Styles;
        xml.WriteStartElement("svg", Namespace);
        Attributes(xml, ("viewBox", "0 0 36 12"), ("class", $"sample s{style}"), ("aria-hidden", "true"));
        Line(xml, "M2 6H34", Dashes[style], 2);
        Marker(xml, 18, 6, style);
        xml.WriteEndElement();
    }

    private static string Describe(StudyPlot plot)
    {
        string axes = $"{plot.Y.Heading} by {plot.X.Heading}";
        IEnumerable<string> curves = plot.Series.Where(static series => series.Points.Count > 0).Select(static series =>
            $"{series.Name} from {PlotScale.Write(series.Points[0].Y)} at {PlotScale.Write(series.Points[0].X)} to "
            + $"{PlotScale.Write(series.Points[^1].Y)} at {PlotScale.Write(series.Points[^1].X)}");
        return $"{axes}: {string.Join("; ", curves)}. All numbers are in the table below.";
    }

    private static void Axes(XmlWriter xml, StudyPlot plot, PlotScale x, PlotScale y)
    {
        foreach (double tick in y.Ticks)
        {
            double place = y.Place(tick);
            Grid(xml, Left, place, Right, place);
            Label(xml, Left - 5, place + 3.5, "end", PlotScale.Write(tick));
        }

        foreach (double tick in x.Ticks)
        {
            double place = x.Place(tick);
            Grid(xml, place, Top, place, Bottom);
            Label(xml, place, Bottom + 13, "middle", PlotScale.Write(tick));
        }

        Label(xml, 2, 12, "start", plot.Y.Heading);
        Label(xml, (Left + Right) / 2.0, Height - 8, "middle", plot.X.Heading);
    }

    private static void Curve(XmlWriter xml, StudySeries series, int style, PlotScale x, PlotScale y)
    {
        xml.WriteStartElement("g", Namespace);
        Attributes(xml, ("class", $"s{style}"));
        StudyPoint[] shown = [.. series.Points.Where(point => x.Shows(point.X) && y.Shows(point.Y))];
        if (series.Fit is { } fit) Line(xml, PathOf(FittedPoints(series, fit), x, y), Dashes[style], 1.2);
        else Line(xml, PathOf(shown, x, y), Dashes[style], 1.8);
        int every = Math.Max(1, (shown.Length + MostMarkers - 1) / MostMarkers);
        for (int i = 0; i < shown.Length; i += every) Marker(xml, x.Place(shown[i].X), y.Place(shown[i].Y), style);
        xml.WriteEndElement();
    }

    private static IEnumerable<StudyPoint> FittedPoints(StudySeries series, PowerLaw fit)
    {
        double first = Math.Log(series.Points[0].X), last = Math.Log(series.Points[^1].X);
        return Enumerable.Range(0, FitPoints + 1).Select(i =>
        {
            double at = Math.Exp(first + ((last - first) * i / FitPoints));
            return new StudyPoint(at, fit.At(at));
        });
    }

    private static string PathOf(IEnumerable<StudyPoint> points, PlotScale x, PlotScale y)
    {
        IEnumerable<string> places = points.Where(point => x.Shows(point.X) && y.Shows(point.Y))
            .Select(point => $"{Number(x.Place(point.X))} {Number(y.Place(point.Y))}");
        return $"M{string.Join('L', places)}";
    }

    private static void Mark(XmlWriter xml, StudyMark mark, PlotScale x, PlotScale y)
    {
        if (!x.Shows(mark.X)) return;
        double place = x.Place(mark.X);
        xml.WriteStartElement("g", Namespace);
        Attributes(xml, ("class", "mark"));
        Line(xml, string.Create(CultureInfo.InvariantCulture, $"M{Number(place)} {Top}V{Bottom}"), "3 3", 1);
        if (mark.Y is { } value && y.Shows(value))
        {
            xml.WriteStartElement("circle", Namespace);
            Attributes(
                xml, ("cx", Number(place)), ("cy", Number(y.Place(value))), ("r", "6"), ("fill", "none"), ("stroke", "currentColor"));
            xml.WriteEndElement();
        }

        bool isLeft = place < (Left + Right) / 2.0;
        Label(xml, isLeft ? place + 4 : place - 4, Top + 10, isLeft ? "start" : "end", mark.Label);
        xml.WriteEndElement();
    }

    private static void Grid(XmlWriter xml, double x1, double y1, double x2, double y2)
    {
        xml.WriteStartElement("path", Namespace);
        Attributes(xml, ("class", "grid"), ("d", $"M{Number(x1)} {Number(y1)}L{Number(x2)} {Number(y2)}"));
        xml.WriteEndElement();
    }

    private static void Line(XmlWriter xml, string path, string dashes, double width)
    {
        if (path == "M") return;
        xml.WriteStartElement("path", Namespace);
        Attributes(xml, ("d", path), ("fill", "none"), ("stroke", "currentColor"), ("stroke-width", Number(width)));
        if (dashes.Length > 0) Attributes(xml, ("stroke-dasharray", dashes));
        xml.WriteEndElement();
    }

    private static void Marker(XmlWriter xml, double x, double y, int style)
    {
        xml.WriteStartElement("path", Namespace);
        Attributes(
            xml, ("class", "marker"), ("d", Markers[style]), ("transform", $"translate({Number(x)} {Number(y)})"),
            ("fill", "currentColor"));
        xml.WriteEndElement();
    }

    private static void Label(XmlWriter xml, double x, double y, string anchor, string text)
    {
        xml.WriteStartElement("text", Namespace);
        Attributes(xml, ("x", Number(x)), ("y", Number(y)), ("text-anchor", anchor));
        xml.WriteString(text);
        xml.WriteEndElement();
    }

    private static void Attributes(XmlWriter xml, params ReadOnlySpan<(string Name, string Value)> attributes)
    {
        foreach ((string name, string value) in attributes) xml.WriteAttributeString(name, value);
    }

    private static string Number(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
