// The reference passes its own suite: shows that the suite runs, and that the bounds are not below the rounding of a
// read.
using Engine.Backends;
using Engine.Conformance;
using Engine.Reference;

namespace Engine.Cpu.Tests;

public sealed class ReferenceConformance : BackendConformance
{
    protected override IBackend Create() => new ReferenceBackend();
}

public sealed class ReferenceTrainingConformance : TrainingConformance
{
    protected override ITrainingBackend OpenTraining() => new ReferenceBackend();

    protected override IEnumerable<ITrainingBackend> OpenTwins() => [new ReferenceBackend()];
}
