// The CPU backend by its word.
using Engine.Backends;
using Engine.Cpu.Simd;

namespace Engine.Cpu;

/// <summary>Makes CPU backends.</summary>
internal sealed class CpuBackendProvider : IBackendProvider
{
    public string Word => "cpu";

    public bool IsAvailable(out string reason)
    {
        reason = $"{CpuOptions.Word(Ladder.Best)}, {Environment.ProcessorCount} processors";
        return true;
    }

    public IBackend Create(BackendOptions options) => new CpuBackend(options);
}
