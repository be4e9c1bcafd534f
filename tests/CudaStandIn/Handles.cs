// Everything that the driver gives a handle for. A handle is never given twice, not even after a reset, so one that was destroyed stays
// known as destroyed. Also the pinned host memory.
using System.Runtime.InteropServices;

namespace CudaStandIn;

internal sealed unsafe class Handles
{
    private static nint s_next = unchecked((nint)0x5A00_0000_0000);

    private readonly Dictionary<nint, object> _alive = [];
    private readonly Dictionary<nint, string> _dead = [];
    private readonly SortedList<nint, long> _host = [];

    public int HostCount => _host.Count;

    public nint Add(object thing)
    {
        s_next += 64;
        _alive.Add(s_next, thing);
        return s_next;
    }

    /// <summary>The thing behind a handle, of the expected kind.</summary>
    public T Get<T>(nint handle) where T : class
    {
        if (_alive.TryGetValue(handle, out object? thing) && thing is T expected) return expected;
        string found = _dead.TryGetValue(handle, out string? dead) ? $"a {dead} that was destroyed" : thing?.GetType().Name ?? "no handle at all";
        throw new StandInException(Code.InvalidHandle, $"0x{handle:X} is {found}, a {typeof(T).Name} is expected");
    }

    public void Remove(nint handle)
    {
        _dead.Add(handle, _alive[handle].GetType().Name);
        _alive.Remove(handle);
    }

    public int Count<T>() => _alive.Values.Count(v => v is T);

    public IEnumerable<T> All<T>() => _alive.Values.OfType<T>();

    public nint AllocateHost(nuint bytes)
    {
        nint pointer = (nint)NativeMemory.AlignedAlloc(Math.Max(bytes, 1), 4096);
        _host.Add(pointer, (long)bytes);
        return pointer;
    }

    public void FreeHost(nint pointer)
    {
        if (!_host.Remove(pointer)) throw new StandInException(Code.InvalidValue, $"0x{pointer:X} is no pinned memory");
        NativeMemory.AlignedFree((void*)pointer);
    }

    /// <summary>Whether a range lies in pinned memory, so that a copy happens late.</summary>
    public bool IsPinned(nint pointer, long bytes)
    {
        foreach ((nint start, long length) in _host)
            if (pointer >= start && pointer + bytes <= start + (nint)length) return true;
        return false;
    }

    public void FreeHostMemory()
    {
        foreach (nint pointer in _host.Keys) NativeMemory.AlignedFree((void*)pointer);
        _host.Clear();
    }
}
