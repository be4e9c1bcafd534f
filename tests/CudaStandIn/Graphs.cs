// Captured work. A capture freezes what a call was given: addresses, sizes and parameters, never the contents of memory.
namespace CudaStandIn;

/// <summary>Work that is being recorded instead of queued.</summary>
internal sealed class Capture(Stream origin, int thread)
{
    public Stream Origin { get; } = origin;

    /// <summary>The host thread whose unsafe calls void the capture.</summary>
    public int Thread { get; } = thread;

    public List<Work> Nodes { get; } = [];

    /// <summary>Streams that joined by waiting for an event of the capture, and did not come back yet.</summary>
    public HashSet<Stream> Forked { get; } = [];

    public bool IsVoid { get; set; }
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
