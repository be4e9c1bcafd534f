// What is done before what, among streams: events and waits of the host are the only order. Each stream numbers its work and knows up to
// which number of every other stream all is done when its next work begins; the host knows it of what it waited for. All host threads
// count as one, and a graph's work as that of the stream that it is launched in, so a missing wait may pass unseen, but none is invented.
using PtxMachine.Memory;

namespace CudaStandIn;

/// <summary>Numbers of work that are done, one for each stream.</summary>
internal sealed class StreamOrder
{
    private readonly Stack<int> _free = [];
    private readonly uint[] _numbers = new uint[WorkOrder.MostStreams];
    private uint[] _host = new uint[WorkOrder.MostStreams];
    private int _next = 1;
    private int _used;

    /// <summary>A number for a stream, and the place from which it counts; 0: there are too many, so its work is not watched.</summary>
    public int Take()
    {
        int id = _free.Count > 0 ? _free.Pop() : _next < WorkOrder.MostStreams ? _next++ : 0;
        if (id > 0) _used++;
        return id;
    }

    /// <summary>Gives a number back, of a stream whose work is done.</summary>
    public void Return(Stream stream)
    {
        if (stream.Id == 0) return;
        Wait(stream);
        _free.Push(stream.Id);
        _used--;
    }

    /// <summary>The order of a stream's next work; null where nothing is watched, as where there is only one stream.</summary>
    public WorkOrder? Next(Stream stream)
    {
        if (stream.Id == 0) return null;
        ref uint number = ref _numbers[stream.Id];
        if (number == WorkOrder.MostNumbers) stream.Id = 0;     // no numbers are left
        else number++;
        stream.Seen = Joined(stream.Seen, _host);
        return _used > 1 && stream.Id != 0 ? new WorkOrder(stream.Id, number, stream.Seen) : null;
    }

    /// <summary>What an event stands for that a stream records now.</summary>
    public uint[] Before(Stream stream)
    {
        uint[] seen = [.. stream.Seen];
        if (stream.Id != 0) seen[stream.Id] = _numbers[stream.Id];
        return seen;
    }

    /// <summary>A stream goes on when the work before an event is done.</summary>
    public static void Follow(Stream stream, uint[] before) => stream.Seen = Joined(stream.Seen, before);

    /// <summary>The host has waited for all work of a stream.</summary>
    public void Wait(Stream stream) => Wait(Before(stream));

    /// <summary>The host has waited for an event.</summary>
    public void Wait(uint[] before) => _host = Joined(_host, before);

    // The arrays are never changed: work that is queued holds them.
    private static uint[] Joined(uint[] a, uint[] b)
    {
        bool isWithin = true;
        for (int i = 0; i < a.Length; i++) isWithin &= b[i] <= a[i];
        if (isWithin) return a;
        var joined = new uint[a.Length];
        for (int i = 0; i < joined.Length; i++) joined[i] = Math.Max(a[i], b[i]);
        return joined;
    }
}
