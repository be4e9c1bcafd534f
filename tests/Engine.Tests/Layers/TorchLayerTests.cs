// The layers against PyTorch's, on the reference and on the CPU.
using Engine.Backends;
using Engine.Cpu;
using Engine.Reference;

namespace Engine.Tests.Layers;

public sealed class ReferenceLayerTests : LayerParity
{
    protected override IBackend Open() => new ReferenceBackend();
}

public sealed class CpuLayerTests : LayerParity
{
    protected override IBackend Open() => new CpuBackend();
}

public sealed class ReferenceMixingTests : MixingParity
{
    protected override ITrainingBackend Open() => new ReferenceBackend();
}

public sealed class CpuMixingTests : MixingParity
{
    protected override ITrainingBackend Open() => new CpuBackend();
}
