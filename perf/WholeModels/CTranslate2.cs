// CTranslate2, the engine's nearest peer: a program built from Peers/ct2_peer.cc, named by a variable.
using System.Globalization;
using System.Text.RegularExpressions;

namespace Engine.Perf.WholeModels;

/// <summary>Runs the peer's program.</summary>
internal static partial class CTranslate2
{
    public const string Variable = "ENGINE_PERF_CT2";
    public const string Name = "CTranslate2";

    private static readonly string? Program = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path ? path : null;

    public static bool IsHere => File.Exists(Program);

    public static string Describe => IsHere ? $"{Name}: here"
        : Program is null ? $"{Name}: not here. Build perf/Peers/ct2_peer.cc (perf/README.md) and name the program in {Variable}"
        : $"{Name}: {Variable} names {Program}, where no file is";

    /// <summary>Median milliseconds of translating one batch in each replica at once, and the memory that it took.</summary>
    public static (double Milliseconds, ProcessResult Process) Run(
        string directory, string type, int threads, int batch, int length, int beam, int repetitions, int replicas)
    {
        string[] arguments =
        [
            directory, "bench", type, .. ((int[])[threads, batch, length, beam, repetitions, replicas])
                .Select(static number => number.ToString(CultureInfo.InvariantCulture)),
        ];
        ProcessResult process = ChildProcess.Run(
            Program!, arguments, ("OMP_NUM_THREADS", threads.ToString(CultureInfo.InvariantCulture)));
        return (Median(process.Output), process);
    }

    /// <summary>The median in the line that the program prints.</summary>
    internal static double Median(string output)
    {
        Match match = MedianPattern().Match(output);
        return match.Success ? double.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)
            : throw new InvalidOperationException($"{Name} said '{output.Trim()}', expected 'median N ms'.");
    }

    [GeneratedRegex(@"median ([0-9.]+) ms")]
    private static partial Regex MedianPattern();
}
