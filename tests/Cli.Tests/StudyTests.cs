// `engine study`: tables, JSON and page say the same numbers; nothing of a text becomes markup; what cannot be is refused at once.
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Engine.Cli;
using Engine.Studies;
using Xunit;

namespace Cli.Tests;

public sealed class StudyTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tables_JSON_and_page_have_the_same_numbers()
    {
        using var shell = new TestShell();
        Assert.Equal(0, await shell.RunAsync("study", "ffn", "--quick", "--json", "--quiet", "--backend", "cpu", "--out", "page.html"));
        Assert.Empty(shell.Error);
        JsonElement report = JsonDocument.Parse(shell.Output).RootElement;
        Assert.Equal("ffn", report.GetProperty("name").GetString());
        string page = await File.ReadAllTextAsync(Path.Combine(shell.Directory, "page.html"), Cancellation);
        using var again = new TestShell();
        Assert.Equal(0, await again.RunAsync("study", "ffn", "--quick", "--backend", "cpu", "--threads", "1"));
        Assert.Contains("without the layer: step 40 of 40", again.Error, StringComparison.Ordinal);
        JsonElement.ArrayEnumerator sections = report.GetProperty("sections").EnumerateArray();
        Assert.Equal(2, sections.Count());
        foreach (JsonElement section in sections)
        {
            Assert.Contains(section.GetProperty("heading").GetString(), again.OutputLines);
            JsonElement table = section.GetProperty("tables")[0];
            foreach (JsonElement row in table.GetProperty("rows").EnumerateArray())
            {
                string loss = row[2].GetDouble().ToString("F4", CultureInfo.InvariantCulture);
                Assert.Single(again.OutputLines, line =>
                    line.Contains(row[0].GetString()!, StringComparison.Ordinal) && line.Contains(loss, StringComparison.Ordinal));
                Assert.Contains($"<td class=\"short\">{row[0].GetString()}</td>", page, StringComparison.Ordinal);
                Assert.Contains($"<td class=\"number\">{loss}</td>", page, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task Heads_of_a_model_are_studied_with_the_sentences_that_are_given()
    {
        string model = Path.Combine(TestData.Root, "models", "arabic-names");
        using var shell = new TestShell();
        shell.Write("names.ar", "محمد\nعلي\n");
        shell.Write("names.en", "muhammad\nali\n");
        Assert.Equal(0, await shell.RunAsync(
            "study", "heads", "--quick", "--json", "--quiet", "--backend", "cpu", "--model", model, "--source", "names.ar", "--reference",
            "names.en", "--sentences", "1"));
        JsonElement section = JsonDocument.Parse(shell.Output).RootElement.GetProperty("sections")[1];
        Assert.StartsWith(
            "The model arabic-names, weights as float32, translates 1 sentence greedily", section.GetProperty("text")[0].GetString(),
            StringComparison.Ordinal);
        Assert.Equal(144, section.GetProperty("tables")[0].GetProperty("rows").GetArrayLength());
    }

    [Fact]
    public void The_model_that_ships_has_sentences_to_study_it_with()
    {
        string folder = Path.Combine(TestData.Root, "models", "english-german");
        Assert.Equal(200, File.ReadAllLines(Path.Combine(folder, "test.source.txt")).Length);
        Assert.Equal(200, File.ReadAllLines(Path.Combine(folder, "test.target.txt")).Length);
    }

    [Theory]
    [InlineData("--source and --reference belong together: expected both, or neither.", "heads", "--source", "x")]
    [InlineData("has no test.source.txt and test.target.txt, expected them there, or --source and --reference.", "heads")]
    [InlineData("none/page.html cannot be written: its directory was not found.", "ffn", "--out", "none/page.html")]
    [InlineData("models is a directory, expected a file.", "ffn", "--out", "models")]
    [InlineData("--seed is '-1', expected an integer from 0.", "ffn", "--seed", "-1")]
    public async Task What_cannot_be_is_refused_before_the_work(string message, params string[] arguments)
    {
        using var shell = new TestShell();
        Assert.NotEqual(0, await shell.RunAsync(["study", .. arguments, "--backend", "cpu", "--quick"]));
        Assert.Contains(message, Assert.Single(shell.ErrorLines), StringComparison.Ordinal);
        Assert.Empty(shell.Output);
    }

    [Fact]
    public async Task Empty_lines_have_no_heads_to_look_at()
    {
        string model = Path.Combine(TestData.Root, "models", "arabic-names");
        using var shell = new TestShell();
        shell.Write("names.ar", "\nمحمد\n \nعلي\n");
        shell.Write("names.en", "\nmuhammad\n\nali\n");
        shell.Write("nothing", "\n\n");
        string[] study = ["study", "heads", "--quick", "--json", "--quiet", "--backend", "cpu", "--model", model, "--source"];
        Assert.Equal(0, await shell.RunAsync([.. study, "names.ar", "--reference", "names.en"]));
        JsonElement section = JsonDocument.Parse(shell.Output).RootElement.GetProperty("sections")[1];
        Assert.Contains("translates 2 sentences greedily", section.GetProperty("text")[0].GetString(), StringComparison.Ordinal);
        Assert.Equal(1, await shell.RunAsync([.. study, "nothing", "--reference", "nothing"]));
        Assert.Contains("nothing is empty, expected at least one sentence.", Assert.Single(shell.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sentences_and_references_must_be_as_many()
    {
        using var shell = new TestShell();
        shell.Write("a", "x\ny\n");
        shell.Write("b", "x\n");
        Assert.Equal(1, await shell.RunAsync("study", "heads", "--source", "a", "--reference", "b", "--backend", "cpu"));
        Assert.Contains("b has 1 lines, expected 2 as a has.", Assert.Single(shell.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void A_number_that_is_none_is_null_in_JSON()
    {
        JsonElement report = Json(StudyReports.Everything());
        JsonElement rows = report.GetProperty("sections")[0].GetProperty("tables")[0].GetProperty("rows");
        Assert.Equal(StudyReports.Markup, rows[0][0].GetString());
        Assert.Equal(1234.567, rows[0][1].GetDouble());
        Assert.Equal([JsonValueKind.Null, JsonValueKind.Null], rows[1].EnumerateArray().Skip(1).Select(static cell => cell.ValueKind));
        JsonElement plot = report.GetProperty("sections")[0].GetProperty("plots")[0];
        Assert.True(plot.GetProperty("x").GetProperty("logarithmic").GetBoolean());
        Assert.Equal(2, plot.GetProperty("series")[0].GetProperty("fit").GetProperty("exponent").GetDouble());
        Assert.Equal(JsonValueKind.Null, plot.GetProperty("series")[1].GetProperty("fit").ValueKind);
        Assert.Equal("[64,4096]", plot.GetProperty("series")[0].GetProperty("points")[0].GetRawText());
        Assert.Equal(JsonValueKind.Null, plot.GetProperty("marks")[1].GetProperty("y").ValueKind);
    }

    [Fact]
    public void Columns_of_a_table_stand_under_each_other()
    {
        string[] lines = [.. StudyTables.Lines(StudyReports.Everything())];
        string head = Assert.Single(lines, static line => line.Contains("time (ms)", StringComparison.Ordinal));
        string row = Assert.Single(lines, static line => line.Contains("1234.57", StringComparison.Ordinal));
        Assert.Equal(End(head, "time (ms)"), End(row, "1234.57"));
        Assert.Contains(StudyReports.Markup, row, StringComparison.Ordinal);
        Assert.Contains("25 %", row, StringComparison.Ordinal);

        static int End(string line, string word) => line.IndexOf(word, StringComparison.Ordinal) + word.Length;
    }

    [Fact]
    public void A_page_asks_the_network_for_nothing_and_has_no_script()
    {
        string page = Page();
        Assert.Contains("default-src 'none'", page, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"(src|href|action)\s*=\s*[""']|url\(|@import|<script", page);
        Assert.Contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_plot_is_drawn_with_its_axes_points_fits_and_marks()
    {
        XElement[] plots = Plots(Page());
        Assert.Equal(2, plots.Length);
        foreach (XElement plot in plots)
        {
            Assert.Equal("img", plot.Attribute("role")!.Value);
            Assert.NotEmpty(plot.Element(Svg + "title")!.Value);
            Assert.Contains("in the table below", plot.Element(Svg + "desc")!.Value, StringComparison.Ordinal);
        }

        string[] words = [.. plots[0].Descendants(Svg + "text").Select(static text => text.Value)];
        foreach (string wanted in new[] { "n", "time (ms)", "1,000", "10,000", "crossing", "here" }) Assert.Contains(wanted, words);
        Assert.Equal(6, plots[0].Descendants(Svg + "path").Count(static path => (string?)path.Attribute("class") == "marker"));
        Assert.Single(plots[0].Descendants(Svg + "circle"));

        // Both axes logarithmic: equal factors are equal distances, so the points of a power law lie on a line.
        (double X, double Y)[] square = [.. Markers(plots[0], "s0")];
        Assert.Equal(square[1].X - square[0].X, square[2].X - square[1].X, 0.02);
        Assert.Equal(square[1].Y - square[0].Y, square[2].Y - square[1].Y, 0.02);
        Assert.True(square[2].Y < square[0].Y);
    }

    [Fact]
    public void Curves_differ_in_colour_dash_and_marker()
    {
        XElement plot = Plots(Page())[1];
        XElement[] curves = [.. plot.Elements(Svg + "g")];
        Assert.Equal(8, curves.Length);
        string Look(XElement curve) => string.Join('|', curve.Elements(Svg + "path").Where(static path => path.Attribute("transform") is null)
            .Select(static path => (string?)path.Attribute("stroke-dasharray") ?? "solid").Take(1)
            .Concat(curve.Elements(Svg + "path").Where(static path => path.Attribute("transform") is not null)
                .Select(static path => path.Attribute("d")!.Value).Take(1)));
        Assert.Equal(StudyPicture.Styles, curves.Select(Look).Distinct().Count());
        Assert.Equal(
            StudyPicture.Styles,
            curves.Take(StudyPicture.Styles).Select(static curve => curve.Attribute("class")!.Value).Distinct().Count());
        Assert.Equal(2, curves[0].Elements(Svg + "path").Count(static path => path.Attribute("transform") is not null));   // NaN is nowhere
    }

    [Fact]
    public void Behind_each_plot_are_its_numbers()
    {
        string page = Page();
        Assert.Equal(2, Regex.Count(page, "<details>"));
        string details = Regex.Match(page, "<details>(.*?)</details>", RegexOptions.Singleline).Groups[1].Value;
        string[][] rows =
        [
            .. Regex.Matches(details, "<tr>(<td.*?)</tr>").Select(static row => Regex.Matches(row.Groups[1].Value, "<td[^>]*>(.*?)</td>")
                .Select(static cell => cell.Groups[1].Value).ToArray()),
        ];
        Assert.Equal([["64", "4096", "640"], ["128", "16384", "1280"], ["256", "65536", ""], ["512", "", "5120"]], rows);
    }

    internal static string Page() => Page(StudyReports.Everything());

    internal static string Page(StudyReport report)
    {
        using var stream = new MemoryStream();
        StudyPage.Write(stream, report);
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static JsonElement Json(StudyReport report)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            StudyJson.Write(json, report);
            json.WriteEndObject();
        }

        return JsonDocument.Parse(stream.ToArray()).RootElement;
    }

    private static XElement[] Plots(string page) =>
        [.. Regex.Matches(page, "<svg[^>]*role=\"img\".*?</svg>", RegexOptions.Singleline).Select(static match => XElement.Parse(match.Value))];

    private static IEnumerable<(double X, double Y)> Markers(XElement plot, string curve) => plot.Elements(Svg + "g")
        .Where(group => group.Attribute("class")!.Value == curve).Elements(Svg + "path").Select(static path => (string?)path.Attribute("transform"))
        .OfType<string>().Select(static transform =>
        {
            Match place = Regex.Match(transform, @"translate\((\S+) (\S+)\)");
            CultureInfo plain = CultureInfo.InvariantCulture;
            return (double.Parse(place.Groups[1].Value, plain), double.Parse(place.Groups[2].Value, plain));
        });
}
