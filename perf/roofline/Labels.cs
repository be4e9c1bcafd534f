// Places the words of a picture so that none covers another: each takes the first free place around its point.
using ScottPlot;
using ScottPlot.Plottables;

namespace Engine.Perf.Drawing;

/// <summary>Words in the making; they are placed when all points are known.</summary>
internal sealed class Labels(Plot plot, (double Least, double Most) xs, (double Least, double Most) ys, PixelRect area)
{
    private const float Size = 12;
    private const float LetterWidth = 7.3f;
    private const float Margin = 3;

    private readonly List<(Pixel At, string Text, Color Color)> _beside = [];
    private readonly List<PixelRect> _taken = [];

    /// <summary>A word on a slanted roof, turned like it.</summary>
    public void Along(double x, double y, string text)
    {
        // A line of slope 1 in logarithms, seen in pixels.
        double rise = area.Height / Math.Log10(ys.Most / ys.Least), run = area.Width / Math.Log10(xs.Most / xs.Least);
        float angle = (float)(-Math.Atan2(rise, run) * 180 / Math.PI);
        Text word = Add(At(x, y), text, Colors.DimGray, Alignment.LowerLeft);
        (word.LabelRotation, word.OffsetY) = (angle, -2);

        // What a turned word covers: squares along it.
        float step = Size * 0.8f, length = text.Length * LetterWidth;
        for (float along = 0; along < length; along += step)
        {
            float dx = along * MathF.Cos(angle * MathF.PI / 180), dy = along * MathF.Sin(angle * MathF.PI / 180);
            Pixel at = At(x, y);
            _taken.Add(new PixelRect(at.X + dx, at.X + dx + Size, at.Y + dy, at.Y + dy - Size - 4));
        }
    }

    /// <summary>A word over a level roof, at its right end.</summary>
    public void Above(double x, double y, string text)
    {
        Pixel at = At(x, y);
        _taken.Add(new PixelRect(at.X - (text.Length * LetterWidth), at.X, at.Y, at.Y - Size - 4));
        Add(at, text, Colors.DimGray, Alignment.LowerRight).OffsetY = -2;
    }

    /// <summary>A word near a point.</summary>
    public void Beside(double x, double y, string text, Color color)
    {
        Pixel at = At(x, y);
        _taken.Add(new PixelRect(at.X - 6, at.X + 6, at.Y + 6, at.Y - 6));
        _beside.Add((at, text, color));
    }

    /// <summary>Places the words that stand near points, and draws a thin line to those that had to move away.</summary>
    public void Draw()
    {
        foreach ((Pixel at, string text, Color color) in _beside.OrderByDescending(static label => label.At.X))
        {
            PixelRect place = Places(at, text.Length * LetterWidth)
                .FirstOrDefault(IsFree, new PixelRect(at.X, at.X + 1, at.Y, at.Y - 1));
            _taken.Add(place);
            Add(new Pixel(place.Left, place.Bottom), text, color, Alignment.LowerLeft);
            Pixel near = new(Math.Clamp(at.X, place.Left, place.Right), Math.Clamp(at.Y, place.Top, place.Bottom));
            if (Math.Abs(near.X - at.X) + Math.Abs(near.Y - at.Y) < 16) continue;
            var line = plot.Add.Line(X(at.X), Y(at.Y), X(near.X), Y(near.Y));
            (line.LineColor, line.LineWidth) = (color.WithAlpha(.4), 1);
        }
    }

    // Right, left, then above and below, in growing distance.
    private static IEnumerable<PixelRect> Places(Pixel at, float width)
    {
        for (float distance = 9; distance < 130; distance += 7)
        {
            foreach ((float x, float y) in new[]
            {
                (distance, Size / 2), (-distance - width, Size / 2), (distance * 0.7f, -distance * 0.7f), (-width / 2, -distance),
                (distance * 0.7f, (distance * 0.7f) + Size), (-width / 2, distance + Size),
                ((-distance * 0.7f) - width, -distance * 0.7f), ((-distance * 0.7f) - width, (distance * 0.7f) + Size),
            })
                yield return new PixelRect(at.X + x, at.X + x + width, at.Y + y, at.Y + y - Size);
        }
    }

    private bool IsFree(PixelRect place) =>
        place.Left > area.Left && place.Right < area.Right && place.Top > area.Top && place.Bottom < area.Bottom
        && !_taken.Exists(other => place.Left - Margin < other.Right && other.Left < place.Right + Margin
            && place.Top - Margin < other.Bottom && other.Top < place.Bottom + Margin);

    private Text Add(Pixel at, string text, Color color, Alignment alignment)
    {
        Text word = plot.Add.Text(text, X(at.X), Y(at.Y));
        (word.LabelFontSize, word.LabelFontColor, word.LabelAlignment) = (Size, color, alignment);
        (word.LabelPadding, word.LabelBackgroundColor) = (0, Colors.White.WithAlpha(.75));
        return word;
    }

    private Pixel At(double x, double y) => new(
        area.Left + (area.Width * Math.Log10(x / xs.Least) / Math.Log10(xs.Most / xs.Least)),
        area.Bottom - (area.Height * Math.Log10(y / ys.Least) / Math.Log10(ys.Most / ys.Least)));

    private double X(float pixel) =>
        Math.Log10(xs.Least) + (Math.Log10(xs.Most / xs.Least) * (pixel - area.Left) / area.Width);

    private double Y(float pixel) =>
        Math.Log10(ys.Least) + (Math.Log10(ys.Most / ys.Least) * (area.Bottom - pixel) / area.Height);
}
