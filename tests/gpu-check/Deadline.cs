// The program ends by itself: what would begin too late is told as not run.
using System.Diagnostics;

namespace Engine.GpuCheck;

/// <summary>How much time is left.</summary>
internal sealed class Deadline(TimeSpan whole)
{
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>Since the program began.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>Whether nothing may begin any more.</summary>
    public bool IsOver => Elapsed >= whole;
}
