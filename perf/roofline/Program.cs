// Draws the kernels of a perf.json under the roofs of its machine (Williams et al. 2009): `dotnet run --project perf/roofline
// -- PERF.JSON OUT.SVG`. Both axes are logarithms; one thread.
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using ScottPlot;

namespace Engine.Perf.Drawing;

internal static partial class Program
{
    private const int Width = 1200;
    private const int Height = 760;

    // What the axes span: operations a byte, and operations a second in 10⁹.
    private static readonly (double Least, double Most) Intensities = (0.25, 4000);
    private static readonly (double Least, double Most) Rates = (8, 2500);

    // Shapes that tell the story; all of them would cover each other.
    private static readonly string[] Shown =
    [
        "gemm 1024×2048×512", "gemm 128×512×512", "gemm 8×512×512", "gemm 1×512×512", "gemm 1×32000×512",
        "attention causal, n=512", "log-softmax", "layer norm", "encoder layer",
    ];

    private static int Main(string[] arguments)
    {
        if (arguments.Length != 2)
        {
            Console.Error.WriteLine("usage: dotnet run --project perf/roofline -- PERF.JSON OUT.SVG");
            return 2;
        }

        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(arguments[0]));
        JsonElement report = document.RootElement;
        using var plot = new Plot();
        var labels = new Labels(plot, Intensities, Rates, new PixelRect(70, Width - 20, Height - 60, 50));
        DrawRoofs(plot, labels, report.GetProperty("Roofs"));
        foreach (JsonElement result in report.GetProperty("Results").EnumerateArray()) DrawKernel(plot, labels, result);
        labels.Draw();
        Frame(plot, report.GetProperty("Machine"));

        // The drawing machine's font is not the reader's.
        string svg = FontFamily().Replace(plot.GetSvgXml(Width, Height), "font-family=\"Verdana, 'DejaVu Sans', sans-serif\"");
        File.WriteAllText(arguments[1], svg);
        return 0;
    }

    private static void DrawRoofs(Plot plot, Labels labels, JsonElement roofs)
    {
        var rates = roofs.EnumerateArray().ToDictionary(
            static roof => roof.GetProperty("What").GetString()!, static roof => roof.GetProperty("One").GetDouble());
        double highest = rates["int8"];
        foreach (string level in new[] { "memory", "L3", "L2", "L1" })
        {
            double rate = rates[$"read {level}"], end = Math.Min(Intensities.Most, highest / rate);
            Line(plot, Intensities.Least, rate * Intensities.Least, end, rate * end, LinePattern.Solid);
            double at = Math.Max(Intensities.Least, Rates.Least / rate) * 1.15;
            labels.Along(at, rate * at, string.Create(CultureInfo.InvariantCulture, $"{level} {rate:F0} GB/s"));
        }

        foreach ((string type, string word) in new[] { ("float32", "f32"), ("bfloat16", "bf16"), ("int8", "int8") })
        {
            double rate = rates[type];
            Line(plot, rate / rates["read L1"], rate, Intensities.Most, rate, LinePattern.Solid);
            labels.Above(Intensities.Most * 0.97, rate, string.Create(CultureInfo.InvariantCulture, $"{word} {rate:F0} G/s"));
        }
    }

    private static void DrawKernel(Plot plot, Labels labels, JsonElement result)
    {
        string what = result.GetProperty("What").GetString()!;
        double intensity = result.GetProperty("Intensity").GetDouble();
        double rate = result.GetProperty("OperationRate").GetDouble() / 1e9;
        if (result.GetProperty("Threads").GetInt32() != 1 || intensity <= 0) return;
        if (!Array.Exists(Shown, shown => what.Contains(shown, StringComparison.Ordinal))) return;
        Color color = what.StartsWith("int8", StringComparison.Ordinal) ? Color.FromHex("#B22222")
            : what.StartsWith("bf16", StringComparison.Ordinal) ? Color.FromHex("#0B6623") : Color.FromHex("#191970");
        var marker = plot.Add.Marker(Math.Log10(intensity), Math.Log10(rate), MarkerShape.FilledCircle, 9, color);
        marker.MarkerLineColor = Colors.White;
        string name = what.Replace(", 1 thread", "", StringComparison.Ordinal).Replace("gemm ", "", StringComparison.Ordinal);
        labels.Beside(intensity, rate, name, color);
    }

    private static void Line(Plot plot, double x0, double y0, double x1, double y1, LinePattern pattern)
    {
        var line = plot.Add.Line(Math.Log10(x0), Math.Log10(y0), Math.Log10(x1), Math.Log10(y1));
        (line.LineColor, line.LineWidth, line.LinePattern) = (Colors.Gray, 1.5f, pattern);
    }

    private static void Frame(Plot plot, JsonElement machine)
    {
        plot.Axes.SetLimits(
            Math.Log10(Intensities.Least), Math.Log10(Intensities.Most), Math.Log10(Rates.Least), Math.Log10(Rates.Most));
        plot.Layout.Fixed(new PixelPadding(70, 20, 60, 50));
        Ticks(plot.Axes.Bottom, [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4000]);
        Ticks(plot.Axes.Left, [10, 20, 50, 100, 200, 500, 1000, 2000]);
        string? processor = machine.GetProperty("Processor").GetString(), commit = machine.GetProperty("Commit").GetString();
        plot.Title($"Kernels under the roofs of one core: {processor}, commit {commit}", 16);
        plot.XLabel("operations for each byte that must move", 14);
        plot.YLabel("10⁹ operations a second", 14);
        plot.Grid.MajorLineColor = Colors.Black.WithAlpha(.06);
    }

    [GeneratedRegex("font-family=\"[^\"]*\"")]
    private static partial Regex FontFamily();

    private static void Ticks(IAxis axis, double[] values)
    {
        var ticks = new ScottPlot.TickGenerators.NumericManual();
        foreach (double value in values) ticks.AddMajor(Math.Log10(value), value.ToString(CultureInfo.InvariantCulture));
        axis.TickGenerator = ticks;
    }
}
