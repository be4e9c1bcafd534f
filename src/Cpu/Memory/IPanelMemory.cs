// Where a weight's panels are: memory of the backend's own, or pages of the model file.
namespace Engine.Cpu.Memory;

/// <summary>Memory that holds the panels of one weight until it is disposed.</summary>
internal unsafe interface IPanelMemory : IDisposable
{
    /// <summary>The first byte, on a cache line.</summary>
    byte* Start { get; }
}
