// Curves: an SVG that parses, whatever the points are.
using System.Globalization;
using System.Xml.Linq;
using Engine.Training;
using Xunit;

namespace Engine.Tests.Training;

public sealed class TrainingCurvesTests
{
    [Fact]
    public void Each_curve_ends_with_its_name_and_last_value()
    {
        var curves = new TrainingCurves();
        for (int step = 100; step <= 1000; step += 100) curves.AddReport(step, 5 - (step / 500d), step * 1e-6);
        curves.AddValidation(500, 4.2, 11.5);
        curves.AddValidation(1000, 3.125, 23.75);
        XElement svg = XElement.Parse(curves.ToSvg());
        string[] texts =
            [.. svg.Descendants().Where(element => element.Name.LocalName == "text").Select(element => element.Value)];
        foreach (string text in (string[])["train 3", "validation 3.125", "BLEU 23.75", "rate 1e-3", "1,000"])
            Assert.Contains(text, texts);
        Assert.Equal(4, svg.Descendants().Count(element => element.Name.LocalName == "polyline"));
        Assert.Contains("prefers-color-scheme: dark", curves.ToSvg(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000)]
    public void Any_number_of_points_is_drawn_within_the_picture(int points)
    {
        var curves = new TrainingCurves();
        for (int i = 1; i <= points; i++) curves.AddReport(i, i % 7 == 0 ? double.NaN : Math.Sin(i) + 2, 0);
        string text = curves.ToSvg();
        Assert.InRange(text.Length, 1000, 60_000);
        XElement svg = XElement.Parse(text);
        foreach (XElement line in svg.Descendants().Where(element => element.Name.LocalName == "polyline"))
        {
            foreach (string point in line.Attribute("points")!.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                double[] place = [.. point.Split(',').Select(number => double.Parse(number, CultureInfo.InvariantCulture))];
                Assert.InRange(place[0], 0, 760);
                Assert.InRange(place[1], 0, 630);
            }
        }
    }
}
