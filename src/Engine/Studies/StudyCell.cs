// A cell of a study's table: a number, or a word, or nothing.
using System.Globalization;

namespace Engine.Studies;

/// <summary>A cell; without both it is empty: there is no such number.</summary>
public readonly record struct StudyCell
{
    private StudyCell(double? number, string? text) => (Number, Text) = (number, text);

    /// <summary>The number; null: it is text, or empty.</summary>
    public double? Number { get; }

    /// <summary>The text; null: it is a number, or empty.</summary>
    public string? Text { get; }

    /// <summary>A cell with a number.</summary>
    public static StudyCell Of(double number) => new(number, null);

    /// <summary>A cell with text.</summary>
    public static StudyCell Of(string text) => new(null, text);

    /// <summary>What a reader sees.</summary>
    /// <param name="column">Says how numbers are written.</param>
    public string Show(StudyColumn column)
    {
        ArgumentNullException.ThrowIfNull(column);
        return Number?.ToString(column.Format, CultureInfo.InvariantCulture) ?? Text ?? "";
    }
}
