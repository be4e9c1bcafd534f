// A frame's device memory: a bump pointer over chunks that are kept, so that the same step gets the same addresses and
// allocates nothing. The memory is the device's, so only its addresses are handled here.
namespace Engine.Cuda.Device;

/// <summary>Device memory that is taken piece by piece and given back all at once.</summary>
internal sealed class DeviceArena(CudaDeviceContext context)
{
    /// <summary>Bytes to which each piece is aligned: what cuBLAS and vector loads like.</summary>
    public const int Alignment = 256;

    private const long SmallestChunk = 16 << 20;

    private readonly List<(nint Address, long Bytes)> _chunks = [];
    private int _chunk;
    private long _used;

    /// <summary>Takes memory, aligned, not cleared.</summary>
    public nint Take(long bytes)
    {
        long rounded = (Math.Max(bytes, 1) + (Alignment - 1)) & ~(long)(Alignment - 1);
        while (_chunk < _chunks.Count && _used + rounded > _chunks[_chunk].Bytes)
        {
            _chunk++;
            _used = 0;
        }

        if (_chunk == _chunks.Count)
            AddChunk(Math.Max(SmallestChunk, Math.Max(rounded, _chunks.Count == 0 ? 0 : 2 * _chunks[^1].Bytes)), rounded);

        nint memory = _chunks[_chunk].Address + (nint)_used;
        _used += rounded;
        return memory;
    }

    /// <summary>Where it stands, for <see cref="Release"/>.</summary>
    public (int Chunk, long Used) Mark() => (_chunk, _used);

    /// <summary>
    /// Gives back what was taken since the mark. Work that is in the stream may still use it: what comes behind it waits.
    /// </summary>
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
    /// Gives everything back. Several chunks become one of their total size, so that the next frame has one, if there is room.
    /// </summary>
    public void Reset()
    {
        if (_chunks.Count > 1)
        {
            long total = _chunks.Sum(static chunk => chunk.Bytes);
            Free();   // first: both at once may be more than there is
            TryAddChunk(total);
        }

        _chunk = 0;
        _used = 0;
    }

    /// <summary>Frees the memory; says whether there was any.</summary>
    public bool Free()
    {
        bool any = _chunks.Count > 0;
        foreach ((nint address, _) in _chunks) context.Free(address);
        _chunks.Clear();
        _chunk = 0;
        _used = 0;
        return any;
    }

    // More than is needed, so that there are few chunks; but no more than that where there is no room.
    private void AddChunk(long wanted, long needed)
    {
        if (wanted == needed || !TryAddChunk(wanted)) _chunks.Add((context.Allocate(needed), needed));
    }

    private bool TryAddChunk(long bytes)
    {
        try
        {
            _chunks.Add((context.Allocate(bytes), bytes));
            return true;
        }
        catch (OutOfMemoryException)
        {
            return false;
        }
    }
}
