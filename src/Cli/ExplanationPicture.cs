// One head as a picture: a heat map in SVG, with the weight of each cell as its title.
using System.Globalization;
using System.Text;
using System.Xml;
using Engine.Explaining;

namespace Engine.Cli;

/// <summary>Draws attention.</summary>
internal static class ExplanationPicture
{
    private const string Namespace = "http://www.w3.org/2000/svg";
    private const int Cell = 18, Labels = 130, Gap = 6;

    /// <summary>Writes a heat map: queries are rows, keys columns, and a weight is how opaque a cell is.</summary>
    public static void Write(
        Stream stream, AttentionMap map, int layer, int head, IReadOnlyList<string> queries, IReadOnlyList<string> keys)
    {
        var settings = new XmlWriterSettings { Encoding = new UTF8Encoding(false), OmitXmlDeclaration = true, CloseOutput = false };
        using var xml = XmlWriter.Create(stream, settings);
        int width = Labels + (map.Keys * Cell), height = Labels + (map.Queries * Cell);
        xml.WriteStartElement("svg", Namespace);
        xml.WriteAttributeString("viewBox", $"0 0 {width} {height}");
        xml.WriteAttributeString("width", $"{width}");
        xml.WriteAttributeString("height", $"{height}");
        xml.WriteAttributeString("font-family", "sans-serif");
        xml.WriteAttributeString("font-size", "12");
        xml.WriteAttributeString("role", "img");
        xml.WriteElementString("title", Namespace, $"Attention, layer {layer + 1}, head {head + 1}");
        xml.WriteStartElement("rect", Namespace);
        Place(xml, 0, 0, width, height);
        xml.WriteAttributeString("fill", "#ffffff");
        xml.WriteEndElement();
        for (int j = 0; j < map.Keys; j++)
        {
            int x = Labels + (j * Cell) + (Cell / 2) + 4;
            Label(xml, x, Labels - Gap, "start", $"rotate(-90 {x} {Labels - Gap})", keys[j]);
        }

        for (int i = 0; i < map.Queries; i++)
        {
            Label(xml, Labels - Gap, Labels + (i * Cell) + (Cell / 2) + 4, "end", null, queries[i]);
            for (int j = 0; j < map.Keys; j++) Weight(xml, i, j, map.Row(layer, head, i)[j], queries[i], keys[j]);
        }

        xml.WriteEndElement();
    }

    private static void Weight(XmlWriter xml, int row, int column, float weight, string query, string key)
    {
        xml.WriteStartElement("rect", Namespace);
        Place(xml, Labels + (column * Cell), Labels + (row * Cell), Cell, Cell);
        xml.WriteAttributeString("fill", "#1a5fb4");
        xml.WriteAttributeString("fill-opacity", weight.ToString("R", CultureInfo.InvariantCulture));
        string shown = weight.ToString("0.0000", CultureInfo.InvariantCulture);
        xml.WriteElementString("title", Namespace, Clean($"{query} → {key}: {shown}"));
        xml.WriteEndElement();
    }

    private static void Place(XmlWriter xml, int x, int y, int width, int height)
    {
        xml.WriteAttributeString("x", $"{x}");
        xml.WriteAttributeString("y", $"{y}");
        xml.WriteAttributeString("width", $"{width}");
        xml.WriteAttributeString("height", $"{height}");
    }

    private static void Label(XmlWriter xml, int x, int y, string anchor, string? transform, string text)
    {
        xml.WriteStartElement("text", Namespace);
        xml.WriteAttributeString("x", $"{x}");
        xml.WriteAttributeString("y", $"{y}");
        xml.WriteAttributeString("text-anchor", anchor);
        if (transform is not null) xml.WriteAttributeString("transform", transform);
        xml.WriteString(Clean(text));
        xml.WriteEndElement();
    }

    // Characters that XML cannot hold, such as most below the space.
    private static string Clean(string text) =>
        string.Concat(text.EnumerateRunes().Select(static rune =>
            rune.Value > char.MaxValue || XmlConvert.IsXmlChar((char)rune.Value) ? rune.ToString() : "\uFFFD"));
}
