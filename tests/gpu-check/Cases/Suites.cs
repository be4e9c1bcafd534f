// The suites of all backends on the device, with guards around what operators write: with cuBLAS's products, and with our own beside the
// CPU's bits.
using Engine.Backends;
using Engine.Conformance;
using Engine.Cpu;
using Engine.Cuda;

namespace Engine.GpuCheck.Cases;

internal sealed class LibraryProducts(CudaInfo info) : BackendConformance
{
    // cuBLAS chooses its algorithm by the shape, so a row's bits depend on how many rows stand beside it.
    protected override bool IsBatchInvariant => false;

    protected override bool RoundsToFloat16 => true;

    protected override bool SeesValues => false;

    protected override IBackend Create() => new GuardedBackend(new CudaBackend(info, 0));
}

internal sealed class OwnProducts(CudaInfo info) : BackendConformance
{
    protected override bool SeesValues => false;

    protected override IBackend Create() => new GuardedBackend(new CudaBackend(info, 0, usesOwnProducts: true));

    protected override IBackend CreateTwin() => new CpuBackend(new BackendOptions { Threads = 1 });
}

internal sealed class LibraryProductsTraining(CudaInfo info) : TrainingConformance
{
    protected override ITrainingBackend OpenTraining() => new GuardedBackend(new CudaBackend(info, 0));

    protected override IEnumerable<ITrainingBackend> OpenTwins() => [new CudaBackend(info, 0)];
}

internal sealed class OwnProductsTraining(CudaInfo info) : TrainingConformance
{
    protected override ITrainingBackend OpenTraining() => new GuardedBackend(new CudaBackend(info, 0, usesOwnProducts: true));

    protected override IEnumerable<ITrainingBackend> OpenTwins() => [new CudaBackend(info, 0, usesOwnProducts: true)];
}
