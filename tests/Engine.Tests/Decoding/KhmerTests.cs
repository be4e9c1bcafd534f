// The Khmer model on the CPU.
using Engine.Backends;
using Engine.Cpu;

namespace Engine.Tests.Decoding;

public sealed class KhmerTests : KhmerParity
{
    protected override IBackend Open() => new CpuBackend();
}
