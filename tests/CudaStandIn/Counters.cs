// What happened, in numbers that a test may ask for.
namespace CudaStandIn;

internal sealed class Counters
{
    public long Calls { get; set; }

    public long Errors { get; set; }

    public long Launches { get; set; }

    /// <summary>Calls of cuGraphLaunch; the kernels in them are among the launches too.</summary>
    public long GraphLaunches { get; set; }

    public long Instructions { get; set; }

    public long Waits { get; set; }

    public long Copies { get; set; }

    public long Products { get; set; }

    /// <summary>Those of cuBLASLt among them.</summary>
    public long LtProducts { get; set; }

    public long Leaks { get; set; }
}
