// Streams run late, and one against another in an order drawn from the seed: what is not ordered by an event or a wait
// happens in an order that no test may rely on. Seed 0 is as late as possible.
using System.Diagnostics;
using PtxMachine.Execution;
using PtxMachine.Memory;

namespace CudaStandIn;

/// <summary>A point in a stream's work; done once the work before it is.</summary>
internal sealed class Mark
{
    public bool IsDone { get; set; }

    /// <summary>What is done before it, of each stream.</summary>
    public uint[] Before { get; init; } = [];

    public long Ticks { get; set; }
}

/// <summary>One piece of queued work. It waits for a mark, runs an action, or makes a mark.</summary>
internal sealed record Work(string Kind, string What, Action<WorkOrder?>? Run = null, Mark? WaitsFor = null, Mark? Makes = null)
{
    public object? Function { get; init; }
}

/// <summary>Work in its place in a stream; a graph's work comes again at another place each time.</summary>
internal readonly record struct Queued(Work Work, WorkOrder? Order);

internal sealed class Stream
{
    public Queue<Queued> Queue { get; } = new();

    /// <summary>Its number among the streams; 0: its work is not watched.</summary>
    public int Id { get; set; }

    /// <summary>The work of each stream that is done when its next begins.</summary>
    public uint[] Seen { get; set; } = new uint[WorkOrder.MostStreams];

    /// <summary>The capture that this stream takes part in.</summary>
    public Capture? Capture { get; set; }

    public bool IsReady => Queue.TryPeek(out Queued head) && (head.Work.WaitsFor == null || head.Work.WaitsFor.IsDone);

    /// <summary>As in a new process.</summary>
    public void Reset()
    {
        Queue.Clear();
        (Id, Seen, Capture) = (0, new uint[WorkOrder.MostStreams], null);
    }
}

internal sealed class Event
{
    /// <summary>The latest record; null before the first.</summary>
    public Mark? Mark { get; set; }

    public bool HasTiming { get; init; }

    /// <summary>The capture in which it was recorded last.</summary>
    public Capture? Capture { get; set; }

    /// <summary>The work of that capture that it stands for.</summary>
    public IReadOnlyDictionary<Stream, int>? Before { get; set; }
}

internal sealed class Scheduler
{
    private readonly List<Stream> _streams = [DriverStreams.Null];
    private ulong _random = 0x9E3779B97F4A7C15;

    public StreamOrder Order { get; } = new();

    public void Add(Stream stream)
    {
        stream.Id = Order.Take();
        _streams.Add(stream);
    }

    /// <summary>Removes a stream whose work is done.</summary>
    public void Remove(Stream stream)
    {
        Order.Return(stream);
        _streams.Remove(stream);
    }

    /// <summary>Some work of some streams, by chance; nothing with seed 0.</summary>
    public void Advance()
    {
        if (Machine.Settings.Seed == 0) return;
        while (Next(4) != 0 && Step()) { }
    }

    /// <summary>Whether queued work needs one of these functions.</summary>
    public bool Uses(IReadOnlyCollection<object> functions) =>
        _streams.Any(s => s.Queue.Any(q => q.Work.Function != null && functions.Contains(q.Work.Function)));

    /// <summary>Runs until a stream is empty.</summary>
    public void Finish(Stream stream)
    {
        Machine.Counters.Waits++;
        while (stream.Queue.Count > 0) Drive(stream);
        Order.Wait(stream);
    }

    public void FinishAll()
    {
        Machine.Counters.Waits++;
        while (Step()) { }
        foreach (Stream stream in _streams) Order.Wait(stream);
    }

    /// <summary>Runs until a mark is made.</summary>
    public void Finish(Mark mark)
    {
        Machine.Counters.Waits++;
        while (!mark.IsDone && Step()) { }
        Order.Wait(mark.Before);
    }

    /// <summary>One piece of work of a stream that can run, chosen by chance; false where there is none.</summary>
    public bool Step()
    {
        int ready = _streams.Count(s => s.IsReady);
        if (ready == 0) return false;
        int chosen = Next(ready);
        foreach (Stream stream in _streams)
        {
            if (!stream.IsReady || chosen-- > 0) continue;
            Run(stream.Queue.Dequeue());
            return true;
        }

        return false;
    }

    // With seed 0 only this stream moves, and others only as far as it waits for them.
    private void Drive(Stream stream)
    {
        if (stream.IsReady && (Machine.Settings.Seed == 0 || Next(2) == 0)) Run(stream.Queue.Dequeue());
        else if (!Step()) throw new StandInException(Code.Unknown, "a stream waits for what never comes");
    }

    private static void Run(Queued queued)
    {
        Work work = queued.Work;
        // After a kernel has failed the device does nothing more.
        if (Machine.Sticky == 0)
        {
            try
            {
                work.Run?.Invoke(queued.Order);
            }
            catch (Exception exception)
            {
                Machine.Counters.Errors++;
                int code = Machine.CodeOf(work.What, exception);
                Machine.Sticky = exception switch
                {
                    PtxFaultException { Kind: FaultKind.Launch } => Code.LaunchFailed,
                    StandInException => Code.IllegalAddress,   // memory that was there when the call was made
                    _ => code,
                };
            }
        }

        if (work.Makes == null) return;
        work.Makes.IsDone = true;
        work.Makes.Ticks = Stopwatch.GetTimestamp();
    }

    private int Next(int below)
    {
        _random = ((_random ^ Machine.Settings.Seed) * 6364136223846793005) + 1442695040888963407;
        return (int)((_random >> 33) % (ulong)below);
    }
}
