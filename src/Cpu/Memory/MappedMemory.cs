// Panels that are used where the model file has them: nothing is copied, and all processes that map the file share the pages.
using System.Runtime.InteropServices;

namespace Engine.Cpu.Memory;

/// <summary>A part of a mapped file. The mapping lives as long as anyone uses it.</summary>
internal sealed unsafe class MappedMemory : IPanelMemory
{
    private readonly SafeBuffer _mapping;
    private bool _disposed;

    /// <summary>Uses the mapping from an offset on.</summary>
    public MappedMemory(SafeBuffer mapping, long offset)
    {
        byte* start = null;
        mapping.AcquirePointer(ref start);
        _mapping = mapping;
        Start = start + offset;
    }

    /// <inheritdoc />
    public byte* Start { get; }

    /// <summary>Gives the mapping back.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _mapping.ReleasePointer();
    }
}
