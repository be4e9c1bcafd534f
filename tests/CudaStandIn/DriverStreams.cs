// Streams and events: what is queued in one stream is done in order, and only events order streams among each other.
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CudaStandIn;

internal static unsafe class DriverStreams
{
    /// <summary>The stream 0, which the backend must not use.</summary>
    public static Stream Null { get; } = new();

    [UnmanagedCallersOnly(EntryPoint = "cuStreamCreate", CallConvs = [typeof(CallConvCdecl)])]
    public static int Create(nint* stream, uint flags) => Machine.InContext("cuStreamCreate", () =>
    {
        if (stream == null || flags > 1) return Code.InvalidValue;
        if (flags == 0) Machine.Note("cuStreamCreate: the stream waits for stream 0; flag 1 makes one that does not");
        var created = new Stream();
        Machine.Scheduler.Add(created);
        *stream = Machine.Handles.Add(created);
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuStreamDestroy_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int Destroy(nint stream) => Machine.InContext("cuStreamDestroy_v2", () =>
    {
        Stream destroyed = Machine.Handles.Get<Stream>(stream);
        if (destroyed.Capture != null) destroyed.Capture.IsVoid = true;
        Machine.Scheduler.Finish(destroyed);
        Machine.Scheduler.Remove(destroyed);
        Machine.Handles.Remove(stream);
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuStreamSynchronize", CallConvs = [typeof(CallConvCdecl)])]
    public static int Synchronize(nint stream) => Machine.InContext("cuStreamSynchronize", () =>
    {
        DriverGraphs.Unsafe("cuStreamSynchronize");
        Stream waited = Get(stream, "cuStreamSynchronize");
        if (waited.Capture != null) throw DriverGraphs.Void(waited.Capture, Code.CaptureUnsupported, "a stream that captures is waited for");
        Machine.Scheduler.Finish(waited);
        return Machine.Sticky;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuStreamQuery", CallConvs = [typeof(CallConvCdecl)])]
    public static int Query(nint stream) => Machine.InContext("cuStreamQuery", () =>
    {
        DriverGraphs.Unsafe("cuStreamQuery");
        Stream asked = Get(stream, "cuStreamQuery");
        if (asked.Capture != null) throw DriverGraphs.Void(asked.Capture, Code.CaptureUnsupported, "a stream that captures is asked for its state");
        if (asked.Queue.Count == 0)
        {
            Machine.Scheduler.Order.Wait(asked);
            return Code.Success;
        }

        Machine.Scheduler.Step();   // a host that polls gets on
        return Machine.Sticky != 0 ? Machine.Sticky : Code.NotReady;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuStreamWaitEvent", CallConvs = [typeof(CallConvCdecl)])]
    public static int WaitEvent(nint stream, nint awaited, uint flags) => Machine.InContext("cuStreamWaitEvent", () =>
    {
        Stream queue = Get(stream, "cuStreamWaitEvent");
        Event found = Machine.Handles.Get<Event>(awaited);
        if (flags != 0) return Code.InvalidValue;
        if (found.Mark == null) return Code.Success;   // never recorded: nothing to wait for
        if (found.Capture != null) DriverGraphs.Join(queue, found);
        else if (queue.Capture != null) throw DriverGraphs.Void(queue.Capture, Code.CaptureUnmatched, "a capture waits for an event from outside");
        else
        {
            Enqueue(queue, new Work("wait", "cuStreamWaitEvent", WaitsFor: found.Mark));
            StreamOrder.Follow(queue, found.Mark.Before);
        }

        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventCreate", CallConvs = [typeof(CallConvCdecl)])]
    public static int EventCreate(nint* created, uint flags) => Machine.InContext("cuEventCreate", () =>
    {
        if (created == null || flags > 7) return Code.InvalidValue;
        *created = Machine.Handles.Add(new Event { HasTiming = (flags & 2) == 0 });
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventRecord", CallConvs = [typeof(CallConvCdecl)])]
    public static int EventRecord(nint recorded, nint stream) => Machine.InContext("cuEventRecord", () =>
    {
        Event found = Machine.Handles.Get<Event>(recorded);
        Stream queue = Get(stream, "cuEventRecord");
        found.Mark = new Mark { Before = Machine.Scheduler.Order.Before(queue) };
        (found.Capture, found.Before) = (queue.Capture, queue.Capture?.Before(queue));
        if (queue.Capture == null) Enqueue(queue, new Work("record", "cuEventRecord", Makes: found.Mark));
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventSynchronize", CallConvs = [typeof(CallConvCdecl)])]
    public static int EventSynchronize(nint awaited) => Machine.InContext("cuEventSynchronize", () =>
    {
        Event found = Machine.Handles.Get<Event>(awaited);
        DriverGraphs.RefuseCaptured(found, "cuEventSynchronize");
        DriverGraphs.Unsafe("cuEventSynchronize");
        if (found.Mark != null) Machine.Scheduler.Finish(found.Mark);
        return Machine.Sticky;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventQuery", CallConvs = [typeof(CallConvCdecl)])]
    public static int EventQuery(nint asked) => Machine.InContext("cuEventQuery", () =>
    {
        Event found = Machine.Handles.Get<Event>(asked);
        DriverGraphs.RefuseCaptured(found, "cuEventQuery");
        DriverGraphs.Unsafe("cuEventQuery");
        if (found.Mark is not { IsDone: false })
        {
            if (found.Mark != null) Machine.Scheduler.Order.Wait(found.Mark.Before);
            return Code.Success;
        }

        Machine.Scheduler.Step();
        return Machine.Sticky != 0 ? Machine.Sticky : Code.NotReady;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventElapsedTime", CallConvs = [typeof(CallConvCdecl)])]
    public static int ElapsedTime(float* milliseconds, nint start, nint end) => Machine.InContext("cuEventElapsedTime", () =>
    {
        Event first = Machine.Handles.Get<Event>(start), last = Machine.Handles.Get<Event>(end);
        DriverGraphs.RefuseCaptured(first, "cuEventElapsedTime");
        DriverGraphs.RefuseCaptured(last, "cuEventElapsedTime");
        if (!first.HasTiming || !last.HasTiming || first.Mark == null || last.Mark == null)
            throw new StandInException(Code.InvalidHandle, "an event without a time: it was made without timing, or never recorded");
        if (!first.Mark.IsDone || !last.Mark.IsDone) return Code.NotReady;
        *milliseconds = (float)Stopwatch.GetElapsedTime(first.Mark.Ticks, last.Mark.Ticks).TotalMilliseconds;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuEventDestroy_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int EventDestroy(nint destroyed) => Machine.InContext("cuEventDestroy_v2", () =>
    {
        Machine.Handles.Get<Event>(destroyed);
        Machine.Handles.Remove(destroyed);
        return Code.Success;
    });

    /// <summary>The stream of a handle; stream 0 is noted, and it voids a capture.</summary>
    public static Stream Get(nint stream, string call)
    {
        if (stream != 0) return Machine.Handles.Get<Stream>(stream);
        Machine.Note($"{call}: stream 0 is used; every call should name its stream");
        foreach (Stream other in Machine.Handles.All<Stream>())
            if (other.Capture != null) throw DriverGraphs.Void(other.Capture, Code.CaptureImplicit, "stream 0 is used while a stream captures");
        return Null;
    }

    /// <summary>Queues work, or records it where the stream captures.</summary>
    public static void Enqueue(Stream stream, Work work)
    {
        if (stream.Capture == null)
        {
            if (stream == Null && stream.Id == 0) stream.Id = Machine.Scheduler.Order.Take();
            stream.Queue.Enqueue(new Queued(work, Machine.Scheduler.Order.Next(stream)));
            return;
        }

        if (stream.Capture.IsVoid) throw new StandInException(Code.CaptureInvalidated, "the capture is void by an earlier error");
        stream.Capture.Add(stream, work);
    }
}
