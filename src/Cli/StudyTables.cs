// A study's report for a terminal: headings, sentences, and tables whose columns stand under each other.
using System.Globalization;
using Engine.Studies;
using Spectre.Console;
using Words = Spectre.Console.Text;

namespace Engine.Cli;

/// <summary>Writes reports as text.</summary>
internal static class StudyTables
{
    private const int Width = 100;         // of a line of text
    private const int TableWidth = 1000;   // a table is as wide as it must be: a line of it is never broken

    /// <summary>The lines of a report.</summary>
    public static IEnumerable<string> Lines(StudyReport report)
    {
        yield return report.Title;
        yield return string.Join("; ", report.Conditions);
        foreach (StudySection section in report.Sections)
        {
            yield return "";
            yield return section.Heading;
            yield return new string('-', section.Heading.Length);
            foreach (string line in section.Text.SelectMany(Broken)) yield return line;
            foreach (StudyTable table in section.Tables)
            {
                yield return "";
                yield return table.Caption;
                foreach (string line in Drawn(table)) yield return line;
            }
        }
    }

    private static IEnumerable<string> Broken(string text)
    {
        string line = "";
        foreach (string word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > Width)
            {
                yield return line;
                line = "";
            }

            line = line.Length == 0 ? word : $"{line} {word}";
        }

        yield return line;
    }

    private static IEnumerable<string> Drawn(StudyTable table)
    {
        Table drawn = new Table().Border(TableBorder.Simple);
        for (int i = 0; i < table.Columns.Count; i++)
        {
            var column = new TableColumn(new Words(table.Columns[i].Heading));
            drawn.AddColumn(IsText(table, i) ? column : column.RightAligned());
        }

        foreach (IReadOnlyList<StudyCell> row in table.Rows)
            drawn.AddRow([.. row.Select((cell, i) => new Words(cell.Show(table.Columns[i])))]);
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = TableWidth;
        console.Write(drawn);
        return [.. text.ToString().Split('\n').Select(static line => line.TrimEnd()).Where(static line => line.Length > 0)];
    }

    /// <summary>Whether a column of a table holds words.</summary>
    public static bool IsText(StudyTable table, int column) => table.Rows.Any(row => row[column].Text is not null);
}
