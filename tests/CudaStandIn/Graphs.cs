// Captured work. A capture freezes what a call was given: addresses, sizes and parameters, never the contents of memory.
namespace CudaStandIn;

/// <summary>Work that is being recorded instead of queued, from one stream and from those that joined it.</summary>
internal sealed class Capture
{
    // For each stream: how much of each stream's work is before its next.
    private readonly Dictionary<Stream, Dictionary<Stream, int>> _seen = [];

    public Capture(Stream origin, int mode, int thread)
    {
        (Origin, Mode, Thread) = (origin, mode, thread);
        _seen.Add(origin, new Dictionary<Stream, int> { [origin] = 0 });
    }

    public Stream Origin { get; }

    /// <summary>0 global, 1 thread-local, 2 relaxed.</summary>
    public int Mode { get; }

    /// <summary>The host thread that began it, and that must end it unless it is relaxed.</summary>
    public int Thread { get; }

    public List<Work> Nodes { get; } = [];

    public IEnumerable<Stream> Streams => _seen.Keys;

    public bool IsVoid { get; set; }

    public bool IsOver { get; set; }

    /// <summary>Streams of whose work the origin has not all before it.</summary>
    public int Unjoined => _seen.Keys.Count(stream => _seen[Origin].GetValueOrDefault(stream) < _seen[stream][stream]);

    /// <summary>Whether an unsafe call of a host thread voids it.</summary>
    public bool Forbids(int thread) => Mode == 0 || (Mode == 1 && Thread == thread);

    public void Add(Stream stream, Work work)
    {
        Nodes.Add(work);
        _seen[stream][stream]++;
    }

    /// <summary>What an event that is recorded now stands for.</summary>
    public IReadOnlyDictionary<Stream, int> Before(Stream stream) => new Dictionary<Stream, int>(_seen[stream]);

    /// <summary>A stream waits for an event: it takes part from here on. That counts as work, so it too must be joined.</summary>
    public void Join(Stream stream, IReadOnlyDictionary<Stream, int> before)
    {
        if (!_seen.TryGetValue(stream, out Dictionary<Stream, int>? own))
            _seen.Add(stream, own = new Dictionary<Stream, int> { [stream] = 1 });
        foreach ((Stream other, int count) in before) own[other] = Math.Max(own.GetValueOrDefault(other), count);
    }
}

internal sealed class Graph(IReadOnlyList<Work> nodes)
{
    public IReadOnlyList<Work> Nodes { get; } = nodes;
}

internal sealed class GraphExec(IReadOnlyList<Work> nodes)
{
    public IReadOnlyList<Work> Nodes { get; private set; } = nodes;

    /// <summary>Takes new parameters; the kinds and the functions must stay. 0 or the driver's number of the reason.</summary>
    public int Update(Graph graph)
    {
        if (graph.Nodes.Count != Nodes.Count) return 2;
        for (int i = 0; i < Nodes.Count; i++)
        {
            if (graph.Nodes[i].Kind != Nodes[i].Kind) return 3;
            if (graph.Nodes[i].Function != Nodes[i].Function) return 4;
        }

        Nodes = graph.Nodes;
        return 0;
    }
}
