// Steps that come again are launched as one graph: for a few rows a decoder's step is a hundred small kernels, and giving them to the
// driver one by one takes longer than they run.
namespace Engine.Cuda.Device;

/// <summary>The graphs of one stream, found by the words of the work that they do.</summary>
internal sealed unsafe class StepGraphs(CudaDeviceContext context, ContextHandle handle, WorkStream stream) : IDisposable
{
    // Work that is given once more is captured then: by that time its kernels are loaded and cuBLAS has chosen, which must not happen in a capture.
    private const int SeenOnce = 1;

    // Shapes of steps that are kept; a graph takes some hundred KB of the device.
    private const int MostEntries = 64;

    private const int ThreadLocal = 1;

    // The work that came last is at the end.
    private readonly List<Entry> _entries = [];

    /// <summary>Graphs that are ready.</summary>
    public int Count => _entries.Count(static entry => entry.Graph is not null);

    /// <summary>Does the work, as a graph if it was seen before.</summary>
    public void Run(WorkList work)
    {
        Entry entry = Find(work.Words);
        if (entry.Seen < SeenOnce)
        {
            entry.Seen++;
            work.Issue(stream);
            return;
        }

        entry.Graph ??= TryCapture(work);
        if (entry.Graph is null) work.Issue(stream);
        else context.Check(context.Calls.GraphLaunch(entry.Graph.Value, stream.Handle), "cuGraphLaunch");
    }

    /// <summary>Forgets all graphs, for the memory that they take; says whether there were any.</summary>
    public bool Clear()
    {
        bool any = Count > 0;
        Dispose();
        return any;
    }

    /// <summary>Frees the graphs; no work is running.</summary>
    public void Dispose()
    {
        foreach (Entry entry in _entries) entry.Graph?.Dispose();
        _entries.Clear();
    }

    private Entry Find(ReadOnlySpan<ulong> words)
    {
        var code = new HashCode();
        code.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(words));
        int hash = code.ToHashCode();
        for (int i = _entries.Count - 1; i >= 0; i--)
        {
            Entry known = _entries[i];
            if (known.Hash != hash || !words.SequenceEqual(known.Words)) continue;
            _entries.RemoveAt(i);
            _entries.Add(known);
            return known;
        }

        if (_entries.Count == MostEntries)
        {
            _entries[0].Graph?.Dispose();
            _entries.RemoveAt(0);
        }

        var entry = new Entry(hash, words.ToArray());
        _entries.Add(entry);
        return entry;
    }

    // Null: there is no memory for another graph.
    private GraphExecHandle? TryCapture(WorkList work)
    {
        try
        {
            using GraphHandle graph = Capture(work);
            nint ready;
            context.Check(context.Calls.GraphInstantiate(&ready, graph.Value, 0), "cuGraphInstantiate");
            return new GraphExecHandle(context.Calls, handle, ready);
        }
        catch (OutOfMemoryException)
        {
            return null;
        }
    }

    private GraphHandle Capture(WorkList work)
    {
        nint graph = 0;
        context.Check(context.Calls.StreamBeginCapture(stream.Handle, ThreadLocal), "cuStreamBeginCapture");
        try
        {
            work.Issue(stream);
        }
        catch
        {
            _ = context.Calls.StreamEndCapture(stream.Handle, &graph);
            if (graph != 0) _ = context.Calls.GraphDestroy(graph);
            throw;
        }

        context.Check(context.Calls.StreamEndCapture(stream.Handle, &graph), "cuStreamEndCapture");
        return new GraphHandle(context.Calls, handle, graph);
    }

    private sealed class Entry(int hash, ulong[] words)
    {
        public int Hash { get; } = hash;

        public ulong[] Words { get; } = words;

        public int Seen { get; set; }

        public GraphExecHandle? Graph { get; set; }
    }
}
