// A measurement in a process of its own: nothing that another row left behind is in it, and its memory is its own.
using System.Diagnostics;
using System.Globalization;
using System.Reflection;

namespace Engine.Perf.WholeModels;

/// <summary>What a process said, and the memory that it took.</summary>
/// <param name="Output">Its standard output.</param>
/// <param name="ResidentBytes">Median over the second half of its life of what was resident; 0: the system does not tell.</param>
/// <param name="PeakBytes">The most that was resident.</param>
internal sealed record ProcessResult(string Output, double ResidentBytes, double PeakBytes);

/// <summary>Runs programs.</summary>
internal static class ChildProcess
{
    private static readonly TimeSpan LongestRun = TimeSpan.FromMinutes(3);

    /// <summary>Runs this program in a hidden mode.</summary>
    public static ProcessResult Self(IEnumerable<string> arguments, params (string Name, string Value)[] environment)
    {
        string program = Environment.ProcessPath!;
        bool isHost = Path.GetFileNameWithoutExtension(program) == "dotnet";
        return Run(program, isHost ? [Assembly.GetEntryAssembly()!.Location, .. arguments] : arguments, environment);
    }

    /// <summary>Runs a program to its end.</summary>
    /// <exception cref="InvalidOperationException">It failed, or took too long; the message has its last words.</exception>
    public static ProcessResult Run(string program, IEnumerable<string> arguments, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        var resident = new List<double>();
        double peak = 0;
        long end = Environment.TickCount64 + (long)LongestRun.TotalMilliseconds;
        while (!process.WaitForExit(10))
        {
            if (Environment.TickCount64 > end)
            {
                process.Kill(entireProcessTree: true);
                throw new InvalidOperationException($"{Name(program)} took more than {LongestRun.TotalMinutes} minutes.");
            }

            (double now, double most) = Memory(process.Id);
            if (now > 0) resident.Add(now);
            peak = Math.Max(peak, most);
        }

        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException(
                $"{Name(program)} {string.Join(' ', arguments)} ended with {process.ExitCode}: "
                + $"{errors.Result.Trim()} {output.Result.Trim()}");
        }

        return new ProcessResult(output.Result, Measuring.Statistics.Median([.. resident.Skip(resident.Count / 2)]), peak);
    }

    private static string Name(string program) => Path.GetFileName(program);

    // VmRSS and VmHWM of /proc, in bytes.
    private static (double Now, double Most) Memory(int process)
    {
        try
        {
            double now = 0, most = 0;
            foreach (string line in File.ReadLines($"/proc/{process}/status"))
            {
                if (line.StartsWith("VmRSS:", StringComparison.Ordinal)) now = Kibibytes(line);
                if (line.StartsWith("VmHWM:", StringComparison.Ordinal)) most = Kibibytes(line);
            }

            return (now, most);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }

    private static double Kibibytes(string line) =>
        1024 * double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
