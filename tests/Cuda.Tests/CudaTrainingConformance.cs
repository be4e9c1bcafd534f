// The training operators of CUDA against their definitions, with cuBLAS's products and with our own; twice, because gradients must be
// the same bits each time.
using Engine.Backends;
using Engine.Conformance;

namespace Cuda.Tests;

public sealed class CudaTrainingConformance : TrainingConformance
{
    protected override ITrainingBackend OpenTraining() => Device.Open(usesOwnProducts: false);

    protected override IEnumerable<ITrainingBackend> OpenTwins() => [Device.Open(usesOwnProducts: false)];
}

public sealed class CudaOwnProductsTrainingConformance : TrainingConformance
{
    protected override ITrainingBackend OpenTraining() => Device.Open(usesOwnProducts: true);

    protected override IEnumerable<ITrainingBackend> OpenTwins() => [Device.Open(usesOwnProducts: true)];
}
