// Panels in memory that somebody else owns: those of a product whose both sides are activations, for as long as it runs.
namespace Engine.Cpu.Memory;

/// <summary>Memory of a frame.</summary>
internal sealed unsafe class BorrowedPanels(void* start) : IPanelMemory
{
    /// <inheritdoc />
    public byte* Start => (byte*)start;

    /// <summary>Nothing: the frame frees it.</summary>
    public void Dispose()
    {
    }
}
