// A frame's memory: a bump pointer over chunks that are kept, so that the same step gets the same addresses and
// allocates nothing.
namespace Engine.Cpu.Memory;

/// <summary>Memory that is taken piece by piece and given back all at once.</summary>
internal sealed unsafe class Arena : IDisposable
{
    private const long SmallestChunk = 1 << 20;

    private readonly List<(nint Address, long Bytes)> _chunks = [];
    private int _chunk;
    private long _used;

    /// <summary>Bytes of all chunks.</summary>
    public long Capacity => _chunks.Sum(static chunk => chunk.Bytes);

    /// <summary>Takes memory, aligned to a cache line, not cleared.</summary>
    public void* Take(long bytes)
    {
        long rounded = (Math.Max(bytes, 1) + (NativeBuffer.Alignment - 1)) & ~(long)(NativeBuffer.Alignment - 1);
        while (_chunk < _chunks.Count && _used + rounded > _chunks[_chunk].Bytes)
        {
            _chunk++;
            _used = 0;
        }

        if (_chunk == _chunks.Count)
        {
            long size = Math.Max(SmallestChunk, Math.Max(rounded, _chunks.Count == 0 ? 0 : 2 * _chunks[^1].Bytes));
            _chunks.Add(((nint)NativeBuffer.Allocate(size, zeroed: false), size));
        }

        void* memory = (byte*)_chunks[_chunk].Address + _used;
        _used += rounded;
        return memory;
    }

    /// <summary>Where it stands, for <see cref="Release"/>.</summary>
    public (int Chunk, long Used) Mark() => (_chunk, _used);

    /// <summary>Gives back what was taken since the mark: the scratch memory of one operator.</summary>
    public void Release((int Chunk, long Used) mark) => (_chunk, _used) = mark;

    /// <summary>Where an address is; null: not in the arena.</summary>
    public (int Chunk, long Used)? Find(nint address)
    {
        for (int i = 0; i < _chunks.Count; i++)
        {
            long place = address - _chunks[i].Address;
            if (place >= 0 && place < _chunks[i].Bytes) return (i, place);
        }

        return null;
    }

    /// <summary>
    /// Gives everything back. Several chunks become one of their total size, so that the next frame has one.
    /// </summary>
    public void Reset()
    {
        if (_chunks.Count > 1)
        {
            long total = Capacity;
            Dispose();   // first: both at once may be more than there is
            _chunks.Add(((nint)NativeBuffer.Allocate(total, zeroed: false), total));
        }

        _chunk = 0;
        _used = 0;
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        foreach ((nint address, long bytes) in _chunks) NativeBuffer.Free((void*)address, bytes);
        _chunks.Clear();
        _chunk = 0;
        _used = 0;
    }
}
