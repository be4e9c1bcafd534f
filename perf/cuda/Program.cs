// `./build.sh perf --cuda`: what the kernels of each operator do, counted on the stand-in, beside what must be done at least. Counts do
// not depend on the machine, so a difference is one of the kernels; how fast they are only a GPU says (tests/gpu-check).
using System.Globalization;
using System.Text;
using System.Text.Json;
using Engine.Cuda;
using Engine.Cuda.Driver;

namespace Engine.Perf.Cuda;

internal static class Program
{
    private static int Main(string[] arguments)
    {
        if (!OperatingSystem.IsLinux())
        {
            Console.Error.WriteLine("perf --cuda: the stand-in is built on Linux only");
            return 2;
        }

        string[] words = [.. arguments.Where(static argument => !argument.StartsWith("--", StringComparison.Ordinal))];
        CudaInfo info = CudaProbe.Find(new CudaLibraries(
            [Beside("libcuda.so.1")], [new CublasNames(13, Beside("libcublas.so.13"), Beside("libcublasLt.so.13"))]));
        StandInCounts.Arm("profile", 1);
        var lines = new List<OperatorLine>();
        foreach (OperatorCase work in OperatorCases.All())
        {
            if (!words.All(word => $"{work.Operator} {work.Shape}".Contains(word, StringComparison.OrdinalIgnoreCase))) continue;
            OperatorLine line = OperatorLine.Measure(info, work);
            lines.Add(line);
            Console.WriteLine($"{line.Operator} {line.Shape}");
        }

        IReadOnlyList<StepLine> steps = words.Length == 0 ? StepLine.MeasureAll(info) : [];
        string table = Table(lines, steps);
        Console.WriteLine();
        Console.WriteLine(table);
        Directory.CreateDirectory("artifacts/perf");
        File.WriteAllText("artifacts/perf/cuda.md", table);
        File.WriteAllText(
            "artifacts/perf/cuda.json", JsonSerializer.Serialize(new { operators = lines, steps }, JsonSerializerOptions.Web));
        return 0;
    }

    private static string Beside(string library) => Path.Combine(AppContext.BaseDirectory, library);

    private static string Table(IReadOnlyList<OperatorLine> lines, IReadOnlyList<StepLine> steps)
    {
        var text = new StringBuilder();
        text.AppendLine("| operator | shape | launches | warp instructions | of the floor | bytes moved | of the floor | sectors, ideal of touched | shared accesses with conflicts |");
        text.AppendLine("| --- | --- | --: | --: | --: | --: | --: | --: | --: |");
        foreach (OperatorLine line in lines)
        {
            text.AppendLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {line.Operator} | {line.Shape} | {line.Launches} | {line.Instructions:N0} | {Times(line.Instructions, line.FloorInstructions)} | {line.BytesMoved:N0} | {Times(line.BytesMoved, line.FloorBytes)} | {line.Coalescing:P0} | {line.Conflicts:P1} |"));
        }

        if (steps.Count == 0) return text.ToString();
        text.AppendLine();
        text.AppendLine("| step of a decoder | rows | launches a layer | copies a step | waits a step | launches with the graph |");
        text.AppendLine("| --- | --: | --: | --: | --: | --: |");
        foreach (StepLine step in steps)
        {
            text.AppendLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| {step.Type} | {step.Rows} | {step.LaunchesOfLayer:0.#} | {step.Copies:0.##} | {step.Waits:0.##} | {step.GraphLaunches:0.#} |"));
        }

        return text.ToString();
    }

    private static string Times(long found, long floor) =>
        floor == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{(double)found / floor:0.00}×");
}
