// The CUDA backend beside the definition of each operator, over the table of shapes that all backends share; and, with products of
// our own, beside the CPU, whose bits it gives.
using Engine.Backends;
using Engine.Conformance;
using Engine.Cpu;

namespace Cuda.Tests;

public sealed class CudaConformance : BackendConformance
{
    // cuBLAS chooses its algorithm by the shape, so a row's bits depend on how many rows stand beside it.
    protected override bool IsBatchInvariant => false;

    protected override bool RoundsToFloat16 => true;

    protected override bool SeesValues => false;

    protected override IBackend Create() => Device.Open(usesOwnProducts: false);
}

public sealed class CudaOwnProductsConformance : BackendConformance
{
    protected override bool SeesValues => false;

    protected override IBackend Create() => Device.Open(usesOwnProducts: true);

    protected override IBackend CreateTwin() => new CpuBackend(new BackendOptions { Threads = 1 });
}
