// Panels that come and go while the engine works, such as a shortlist's: memory of their own, so that it is given back at once.
namespace Engine.Cpu.Memory;

/// <summary>Zeroed memory of one weight.</summary>
internal sealed unsafe class NativePanels(long bytes) : IPanelMemory
{
    private bool _disposed;

    /// <inheritdoc />
    public byte* Start { get; } = (byte*)NativeBuffer.Allocate(bytes, zeroed: true);

    /// <summary>Frees it.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        NativeBuffer.Free(Start, bytes);
    }
}
