// Capture and graphs. The rules are the driver's: what would wait or allocate voids the capture, and its end says so.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace CudaStandIn;

/// <summary>CUgraphExecUpdateResultInfo.</summary>
internal struct UpdateResult
{
    public int Result;
    public nint ErrorNode;
    public nint ErrorFromNode;
}

internal static unsafe class DriverGraphs
{
    [UnmanagedCallersOnly(EntryPoint = "cuStreamBeginCapture_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int BeginCapture(nint stream, int mode) => Machine.InContext("cuStreamBeginCapture_v2", () =>
    {
        if (stream == 0) throw new StandInException(Code.CaptureUnsupported, "stream 0 cannot be captured");
        Stream captured = Machine.Handles.Get<Stream>(stream);
        if (mode is < 0 or > 2) return Code.InvalidValue;
        if (captured.Capture != null) return Code.InvalidValue;
        captured.Capture = new Capture(captured, mode, Environment.CurrentManagedThreadId);
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuStreamEndCapture", CallConvs = [typeof(CallConvCdecl)])]
    public static int EndCapture(nint stream, nint* graph) => Machine.InContext("cuStreamEndCapture", () =>
    {
        Stream captured = Machine.Handles.Get<Stream>(stream);
        Capture? capture = captured.Capture;
        if (capture == null) return Code.InvalidValue;
        if (capture.Origin != captured) throw Void(capture, Code.CaptureUnmatched, "a capture ends in another stream than it began");
        if (capture.Mode != 2 && capture.Thread != Environment.CurrentManagedThreadId)
            throw new StandInException(Code.CaptureWrongThread, "a capture ends in another host thread than it began");
        int unjoined = capture.Unjoined;
        capture.IsOver = true;
        foreach (Stream part in capture.Streams) part.Capture = null;
        *graph = 0;
        if (capture.IsVoid) throw new StandInException(Code.CaptureInvalidated, "the capture is void by an earlier error");
        if (unjoined > 0) throw new StandInException(Code.CaptureUnjoined, $"{unjoined} streams of the capture were not joined");
        *graph = Machine.Handles.Add(new Graph(capture.Nodes));
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuStreamIsCapturing", CallConvs = [typeof(CallConvCdecl)])]
    public static int IsCapturing(nint stream, int* status) => Machine.InContext("cuStreamIsCapturing", () =>
    {
        Capture? capture = Machine.Handles.Get<Stream>(stream).Capture;
        *status = capture == null ? 0 : capture.IsVoid ? 2 : 1;
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGraphInstantiateWithFlags", CallConvs = [typeof(CallConvCdecl)])]
    public static int Instantiate(nint* exec, nint graph, ulong flags) => Machine.InContext("cuGraphInstantiateWithFlags", () =>
    {
        if (exec == null || flags > 15) return Code.InvalidValue;
        *exec = Machine.Handles.Add(new GraphExec(Machine.Handles.Get<Graph>(graph).Nodes));
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGraphLaunch", CallConvs = [typeof(CallConvCdecl)])]
    public static int Launch(nint exec, nint stream) => Machine.InContext("cuGraphLaunch", () =>
    {
        GraphExec found = Machine.Handles.Get<GraphExec>(exec);
        Stream queue = DriverStreams.Get(stream, "cuGraphLaunch");
        Machine.Counters.GraphLaunches++;
        foreach (Work node in found.Nodes)
        {
            if (node.Kind == "kernel") Machine.Counters.Launches++;
            else if (node.Kind == "copy") Machine.Counters.Copies++;
            DriverStreams.Enqueue(queue, node);
        }

        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGraphUpload", CallConvs = [typeof(CallConvCdecl)])]
    public static int Upload(nint exec, nint stream) => Machine.InContext("cuGraphUpload", () =>
    {
        Machine.Handles.Get<GraphExec>(exec);
        DriverStreams.Get(stream, "cuGraphUpload");
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGraphExecUpdate_v2", CallConvs = [typeof(CallConvCdecl)])]
    public static int Update(nint exec, nint graph, UpdateResult* result) => Machine.InContext("cuGraphExecUpdate_v2", () =>
    {
        int reason = Machine.Handles.Get<GraphExec>(exec).Update(Machine.Handles.Get<Graph>(graph));
        if (result != null) *result = new UpdateResult { Result = reason, ErrorNode = 0, ErrorFromNode = 0 };
        return reason == 0 ? Code.Success : throw new StandInException(Code.GraphUpdate, $"the graphs differ, reason {reason}");
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGraphExecDestroy", CallConvs = [typeof(CallConvCdecl)])]
    public static int ExecDestroy(nint exec) => Machine.InContext("cuGraphExecDestroy", () =>
    {
        Machine.Handles.Get<GraphExec>(exec);
        Machine.Handles.Remove(exec);
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGraphDestroy", CallConvs = [typeof(CallConvCdecl)])]
    public static int Destroy(nint graph) => Machine.InContext("cuGraphDestroy", () =>
    {
        Machine.Handles.Get<Graph>(graph);
        Machine.Handles.Remove(graph);
        return Code.Success;
    });

    [UnmanagedCallersOnly(EntryPoint = "cuGraphGetNodes", CallConvs = [typeof(CallConvCdecl)])]
    public static int GetNodes(nint graph, nint* nodes, nuint* count) => Machine.InContext("cuGraphGetNodes", () =>
    {
        Graph found = Machine.Handles.Get<Graph>(graph);
        if (count == null) return Code.InvalidValue;
        if (nodes != null)
            for (nuint i = 0; i < Math.Min(*count, (nuint)found.Nodes.Count); i++) nodes[i] = (nint)(i + 1);
        *count = (nuint)found.Nodes.Count;
        return Code.Success;
    });

    /// <summary>A call that allocates or waits: it voids the captures that forbid it to this host thread.</summary>
    public static void Unsafe(string call)
    {
        foreach (Stream stream in Machine.Handles.All<Stream>())
        {
            if (stream.Capture is { } capture && capture.Forbids(Environment.CurrentManagedThreadId))
                throw Void(capture, Code.CaptureUnsupported, $"{call} during a capture");
        }
    }

    public static StandInException Void(Capture capture, int code, string message)
    {
        capture.IsVoid = true;
        return new StandInException(code, message);
    }

    /// <summary>A host call that asks about an event of a capture, which has no state: it voids the capture.</summary>
    public static void RefuseCaptured(Event found, string call)
    {
        if (found.Capture is not { } capture) return;
        throw Void(capture, Code.CapturedEvent, $"{call} of an event that was last recorded in a capture");
    }

    /// <summary>A stream that waits for an event of a capture takes part in it.</summary>
    public static void Join(Stream stream, Event awaited)
    {
        Capture capture = awaited.Capture!;
        if (capture.IsOver) throw new StandInException(Code.CapturedEvent, "a stream waits for an event of a capture that has ended");
        if (stream.Capture != null && stream.Capture != capture) throw Void(capture, Code.CaptureUnmatched, "two captures would become one");
        stream.Capture = capture;
        capture.Join(stream, awaited.Before!);
    }
}
