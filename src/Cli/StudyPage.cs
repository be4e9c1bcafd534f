// A study's report as a page that needs nothing else: text, tables, and plots that are drawn here, each with its numbers behind it.
using System.Globalization;
using System.Net;
using System.Text;
using System.Xml;
using Engine.Studies;

namespace Engine.Cli;

/// <summary>Writes pages.</summary>
internal static class StudyPage
{
    private const int LongestTable = 16, LongestLine = 28;
    private const string FileName = "study.html", TitleMark = "<!-- title -->", BodyMark = "<!-- report -->";

    /// <summary>Writes a page.</summary>
    public static void Write(Stream stream, StudyReport report)
    {
        string[] around = Template.Read(FileName).Replace(TitleMark, WebUtility.HtmlEncode(report.Title), StringComparison.Ordinal).Split(BodyMark);
        using var writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true);
        writer.Write(around[0]);

        // What XML cannot hold, such as a control character in the name of a model, is written as a reference.
        var settings = new XmlWriterSettings
        {
            ConformanceLevel = ConformanceLevel.Fragment, OmitXmlDeclaration = true, CheckCharacters = false, CloseOutput = false,
        };
        using (var xml = XmlWriter.Create(writer, settings)) Body(xml, report);
        writer.Write(around[1]);
    }

    private static void Body(XmlWriter xml, StudyReport report)
    {
        Element(xml, "h1", null, report.Title);
        Element(xml, "p", "faint", string.Join("; ", report.Conditions));
        foreach (StudySection section in report.Sections)
        {
            xml.WriteStartElement("section");
            Element(xml, "h2", null, section.Heading);
            foreach (string paragraph in section.Text) Element(xml, "p", null, paragraph);
            foreach (StudyTable table in section.Tables)
            {
                if (table.Rows.Count <= LongestTable) Table(xml, table);
                else Folded(xml, $"{table.Caption}: {table.Rows.Count} rows", table);
            }

            foreach (StudyPlot plot in section.Plots) Plot(xml, plot);
            xml.WriteFullEndElement();
        }
    }

    private static void Plot(XmlWriter xml, StudyPlot plot)
    {
        xml.WriteStartElement("figure");
        Element(xml, "figcaption", null, plot.Title);
        StudyPicture.Write(xml, plot);
        xml.WriteStartElement("ul");
        xml.WriteAttributeString("class", "legend");
        for (int i = 0; i < plot.Series.Count; i++)
        {
            xml.WriteStartElement("li");
            StudyPicture.WriteSample(xml, i);
            PowerLaw? fit = plot.Series[i].Fit;
            Element(xml, "span", null, fit is null
                ? plot.Series[i].Name
                : $"{plot.Series[i].Name}; the line: {plot.Y.Title} = {PlotScale.Write(Rounded(fit.Factor))} · {plot.X.Title} to the "
                + $"power of {fit.Describe()}");
            xml.WriteFullEndElement();
        }

        xml.WriteFullEndElement();
        Folded(xml, $"Numbers: {plot.Title}", Numbers(plot));
        xml.WriteFullEndElement();
    }

    private static void Folded(XmlWriter xml, string summary, StudyTable table)
    {
        xml.WriteStartElement("details");
        Element(xml, "summary", null, summary);
        Table(xml, table);
        xml.WriteFullEndElement();
    }

    private static double Rounded(double value) =>
        double.Parse(value.ToString("G3", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    // A row for each x of any curve; a curve that has no point there has no number.
    private static StudyTable Numbers(StudyPlot plot)
    {
        Dictionary<double, double>[] curves =
        [
            .. plot.Series.Select(static series => series.Points.GroupBy(static point => point.X)
                .ToDictionary(static group => group.Key, static group => group.First().Y)),
        ];
        IEnumerable<double> places = curves.SelectMany(static curve => curve.Keys).Distinct().Order();
        return new StudyTable(
            plot.Title,
            [
                new StudyColumn(plot.X.Title, plot.X.Unit, "G6"),
                .. plot.Series.Select(series => new StudyColumn(series.Name, plot.Y.Unit, "G5")),
            ],
            [
                .. places.Select(x => (IReadOnlyList<StudyCell>)
                    [StudyCell.Of(x), .. curves.Select(curve => curve.TryGetValue(x, out double y) ? StudyCell.Of(y) : default)]),
            ]);
    }

    private static void Table(XmlWriter xml, StudyTable table)
    {
        // A table that is wider than the window scrolls by itself, by the keyboard too.
        xml.WriteStartElement("div");
        xml.WriteAttributeString("class", "scroll");
        xml.WriteAttributeString("tabindex", "0");
        xml.WriteAttributeString("role", "region");
        xml.WriteAttributeString("aria-label", table.Caption);
        xml.WriteStartElement("table");
        Element(xml, "caption", null, table.Caption);
        xml.WriteStartElement("thead");
        xml.WriteStartElement("tr");
        for (int i = 0; i < table.Columns.Count; i++)
        {
            xml.WriteStartElement("th");
            xml.WriteAttributeString("scope", "col");
            if (!StudyTables.IsText(table, i)) xml.WriteAttributeString("class", "number");
            xml.WriteString(table.Columns[i].Heading);
            xml.WriteFullEndElement();
        }

        xml.WriteFullEndElement();
        xml.WriteFullEndElement();
        xml.WriteStartElement("tbody");
        foreach (IReadOnlyList<StudyCell> row in table.Rows)
        {
            xml.WriteStartElement("tr");
            for (int i = 0; i < row.Count; i++)
                Cell(xml, row[i].Show(table.Columns[i]), StudyTables.IsText(table, i));
            xml.WriteFullEndElement();
        }

        xml.WriteFullEndElement();
        xml.WriteFullEndElement();
        xml.WriteFullEndElement();
    }

    // A few words stay on their line.
    private static void Cell(XmlWriter xml, string text, bool isText) =>
        Element(xml, "td", !isText ? "number" : text.Length <= LongestLine ? "short" : null, text);

    private static void Element(XmlWriter xml, string name, string? kind, string text)
    {
        xml.WriteStartElement(name);
        if (kind is not null) xml.WriteAttributeString("class", kind);
        xml.WriteString(text);
        xml.WriteFullEndElement();
    }
}
