// Memory of weights: slabs of huge pages that weights share, as most weights are smaller than such a page.

namespace Engine.Cpu.Memory;

/// <summary>
/// Places weights one behind the other in slabs. A slab is given back when the last weight in it is. Used by one thread.
/// </summary>
internal sealed unsafe class WeightMemory
{
    // Only address space, until it is touched. Larger ones would only have fewer ends.
    private const long SlabBytes = 64L << 20;

    private Slab? _open;

    /// <summary>Takes zeroed memory, aligned to a cache line.</summary>
    /// <exception cref="OutOfMemoryException">There is no such room.</exception>
    public Block Take(long bytes)
    {
        long rounded = (Math.Max(bytes, 1) + (NativeBuffer.Alignment - 1)) & ~(long)(NativeBuffer.Alignment - 1);
        if (!Pages.IsSupported) return new Block(this, null, NativeBuffer.Allocate(bytes, zeroed: true), bytes);
        if (_open is null || rounded > _open.Bytes - _open.Used)
        {
            // What does not fit becomes a slab of its own or the open one, whichever leaves the larger rest to be filled.
            var slab = new Slab(Math.Max(SlabBytes, (rounded + Pages.HugeBytes - 1) & ~(long)(Pages.HugeBytes - 1)));
            if (_open is null || slab.Bytes - rounded > _open.Bytes - _open.Used) _open = slab;
            return Place(slab, rounded, bytes);
        }

        return Place(_open, rounded, bytes);
    }

    private Block Place(Slab slab, long rounded, long bytes)
    {
        byte* memory = slab.Memory + slab.Used;
        slab.Used += rounded;
        slab.Users++;
        NativeBuffer.Count(bytes);
        return new Block(this, slab, memory, bytes);
    }

    private void Free(Slab? slab, void* memory, long bytes)
    {
        if (slab is null)
        {
            NativeBuffer.Free(memory, bytes);
            return;
        }

        NativeBuffer.Discount(bytes);
        if (--slab.Users > 0) return;
        if (_open == slab) _open = null;
        Pages.Free(slab.Memory, (nuint)slab.Bytes);
    }

    /// <summary>Memory of one weight.</summary>
    internal sealed class Block(WeightMemory owner, Slab? slab, void* memory, long bytes) : IPanelMemory
    {
        private bool _disposed;

        /// <inheritdoc />
        public byte* Start { get; } = (byte*)memory;

        /// <summary>Gives it back.</summary>
        public void Dispose()
        {
            if (_disposed) return;
            _disposed = true;
            owner.Free(slab, Start, bytes);
        }
    }

    /// <summary>Huge pages.</summary>
    internal sealed class Slab(long bytes)
    {
        public byte* Memory { get; } = (byte*)Pages.AllocateHuge((nuint)bytes);

        public long Bytes => bytes;

        public long Used { get; set; }

        public int Users { get; set; }
    }
}
