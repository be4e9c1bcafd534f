// Time of a slice. One thread alone is timed by the processor time that it got, where the system tells it: a neighbour who
// takes the processor in the middle of a slice then costs nothing. Several threads wait for each other, so only the wall
// clock is true for them.
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Engine.Perf.Measuring;

/// <summary>Clocks.</summary>
internal static partial class Clock
{
    private const int ThreadTime = 3;

    /// <summary>Seconds of the clock that suits so many threads; only differences mean something.</summary>
    public static double Seconds(int threads) =>
        threads == 1 && OperatingSystem.IsLinux() ? Read(ThreadTime) : Wall();

    /// <summary>Seconds of the wall clock.</summary>
    public static double Wall() => (double)Stopwatch.GetTimestamp() / Stopwatch.Frequency;

    private static double Read(int clock)
    {
        _ = GetTime(clock, out TimeSpec time);
        return time.Seconds + (time.Nanoseconds * 1e-9);
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int GetTime(int clock, out TimeSpec time);

    private readonly record struct TimeSpec(long Seconds, long Nanoseconds);
}
