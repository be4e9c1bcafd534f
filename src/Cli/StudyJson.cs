// A study's report as JSON: the values themselves, with all their digits. docs/the-paper.md tells the keys.
using System.Text.Json;
using Engine.Studies;

namespace Engine.Cli;

/// <summary>Writes reports into an object that is open.</summary>
internal static class StudyJson
{
    /// <summary>Writes a report.</summary>
    public static void Write(Utf8JsonWriter json, StudyReport report)
    {
        json.WriteString("name", report.Name);
        json.WriteString("title", report.Title);
        Strings(json, "conditions", report.Conditions);
        Objects(json, "sections", report.Sections, section =>
        {
            json.WriteString("heading", section.Heading);
            Strings(json, "text", section.Text);
            Objects(json, "tables", section.Tables, table => Table(json, table));
            Objects(json, "plots", section.Plots, plot => Plot(json, plot));
        });
    }

    private static void Table(Utf8JsonWriter json, StudyTable table)
    {
        json.WriteString("caption", table.Caption);
        Objects(json, "columns", table.Columns, column =>
        {
            json.WriteString("name", column.Name);
            json.WriteString("unit", column.Unit);
        });
        json.WriteStartArray("rows");
        foreach (IReadOnlyList<StudyCell> row in table.Rows)
        {
            json.WriteStartArray();
            foreach (StudyCell cell in row)
            {
                if (cell.Text is { } text) json.WriteStringValue(text);
                else Number(json, cell.Number);
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
    }

    private static void Plot(Utf8JsonWriter json, StudyPlot plot)
    {
        json.WriteString("title", plot.Title);
        Axis(json, "x", plot.X);
        Axis(json, "y", plot.Y);
        Objects(json, "series", plot.Series, series =>
        {
            json.WriteString("name", series.Name);
            json.WriteStartArray("points");
            foreach (StudyPoint point in series.Points)
            {
                json.WriteStartArray();
                Number(json, point.X);
                Number(json, point.Y);
                json.WriteEndArray();
            }

            json.WriteEndArray();
            if (series.Fit is not { } fit)
            {
                json.WriteNull("fit");
                return;
            }

            json.WriteStartObject("fit");
            Number(json, "exponent", fit.Exponent);
            Number(json, "error", fit.Error);
            Number(json, "factor", fit.Factor);
            json.WriteEndObject();
        });
        Objects(json, "marks", plot.Marks, mark =>
        {
            Number(json, "x", mark.X);
            Number(json, "y", mark.Y);
            json.WriteString("label", mark.Label);
        });
    }

    private static void Axis(Utf8JsonWriter json, string name, StudyAxis axis)
    {
        json.WriteStartObject(name);
        json.WriteString("title", axis.Title);
        json.WriteString("unit", axis.Unit);
        json.WriteBoolean("logarithmic", axis.IsLogarithmic);
        json.WriteEndObject();
    }

    private static void Objects<T>(Utf8JsonWriter json, string name, IReadOnlyList<T> values, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (T value in values)
        {
            json.WriteStartObject();
            write(value);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Strings(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values) json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void Number(Utf8JsonWriter json, string name, double? value)
    {
        json.WritePropertyName(name);
        Number(json, value);
    }

    // JSON has neither infinity nor NaN: what is no number is null.
    private static void Number(Utf8JsonWriter json, double? value)
    {
        if (value is { } number && double.IsFinite(number)) json.WriteNumberValue(number);
        else json.WriteNullValue();
    }
}
