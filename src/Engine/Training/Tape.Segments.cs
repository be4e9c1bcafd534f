// Results that are computed again: the operators between two ends of sub-layers are a segment, whose memory is given back when it ends
// (Chen et al. 2016).
using System.Runtime.InteropServices;
using Engine.Tensors;

namespace Engine.Training;

public sealed partial class Tape
{
    private readonly List<Segment> _segments = [];

    // What ends a sub-layer stays; what is within goes, except what later segments have asked for.
    private void EndSegment(Result y, Result? sum)
    {
        if (!Recomputes) return;
        y.IsKept = true;
        if (sum is not null) sum.IsKept = true;
        Release(_segments[^1].Mark, static result => result.IsKept, withGradients: false);
        _segments.Add(new Segment(backend.Mark(), _operations.Count));
    }

    // A result that went with its segment is asked for in a later one, as keys and values of the memory are by every layer of the
    // decoder: from now on it stays.
    private void Remake(Result result)
    {
        result.IsKept = true;
        _operations[result.Operation].Forward();
    }

    private void Replay(int number)
    {
        Segment segment = _segments[number];
        bool isOpen = number == _segments.Count - 1;
        int end = isOpen ? _operations.Count : _segments[number + 1].First;
        for (int i = segment.First; i < end && !isOpen; i++) _operations[i].Forward();
        for (int i = end - 1; i >= segment.First; i--) _operations[i].Backward();

        // What was made here is done with. What stays was made before: results that were kept, and gradients.
        Release(segment.Mark, result => result.IsKept && result.Operation < segment.First, withGradients: true);
    }

    // Gives back all memory since a mark, but that of some results' values, and of gradients.
    private void Release(long mark, Func<Result, bool> keeps, bool withGradients)
    {
        var places = new Dictionary<nint, int>();
        var kept = new List<Tensor>();
        void Keep(in Tensor tensor)
        {
            if (!tensor.IsNone && places.TryAdd(tensor.Handle, kept.Count)) kept.Add(tensor);
        }

        IEnumerable<Result> all = _results.Concat(_inputs.Values);
        foreach (Result result in all)
        {
            if (result.Operation >= 0 && keeps(result)) Keep(result.Value);
            if (withGradients) Keep(result.Gradient);
        }

        Span<Tensor> moved = CollectionsMarshal.AsSpan(kept);
        backend.Release(mark, moved);
        foreach (Result result in all)
        {
            if (result.Operation >= 0)
                result.Value = places.TryGetValue(result.Value.Handle, out int value) ? moved[value] : Tensor.None;
            if (places.TryGetValue(result.Gradient.Handle, out int gradient)) result.Gradient = moved[gradient];
        }
    }

    /// <summary>Operators between two ends of sub-layers: where their memory begins, and the first of them; the next segment ends it.</summary>
    private readonly record struct Segment(long Mark, int First);
}
