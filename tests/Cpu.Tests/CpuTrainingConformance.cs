// The training operators against their definitions, and their bits on every rung and on one and several threads.
using Engine.Backends;
using Engine.Conformance;
using Engine.Cpu.Simd;

namespace Engine.Cpu.Tests;

public sealed class CpuTrainingConformance : TrainingConformance
{
    protected override ITrainingBackend OpenTraining() => new CpuBackend(new BackendOptions { Threads = 1 });

    protected override IEnumerable<ITrainingBackend> OpenTwins() =>
    [
        new CpuBackend(Rung.Portable, threads: 1), new CpuBackend(Rung.Avx2, threads: 3), new CpuBackend(Rung.Avx512, threads: 2),
        new CpuBackend(Rung.Avx512, threads: 2, machineCode: false),
    ];
}
